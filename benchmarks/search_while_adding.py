"""How long a search takes while another thread of the same program adds 30,000 passages to 100,000.

python benchmarks/search_while_adding.py --data ../shared/data --cache ~/.cache/searchidx-bench
"""

from __future__ import annotations

import json
import shutil
import statistics
import threading
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Annotated

import typer
from news import ARTICLES_FOR_100K, index_of_100k, lines, queries

from searchidx import Document, Index

ARTICLES = 2_950
"""Articles of the news corpus that make about 30,000 passages."""


def main(data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()]) -> None:
    """Print the time of the whole add, and of searches before it and meanwhile."""
    path = cache / "search-while-adding"
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(index_of_100k(data, cache), path)
    rows = map(json.loads, islice(lines(data), ARTICLES_FOR_100K, ARTICLES_FOR_100K + ARTICLES))
    articles = [Document(f"more-{row['_id']}", row["text"], title=row["title"]) for row in rows]
    with Index.open(path) as index:
        asked = cycle(queries(data, 100))
        index.search("warm")
        told("before", [timed(index, next(asked)) for _ in range(200)])
        took: list[float] = []
        adding = threading.Thread(target=lambda: took.extend(add(index, articles)))
        adding.start()
        times = []
        while adding.is_alive():
            times.append(timed(index, next(asked)))
            time.sleep(0.01)
        adding.join()
        print(f"{took[1]:.0f} passages added in {took[0]:.1f} s")
        told("meanwhile", times)
        told("after", [timed(index, next(asked)) for _ in range(200)])
    shutil.rmtree(path)


def add(index: Index, articles: list[Document]) -> tuple[float, float]:
    """Seconds and passages."""
    began = time.perf_counter()
    report = index.add(*articles)
    return time.perf_counter() - began, report.passages


def timed(index: Index, query: str) -> float:
    """Milliseconds of one search."""
    began = time.perf_counter()
    index.search(query)
    return 1000 * (time.perf_counter() - began)


def told(when: str, times: list[float]) -> None:
    """Print how long searches took."""
    late = sorted(times)[int(len(times) * 0.95)]
    middle = statistics.median(times)
    print(f"{when}: {len(times)} searches, median {middle:.1f} ms, 95% {late:.1f} ms, longest {max(times):.0f} ms")


if __name__ == "__main__":
    typer.run(main)
