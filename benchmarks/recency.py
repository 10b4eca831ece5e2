"""Dates in ranking: how old hits are and how good, as the half-life falls, and what each option costs.

    python benchmarks/recency.py --data DATA --cache CACHE

Articles of one year (the dev split of the news corpus) without their titles; each title is a query, and its article the
one that is wanted. So the queries ask for no time at all: what a half-life loses here is the most that it can lose.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from news import lines

from searchidx import Document, Index
from searchidx.ranking.recency import day_of, moment_of

AS_OF = "2020-01-01"
SPANS = (None, "10y", "2y", "1y", "180d", "90d", "60d", "30d", "14d", "7d", "1d")


def index_of_a_year(data: Path, cache: Path) -> Path:
    """The articles of the dev split, one for each title, without it; made once."""
    path = cache / "index-recency"
    if not path.exists():
        rows = (row for line in lines(data) if (row := json.loads(line))["metadata"]["split"] == "dev")
        articles = {row["title"]: row for row in rows if len(row["title"].split()) >= 4}
        with Index.create(path) as index:
            index.add(*(_article(title, row) for title, row in articles.items()))
    return path


def _article(title: str, row: dict[str, Any]) -> Document:
    return Document(row["_id"], row["text"], published=row["metadata"].get("date") or "", metadata={"q": title})


def main(data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()], number: int = 500) -> None:
    """Print a row for each half-life and for the order by date."""
    ways: dict[str, dict[str, Any]] = {str(span): {"half_life": span, "as_of": AS_OF} for span in SPANS}
    ways = {"relevance": {}, **{f"half-life {name}": way for name, way in ways.items() if name != "None"}}
    ways["sort by date"] = {"sort": "date"}
    gains, ages, seconds, relevances = (defaultdict[str, list[float]](list) for _ in range(4))
    with Index.open(index_of_a_year(data, cache)) as index:
        documents = list(index.list())
        asked = random.Random(5).sample(documents, number)
        for document in asked[:20]:
            index.search(document.metadata["q"])
        for document in asked:
            for name, way in ways.items():
                began = time.process_time()
                hits = index.search(document.metadata["q"], **way)
                seconds[name].append(time.process_time() - began)
                ranks = [hit.rank for hit in hits if hit.document.doc_id == document.doc_id]
                gains[name].append(1 / math.log2(ranks[0] + 1) if ranks else 0.0)
                days = [day for hit in hits if (day := day_of(hit.document.published)) is not None]
                ages[name] += [max(0.0, moment_of(AS_OF) - day) for day in days]
                relevances[name] += [hit.score for hit in hits]
    print(f"{len(documents)} articles, {number} headlines; ages in days on {AS_OF}, times of the processor")
    for name in ways:
        times = np.array(seconds[name]) / np.array(seconds["relevance"])
        print(
            f"{name:16} nDCG@10 {np.mean(gains[name]):.3f}   mean age {np.mean(ages[name]):5.1f}   mean relevance "
            f"{np.mean(relevances[name]):.3f}   hits {len(relevances[name]) / number:4.1f}   "
            f"p50 {np.median(seconds[name]) * 1000:5.1f} ms   ratio {np.median(times):.2f}"
        )


if __name__ == "__main__":
    typer.run(main)
