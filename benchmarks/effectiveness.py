"""nDCG@10 of each leg and of their fusions on BEIR folders, documents scored by their best passage.

    python benchmarks/effectiveness.py ../shared/data/beir/time ../shared/data/beir/cranfield --cache ~/.cache/sidx

Indexes are kept in the cache and brought up to date, so a second run is quick. The last rows are means over the sets.
Needs: pip install ".[eval]"
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import ir_measures
import typer
from ir_measures import Qrel, ScoredDoc, nDCG

from searchidx import Index
from searchidx.articles.chunking import DEFAULT_MAX_TOKENS
from searchidx.ranking.fusion import reciprocal_rank, weighted
from searchidx.types import Query, Ranking

DEPTH = 200
LEXICAL_WEIGHTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def load_queries(folder: Path) -> tuple[dict[str, str], list[Qrel]]:
    """The judged queries and the judgements."""
    with open(folder / "qrels" / "test.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    qrels = [Qrel(row["query-id"], row["corpus-id"], int(row["score"])) for row in rows]
    judged = {qrel.query_id for qrel in qrels if qrel.relevance > 0}
    lines = (folder / "queries.jsonl").read_text().splitlines()
    queries = {str(row["_id"]): str(row["text"]) for row in map(json.loads, lines) if str(row["_id"]) in judged}
    return queries, [qrel for qrel in qrels if qrel.query_id in judged]


def open_index(folder: Path, cache: Path, encoder: str, max_tokens: int) -> Index:
    """The index of a corpus, made or brought up to date."""
    path = cache / f"{folder.name}-{Path(encoder).name}-{max_tokens}"
    if (path / "store.db").exists():
        index = Index.open(path)
    else:
        index = Index.create(path, encoder=encoder, max_tokens=max_tokens)
    corpus = next(path for path in (folder / "corpus.jsonl", folder / "corpus.jsonl.xz") if path.exists())
    report = index.add(corpus)
    for failure in report.failed[:3]:
        print(f"  {failure.uri}: {failure.reason}", file=sys.stderr)
    return index


def fusions(dense: Ranking, lexical: Ranking) -> Iterator[tuple[str, Ranking]]:
    """Every way to merge, by name."""
    legs = {"dense": dense, "lexical": lexical}
    yield "BM25", lexical
    yield "dense", dense
    for weight in LEXICAL_WEIGHTS:
        yield f"w{weight:.1f}", weighted(legs, {"lexical": weight, "dense": 1 - weight})
    for k in (10, 60):
        yield f"rrf{k}", reciprocal_rank(legs, k)


def evaluate(folder: Path, cache: Path, encoder: str, max_tokens: int) -> dict[str, float]:
    """nDCG@10 of every fusion on one set."""
    queries, qrels = load_queries(folder)
    runs: dict[str, list[ScoredDoc]] = {}
    began = time.perf_counter()
    with open_index(folder, cache, encoder, max_tokens) as index:
        legs, store = index._legs("hybrid"), index._store
        built = time.perf_counter() - began
        vectors = index.encoder.encode_queries(list(queries.values()))
        doc_of = dict(store._rows("SELECT passage_id, doc_id FROM passages JOIN documents USING (document)"))
        for (query_id, text), vector in zip(queries.items(), vectors, strict=True):
            dense, lexical = (legs[name].search(Query(text, vector), DEPTH, None) for name in ("dense", "lexical"))
            for name, ranking in fusions(dense, lexical):
                best: dict[str, float] = {}
                for passage_id, score in ranking:
                    best.setdefault(doc_of[passage_id], score)
                runs.setdefault(name, []).extend(ScoredDoc(query_id, d, s) for d, s in list(best.items())[:10])
        count = index.status()
    took = time.perf_counter() - began
    print(f"  {folder.name}: {count['documents']} documents, {count['passages']} passages, {len(queries)} queries, "
          f"{built:.0f} s to open, {took:.0f} s in all", file=sys.stderr)  # fmt: skip
    return {name: ir_measures.calc_aggregate([nDCG @ 10], qrels, run)[nDCG @ 10] for name, run in runs.items()}


def main(
    folders: Annotated[list[Path], typer.Argument(help="BEIR folders.")],
    cache: Annotated[Path, typer.Option(help="Where indexes are kept.")],
    encoder: Annotated[str, typer.Option(help="Encoder of the indexes.")] = "bundled-en",
    max_tokens: Annotated[int, typer.Option(help="Budget of a passage.")] = DEFAULT_MAX_TOKENS,
) -> None:
    """Print a table: one row per set, one column per ranking, and the mean."""
    table = {folder.name: evaluate(folder, cache, encoder, max_tokens) for folder in folders}
    names = list(next(iter(table.values())))
    print(f"| set | {' | '.join(names)} |\n|{'---|' * (len(names) + 1)}")
    for name, row in table.items():
        print(f"| {name} | {' | '.join(f'{row[column]:.4f}' for column in names)} |")
    means = {column: sum(row[column] for row in table.values()) / len(table) for column in names}
    print(f"| **mean** | {' | '.join(f'{means[column]:.4f}' for column in names)} |")


if __name__ == "__main__":
    typer.run(main)
