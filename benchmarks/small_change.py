"""Small change: adding one article to 100,000 passages, over rebuilding the FAISS file.

python benchmarks/small_change.py --data ../shared/data --cache ~/.cache/searchidx-bench
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from news import ARTICLES_FOR_100K, index_of_100k, lines

from searchidx import Document, Index
from searchidx.storage.dense import DenseIndex


def main(data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()], number: int = 100) -> None:
    """Print both times and their ratio."""
    path = cache / "small-change"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(index_of_100k(data, cache), path)
    rows = map(json.loads, islice(lines(data), ARTICLES_FOR_100K, ARTICLES_FOR_100K + number))
    with Index.open(path) as index:
        index.search("warm")
        times = []
        for row in rows:
            began = time.perf_counter()
            report = index.add(Document(row["_id"], row["text"], title=row["title"]))
            times.append(time.perf_counter() - began)
            assert report.added == 1
        one = statistics.median(times)
        rebuilds = []
        for _ in range(5):
            dense = DenseIndex(path / "dense", index._store, writable=True)
            began = time.perf_counter()
            dense.rebuild()
            rebuilds.append(time.perf_counter() - began)
        rebuild = statistics.median(rebuilds)
        passages = index.status()["passages"]
    slow = sorted(times)[int(number * 0.95)]
    print(f"{passages} passages; one article more: median {one * 1000:.1f} ms, 95% {slow * 1000:.1f} ms")
    print(f"rebuilding the FAISS file: {rebuild * 1000:.0f} ms   ratio 1/{rebuild / one:.0f}")


if __name__ == "__main__":
    typer.run(main)
