"""Warm query: hybrid search of 100,000 passages in one process, p50 and p95, and the share of each step.

    python benchmarks/warm_query.py --data ../shared/data --cache ~/.cache/searchidx-bench

The baseline in the same run is a numpy brute force over the same vectors, without text.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from news import index_of_100k, queries

import searchidx.search as journey
from searchidx import Index


def timed(function: Callable[..., Any], times: list[float]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            times.append(time.perf_counter() - began)

    return wrapper


def percentiles(times: list[float]) -> str:
    return f"p50 {np.percentile(times, 50) * 1000:6.2f} ms   p95 {np.percentile(times, 95) * 1000:6.2f} ms"


def main(data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()], number: int = 500) -> None:
    """Print percentiles of whole queries and the share of each step."""
    texts = queries(data, number)
    with Index.open(index_of_100k(data, cache)) as index:
        legs = index._asked("hybrid")
        for text in texts[:20]:
            index.search(text)
        steps: dict[str, list[float]] = {name: [] for name in ("encode", "dense", "lexical", "highlight", "store")}
        index.encoder.encode_queries = timed(index.encoder.encode_queries, steps["encode"])  # type: ignore[method-assign]
        for name in ("dense", "lexical"):
            legs[name].search = timed(legs[name].search, steps[name])  # type: ignore[method-assign]
        journey._highlighted = timed(journey._highlighted, steps["highlight"])
        index._store.passages = timed(index._store.passages, steps["store"])  # type: ignore[method-assign]
        whole: list[float] = []
        search = timed(index.search, whole)
        for text in texts:
            search(text)
        matrix = np.concatenate(
            [vectors for _, vectors in index._store.all_vectors(index._store.setting("generation"))]
        )
        vectors = index.encoder.encode_queries(texts)
        brute: list[float] = []
        scan = timed(lambda vector: np.argpartition(matrix @ vector, -10)[-10:], brute)
        for vector in vectors:
            scan(vector)
    total = sum(whole)
    print(f"{len(matrix)} passages, {len(texts)} queries, k=10, hybrid")
    print(f"whole query             {percentiles(whole)}")
    for name, times in steps.items():
        print(f"  {name:10} {sum(times) / total:6.1%}   {percentiles(times)}")
    print(f"  {'the rest':10} {1 - sum(map(sum, steps.values())) / total:6.1%}")
    print(f"numpy brute force       {percentiles(brute)}   ratio {np.median(whole) / np.median(brute):.2f}")


if __name__ == "__main__":
    typer.run(main)
