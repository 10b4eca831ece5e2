"""Reranking: nDCG@10 of the best documents of BM25, in that order and as ``searchidx.rerank`` puts them.

    python benchmarks/rerank.py DATA/beir/* --cache CACHE [--depth 20] [--window N] [--vectors DATA/minilm]

Prints the tables of docs/decisions/014-rerank.md. With ``--vectors`` a transformer's vectors of whole documents are
played back: ``SET.npz`` with ``c`` and ``q`` in the order of corpus and queries. Needs: pip install ".[eval]"
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer

import searchidx.rerank as reranking
from searchidx import Index
from searchidx.encoders import load_encoder
from searchidx.evaluation import Collection, build_index, calculate, parse_measures, read_collection
from searchidx.evaluation.lines import json_lines
from searchidx.ranking import fusion
from searchidx.rerank import LEXICAL_WEIGHT, _legs, rerank
from searchidx.storage.analysis import analysis
from searchidx.types import Encoder

WEIGHTS = (0.0, 0.2, 0.3, 0.4, 0.5, 0.65, 1.0)
"""Of BM25: 0 is the cosine alone, 1 BM25 alone."""
MEASURE = "nDCG@10"
QUERIES, TIMED = 200, 20
"""Queries of a set that count, and those whose time is taken, with the bundled encoder."""


class Remembering:
    """An ``Encoder`` that encodes a text once; a transformer's vectors of whole texts can be put in."""

    def __init__(self, encoder: Encoder, known: dict[str, npt.NDArray[np.float32]] | None = None) -> None:
        self.encoder, self.known = encoder, known or {}
        self.name, self.dim, self.max_tokens = encoder.name, encoder.dim, encoder.max_tokens
        self.fingerprint = "st:played" if known else encoder.fingerprint
        self.count_tokens = encoder.count_tokens

    def encode_passages(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Vectors: float32 [n, dim]."""
        if new := [text for text in dict.fromkeys(texts) if text not in self.known]:
            self.known.update(zip(new, self.encoder.encode_passages(new), strict=True))
        return np.array([self.known[text] for text in texts], dtype=np.float32)

    def encode_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """The same: neither encoder here has prompts."""
        return self.encode_passages(texts)


def text_of(index: Index, doc_id: str) -> str:
    document = index.get(doc_id)
    assert document is not None
    return "\n".join(part for part in (document.title, document.text) if part)


def played(collection: Collection, texts: dict[str, str], file: Path) -> Encoder:
    """The vectors of a file for the texts of a collection."""
    arrays, folder = np.load(file), file.parent.parent / "beir" / collection.name
    corpus = next(folder.glob("corpus.jsonl*"))
    ids = [str(row["_id"]) for _, row in json_lines(corpus)]
    queries = [row["text"] for _, row in json_lines(folder / "queries.jsonl")]
    assert (len(ids), len(queries)) == (len(arrays["c"]), len(arrays["q"]))
    vectors = {texts[doc_id]: arrays["c"][row] for row, doc_id in enumerate(ids) if doc_id in texts}
    return Remembering(load_encoder("bundled-en"), vectors | dict(zip(queries, arrays["q"], strict=True)))


def measure(folder: Path, cache: Path, depth: int, vectors: Path | None) -> tuple[list[float], list[float]]:
    """nDCG@10 of the given order and by weight; relevance of the best, share relevant of the best, and milliseconds."""
    collection = read_collection(folder)
    ids = sorted(collection.queries)
    ids = [ids[i] for i in np.random.default_rng(0).permutation(len(ids))[:QUERIES]]
    runs: dict[object, dict[str, list[tuple[str, float]]]] = {key: {} for key in ("given", *WEIGHTS)}
    relevances, right, times = [], [], []
    with build_index(collection, cache) as index:
        given = {q: [doc for doc, _ in index.rank(collection.queries[q], depth, mode="lexical")] for q in ids}
        texts = {doc: text_of(index, doc) for docs in given.values() for doc in docs}
    plain = load_encoder("bundled-en")
    encoder = played(collection, texts, vectors / f"{collection.name}.npz") if vectors else Remembering(plain)
    for query_id, docs in given.items():
        runs["given"][query_id] = [(doc, 0.0) for doc in docs]
        if not docs:
            continue
        query, found = collection.queries[query_id], [texts[doc] for doc in docs]
        rankings, _ = _legs(query, found, encoder, analysis("en"))
        for weight in WEIGHTS:
            merged = fusion.weighted(rankings, {"lexical": weight, "dense": 1 - weight})
            runs[weight][query_id] = [(docs[place], score) for place, score in merged]
        ranked = rerank(query, found, encoder, "en")
        if len(times) < TIMED:
            began = time.perf_counter()
            rerank(query, found, plain, "en")
            times.append(time.perf_counter() - began)
        assert [docs[place] for place, _ in ranked] == [doc for doc, _ in runs[LEXICAL_WEIGHT][query_id]]
        relevances.append(ranked[0][1])
        right.append(collection.qrels[query_id].get(docs[ranked[0][0]], 0) > 0)
    qrels = {query_id: collection.qrels[query_id] for query_id in ids}
    values = [calculate(parse_measures(MEASURE), qrels, run).mean[MEASURE] for run in runs.values()]
    return values, [mean(relevances), mean(right), 1000 * median(times)]


def main(
    sets: list[Path],
    cache: Annotated[Path, typer.Option()],
    depth: Annotated[int, typer.Option(help="Documents to rerank.")] = 100,
    vectors: Annotated[Path | None, typer.Option(help="Folder of a transformer's vectors.")] = None,
    window: Annotated[int, typer.Option(help="Characters compared by meaning at once.")] = reranking.WINDOW,
) -> None:
    """Print a table with a line for each set, and the means."""
    reranking.WINDOW = 10**9 if vectors else window
    names = ["given", *("cosine" if w == 0 else "BM25" if w == 1 else f"{w:g}" for w in WEIGHTS)]
    print(f"| {depth} documents | {' | '.join(names)} | best says | best is | ms |")
    print("|---|" + "---:|" * (len(names) + 3))
    rows = []
    for folder in sets:
        if vectors and not (vectors / f"{folder.name}.npz").exists():
            continue
        values, about = measure(folder, cache, depth, vectors)
        rows.append([*values, *about])
        print(line(folder.name, rows[-1]), flush=True)
    print(line("**mean**", [mean(column) for column in zip(*rows, strict=True)]))


def line(name: str, values: Sequence[float]) -> str:
    shown = [f"{value:.4f}"[1:] if value < 1 else "1.0" for value in values[:-3]]
    return f"| {name} | {' | '.join(shown)} | {values[-3]:.2f} | {values[-2]:.2f} | {values[-1]:.1f} |"


if __name__ == "__main__":
    typer.run(main)
