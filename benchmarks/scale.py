"""The corpus of a million and more passages: real texts once, then with words exchanged until there are enough.

    python benchmarks/scale.py corpus --data ../shared/data --cache CACHE --articles 170000

First the news corpus, the corpora of the BEIR sets and the passages of the training pairs, each once; then all of them
again with one word in five exchanged for another word of the corpus, as often as it takes. Every article has a number
``share`` from 0 to 999 in its metadata, so that ``share<10`` is a filter that one passage in a hundred passes.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from news import lines

EXCHANGED = 0.2
"""Share of the words that a copy has from elsewhere."""
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
