"""Measure an encoder alone: nDCG@10 of exact dense ranking of whole documents, on sets in BEIR format.

A document is its title and its text, encoded as one passage, so figures of sets with long articles are lower than what
an index of passages reaches. Only queries with a positive judgement count; gains are the judgements, linear, as in
trec_eval (checked against ir_measures: equal to 1e-14 on all sets named below). Use, from the root of the repository::

    python -m training.evaluate DATA                                 # DATA holds one folder per set
    python -m training.evaluate DATA --sets time scifact --encoder all-MiniLM-L6-v2
"""

from __future__ import annotations

import argparse
import json
import lzma
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from searchidx.encoders import DEFAULT_ENCODER, load_encoder
from searchidx.types import Encoder

CHOOSE = (
    "time",
    "cranfield",
    "scifact",
    "cacm",
    "rtqa_evidence_dev",
    "covidfact_sent",
    "basil_events",
    "adi",
    "xquad_en",
)
"""Sets by whose mean the settings of the bundled encoder are chosen."""
CHECK = ("lisa", "npl", "checkthat2020", "usgov_posts", "squadshifts_wiki", "bbc_headline")
"""Sets that were looked at beside them, and weighed only where those were level; no blind test."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, judged queries, and relevance as a dense matrix [queries, documents] of judgements (0 where none)."""

    documents: list[str]
    queries: list[str]
    relevance: npt.NDArray[np.float32]


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a JSON Lines file, or of the same file with ``.xz`` appended."""
    if path.exists():
        return [json.loads(line) for line in path.read_text().splitlines()]
    with lzma.open(f"{path}.xz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_collection(folder: Path) -> Collection:
    """Read ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/test.tsv``."""
    rows = [line.split("\t") for line in (folder / "qrels" / "test.tsv").read_text().splitlines()[1:]]
    positive = [(query_id, doc_id, float(grade)) for query_id, doc_id, grade in rows if float(grade) > 0]
    judged = {query_id for query_id, _, _ in positive}
    corpus = read_lines(folder / "corpus.jsonl")
    queries = [query for query in read_lines(folder / "queries.jsonl") if query["_id"] in judged]
    doc_rows = {document["_id"]: row for row, document in enumerate(corpus)}
    query_rows = {query["_id"]: row for row, query in enumerate(queries)}
    relevance = np.zeros((len(queries), len(corpus)), dtype=np.float32)
    for query_id, doc_id, grade in positive:
        relevance[query_rows[query_id], doc_rows[doc_id]] = grade
    texts = [f"{document.get('title', '')} {document['text']}".strip() for document in corpus]
    return Collection(texts, [query["text"] for query in queries], relevance)


def ndcg(scores: npt.NDArray[np.float32], relevance: npt.NDArray[np.float32], k: int = 10) -> float:
    """Mean nDCG@k over the rows of two matrices [queries, documents]; ties go to the earlier document."""
    discounts = 1 / np.log2(np.arange(2, min(k, scores.shape[1]) + 2))
    top = np.argsort(-scores, axis=1, kind="stable")[:, : len(discounts)]
    gains = np.take_along_axis(relevance, top, axis=1) @ discounts
    best = -np.sort(-relevance, axis=1)[:, : len(discounts)] @ discounts
    return float(np.mean(gains / best))


def evaluate(encoder: Encoder, collection: Collection) -> float:
    """nDCG@10 of the encoder's cosine ranking."""
    scores = encoder.encode_queries(collection.queries) @ encoder.encode_passages(collection.documents).T
    return ndcg(scores, collection.relevance)


def main() -> None:
    """Print a line per set, and the means."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="folder of folders in BEIR format")
    parser.add_argument("--sets", nargs="+", default=[*CHOOSE, *CHECK], help="names of folders in it")
    parser.add_argument("--encoder", default=DEFAULT_ENCODER, help="default: %(default)s")
    options = parser.parse_args()
    encoder = load_encoder(options.encoder)
    figures = {}
    for name in options.sets:
        figures[name] = evaluate(encoder, read_collection(options.data / name))
        print(f"{name:24} {figures[name]:.4f}", flush=True)
    for title, group in (("mean of the nine", CHOOSE), ("mean of the six", CHECK)):
        if all(name in figures for name in group):
            print(f"{title:24} {np.mean([figures[name] for name in group]):.4f}")


if __name__ == "__main__":
    main()
