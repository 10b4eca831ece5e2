"""Recall@10 of the dense leg for questions that people asked, by how many lists are read: docs/decisions/023-scale.md.

    python benchmarks/recall.py INDEX --data ../shared/data [--lists 200,280,454]

An index of more than 200,000 passages has lists; ``scale.py table --keep`` leaves one in its cache. Exact is a scan of
all vectors of the store; a passage counts as found where one as near is.
"""

from __future__ import annotations

import json
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from searchidx import Index
from searchidx.measuring.latency import EXACT, NEAREST
from searchidx.storage.dense import DenseIndex
from searchidx.storage.inverted import measure
from searchidx.storage.store import Store
from searchidx.types import Query

SETS = {
    "news quiz": "realtimeqa_dev",
    "time": "time",
    "scifact": "scifact",
    "reuters": "reuters21578_headline",
    "squadshifts": "squadshifts_wiki",
}
TARGET = 0.99


def questions(data: Path, name: str, number: int) -> list[str]:
    """The first questions of a set."""
    rows = (data / "beir" / name / "queries.jsonl").read_text().splitlines()
    return [json.loads(row)["text"] for row in rows[:number]]


def tenth(store: Store, vectors: np.ndarray) -> np.ndarray:
    """The cosine of the tenth nearest passage to each vector."""
    best = np.full((len(vectors), NEAREST), -np.inf, np.float32)
    for _, some in store.all_vectors(store.setting("generation")):
        both = np.concatenate([best, vectors @ some.T], axis=1)
        best = np.partition(both, -NEAREST, axis=1)[:, -NEAREST:]
    found: np.ndarray = best.min(axis=1)
    return found


def reached(leg: DenseIndex, lists: int, vectors: np.ndarray, bounds: np.ndarray) -> tuple[float, float]:
    """Recall, and milliseconds for a question, where so many lists are read."""
    manifest = leg._state.manifest
    assert manifest
    leg._state = replace(leg._state, manifest=replace(manifest, nprobe=lists))
    began = time.process_time()
    answers = [leg.search(Query("", vector), NEAREST, None) for vector in vectors]
    took = time.process_time() - began
    found = sum(score >= bound - EXACT for hits, bound in zip(answers, bounds, strict=True) for _, score in hits)
    return found / (NEAREST * len(vectors)), 1000 * took / len(vectors)


def main(
    path: Path,
    data: Annotated[Path, typer.Option()],
    lists: Annotated[str, typer.Option(help="numbers of lists to read, beside the stored one")] = "200,280,454",
    number: Annotated[int, typer.Option(help="questions of each set")] = 200,
) -> None:
    """Print the recall and the lists that 0.99 would need, a row for each set; milliseconds are processor time."""
    with Index.open(path) as index, closing(Store(path)) as store:
        status = index.status()["dense"]
        leg = index._legs.dense
        state = leg._state
        if not state.manifest or len(state.means) == 1:
            raise typer.BadParameter(f"{path} has one list, which every search reads whole: take a larger index")
        stored = state.manifest.nprobe
        tried = sorted({stored, *(min(int(some), len(state.means)) for some in lists.split(","))})
        print(
            f"{state.held:,} passages, {len(state.means)} lists; stored: {stored}, recall {status['recall@10']:.3f}\n"
        )
        print(f"| questions | {' | '.join(f'{some} lists' for some in tried)} | lists for {TARGET} |")
        print("|---" * (len(tried) + 2) + "|")
        asked = [index.encoder.encode_queries(questions(data, name, number)) for name in SETS.values()]
        nearest = np.split(tenth(store, np.concatenate(asked)), np.cumsum([len(vectors) for vectors in asked])[:-1])
        for label, vectors, bounds in zip(SETS, asked, nearest, strict=True):
            cells = [reached(leg, some, vectors, bounds) for some in tried]
            needed, _ = measure(state.segments, state.means, state.flags(state.last_id), vectors, TARGET)
            told = " | ".join(f"{share:.3f} ({took:.1f} ms)" for share, took in cells)
            print(f"| {len(vectors)} of {label} | {told} | {needed} ({needed / len(state.means):.1%}) |", flush=True)


if __name__ == "__main__":
    typer.run(main)
