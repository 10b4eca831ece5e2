"""The corpus of a million and more passages: real texts once, then with words exchanged until there are enough.

    python benchmarks/scale.py corpus --data ../shared/data --cache CACHE --articles 300000
    searchidx add CACHE/scale-300000.jsonl -i INDEX
    python benchmarks/scale.py measure INDEX --data ../shared/data

First the news corpus, the corpora of the BEIR sets and the passages of the training pairs, each once; then all of them
again with one word in five exchanged for another word of the corpus, as often as it takes. Every article has a number
``share`` from 0 to 999 in its metadata, so that ``share<10`` is a filter that one passage in a hundred passes.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from news import lines, queries

from searchidx import Index

EXCHANGED = 0.2
"""Share of the words that a copy has from elsewhere."""
FILTERS: dict[str, dict[str, Any]] = {
    "no filter": {},
    "0.1% pass (share<1)": {"where": ["share<1"]},
    "1% pass (share<10)": {"where": ["share<10"]},
    "10% pass (share<100)": {"where": ["share<100"]},
    "50% pass (share<500)": {"where": ["share<500"]},
    "published 2018 and later": {"after": "2018"},
}
"""Numbers that have nothing to do with what is said, and a date, which has."""
app = typer.Typer()


def rows(path: Path) -> Iterator[dict[str, Any]]:
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def originals(data: Path) -> Iterator[dict[str, Any]]:
    """Every text of the data folder once."""
    for line in lines(data):
        yield json.loads(line)
    for path in sorted(data.glob("beir/*/corpus.jsonl*")):
        for row in rows(path):
            yield {"_id": f"{path.parent.name}-{row['_id']}", "title": row.get("title", ""), "text": row["text"]}
    seen = set()
    for path in sorted(data.glob("train/*.jsonl.xz")):
        for row in rows(path):
            key = hashlib.blake2b(row["positive"].encode(), digest_size=8).hexdigest()
            if key not in seen:
                seen.add(key)
                yield {"_id": f"{path.name.split('.')[0]}-{key}", "title": "", "text": row["positive"]}


def varied(row: dict[str, Any], copy: int, pool: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """The same article with some of its words exchanged for words of the pool."""
    words = row["text"].split(" ")
    for place in np.flatnonzero(rng.random(len(words)) < EXCHANGED):
        words[place] = pool[rng.integers(len(pool))]
    return row | {"_id": f"{row['_id']}-{copy}", "text": " ".join(words)}


def articles(data: Path) -> Iterator[dict[str, Any]]:
    """The originals, then copies of them without end."""
    rng = np.random.default_rng(6)
    sample = [word for row in islice(originals(data), 2000) for word in row["text"].split()]
    pool = np.array(sample, dtype=object)
    for copy in count():
        for row in originals(data):
            row = varied(row, copy, pool, rng) if copy else row
            yield row | {"metadata": {**row.get("metadata", {}), "share": int(rng.integers(1000))}}


Times = list[tuple[float, float]]
"""Seconds on the clock and of processor time: on a machine with other work only the second compare."""


@contextmanager
def timed(times: Times) -> Iterator[None]:
    began, busy = time.perf_counter(), time.process_time()
    yield
    times.append((time.perf_counter() - began, time.process_time() - busy))


def changed(index: Index, number: int) -> Times:
    """From one article's replacement to its being found, again and again."""
    times: Times = []
    names = [document.doc_id for document in islice(index.list(), number)]
    for name in names:
        document, word = index.get(name), f"zorgblat{time.time_ns()}"
        assert document
        with timed(times):
            index.add(replace(document, text=f"{document.text} Revised {word}."))
            found = index.search(word, mode="lexical")
        assert found[0].document.doc_id == name
    return times


def asked(index: Index, texts: list[str], **options: Any) -> Times:
    times: Times = []
    for text in texts:
        with timed(times):
            index.search(text, **options)
    return times


def told(name: str, times: Times) -> None:
    parts = []
    for label, column in zip(("clock", "processor"), np.array(times).T * 1000, strict=True):
        p50, p95 = np.percentile(column[1:], [50, 95])
        parts.append(f"{label}: p50 {p50:6.1f}  p95 {p95:6.1f}  first {column[0]:6.1f} ms")
    print(f"{name:26} {'   '.join(parts)}", flush=True)


@app.command()
def measure(
    path: Path,
    data: Annotated[Path, typer.Option()],
    number: int = 200,
    changes: int = 0,
) -> None:
    """Warm hybrid queries, k=10, with and without filters; then ``--changes`` replacements of one article each."""
    texts = queries(data, number)
    with Index.open(path) as index:
        status = index.status()
        print(f"{status['documents']} articles, {status['passages']} passages; dense {status['dense']}")
        for name, options in FILTERS.items():
            told(name, asked(index, texts, **options))
        if changes:
            told("one article replaced", changed(index, changes))
            told("no filter, afterwards", asked(index, texts))
            print(index.status()["dense"], index.status()["lexical"])
    files = {part.name: [part] if part.is_file() else [*part.iterdir()] for part in path.iterdir()}
    sizes = {name: sum(file.stat().st_size for file in some) for name, some in files.items()}
    print("bytes a passage:", {name: round(size / status["passages"]) for name, size in sizes.items() if size > 10_000})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"memory of this process at its peak: {peak:.0f} MB, what is mapped of the files among it")


@app.callback()
def main() -> None:
    """Corpora for the benchmarks of scale."""


@app.command()
def corpus(
    data: Annotated[Path, typer.Option()],
    cache: Annotated[Path, typer.Option()],
    number: Annotated[int, typer.Option("--articles")],
) -> None:
    """Write some articles as JSONL; prints the path."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / f"scale-{number}.jsonl"
    with open(path, "w", encoding="utf-8") as file:
        for row in islice(articles(data), number):
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    print(path)


if __name__ == "__main__":
    app()
