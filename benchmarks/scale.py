"""The corpus of a million and more passages: real texts once, then with words exchanged until there are enough.

    python benchmarks/scale.py table --data ../shared/data --cache CACHE     # at 10 thousand to 2 million passages
    python benchmarks/scale.py corpus --data ../shared/data --cache CACHE --articles 300000
    searchidx add CACHE/scale-300000.jsonl -i INDEX
    python benchmarks/scale.py measure INDEX --data ../shared/data

First the news corpus, the corpora of the BEIR sets and the passages of the training pairs, each once; then all of them
again with one word in five exchanged for another word of the corpus, as often as it takes. Every article has a number
``share`` from 0 to 999 in its metadata, so that ``share<10`` is a filter that one passage in a hundred passes.
"""

from __future__ import annotations

import compileall
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from news import lines, queries
from scale_table import added, disk_of, markdown
from updates import Updates, asked, summary

import searchidx
from searchidx import Index
from searchidx.measuring import cold_search, machine, memory

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
SIZES = {0: 0, 10_000: 1_035, 100_000: 9_930, 1_000_000: 302_000, 2_000_000: 640_500}
"""Passages, and the articles that have about so many."""
ORIGINALS = 278_178
"""Articles that are no copies."""
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
    """Corpora for the benchmarks of scale, and what an index of each costs."""


@app.command()
def corpus(
    data: Annotated[Path, typer.Option()],
    cache: Annotated[Path, typer.Option()],
    number: Annotated[int, typer.Option("--articles")],
) -> Path:
    """Write some articles as JSONL, from a longer file where there is one; prints the path."""
    cache.mkdir(parents=True, exist_ok=True)
    path, unfinished = cache / f"scale-{number}.jsonl", cache / f"scale-{number}.part"
    if not path.exists():
        longer = [file for file in cache.glob("scale-*.jsonl") if int(file.stem.split("-")[1]) > number]
        with open(unfinished, "w", encoding="utf-8") as file:
            if longer:
                with open(longer[0], encoding="utf-8") as whole:
                    file.writelines(islice(whole, number))
            else:
                file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in islice(articles(data), number))
        unfinished.replace(path)
    print(path, file=sys.stderr)
    return path


@app.command()
def measure(
    path: Path, data: Annotated[Path, typer.Option()], number: int = 100, changes: int = 0, as_json: bool = False
) -> None:
    """Warm queries, k=10, with and without filters; ``--changes`` changes articles of the index, and adds and removes.

    Set OPENBLAS_NUM_THREADS=1, as ``table`` does: numpy's second thread spins while it waits.
    """
    texts = queries(data, number)
    with Index.open(path) as index:
        found: dict[str, Any] = {
            "status": index.status(),
            "queries": {name: summary(asked(index, texts, **options)) for name, options in FILTERS.items()},
            "modes": {mode: summary(asked(index, texts, mode=mode)) for mode in ("dense", "lexical")},
        }
    if changes:
        with Updates(path) as updates:
            for _ in range(changes):
                updates.one()
            found["changes"] = updates.to_dict()
    print(json.dumps(found, indent=None if as_json else 1))


def row_of(corpus_path: Path, index: Path, data: Path, number: int, changes: int, cold_runs: int) -> dict[str, Any]:
    """Everything that is told of one size: built by the command, then measured in new processes."""
    row: dict[str, Any] = {"machine": machine(), "add": added(corpus_path, index), "disk": disk_of(index)}
    print(f"  added: {row['add']}", flush=True)
    texts = queries(data, number)
    row["cold"] = cold_search(index, texts, cold_runs, lambda _: None).to_dict()
    used = memory(index, texts, 10, lambda _: None)
    row["memory"] = {"private": used.private, "mapped": used.mapped}
    print(f"  cold: {row['cold']}, memory: {row['memory']}", flush=True)
    own = [sys.executable, __file__, "measure", str(index), "--data", str(data), "--number", str(number)]
    run = subprocess.run(
        [*own, "--changes", str(changes), "--as-json"],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return row | json.loads(run.stdout.splitlines()[-1])


@app.command()
def table(
    data: Annotated[Path, typer.Option()],
    cache: Annotated[Path, typer.Option()],
    sizes: Annotated[str, typer.Option(help="passages, about")] = "10000,100000,1000000,2000000",
    output: Annotated[Path, typer.Option(help="rows as JSON; the table stands beside it as .md")] = Path("scale.json"),
    number: Annotated[int, typer.Option(help="queries")] = 100,
    changes: Annotated[int, typer.Option(help="articles changed, one at a time")] = 100,
    cold_runs: Annotated[int, typer.Option(help="processes that search from nothing")] = 11,
    keep: Annotated[bool, typer.Option(help="leave the indexes in the cache")] = False,
) -> None:
    """Build and measure an index of each size; sizes that stand in the output already are left out."""
    compileall.compile_dir(Path(searchidx.__file__).parent, quiet=1)  # as pip does
    rows = json.loads(output.read_text()) if output.exists() else {}
    wanted = [size for size in map(int, sizes.split(",")) if str(size) not in rows]
    numbers = [int(np.interp(size, list(SIZES), list(SIZES.values()))) for size in wanted]
    if numbers:
        corpus(data, cache, max(numbers))
    for size, articles_of_it in zip(wanted, numbers, strict=True):
        print(f"{size:,} passages", flush=True)
        path, index = corpus(data, cache, articles_of_it), cache / f"scale-index-{size}"
        shutil.rmtree(index, ignore_errors=True)
        row = row_of(path, index, data, number, changes, cold_runs)
        rows[str(size)] = row | {"varied": max(0, articles_of_it - ORIGINALS)}
        output.write_text(json.dumps(dict(sorted(rows.items(), key=lambda row: int(row[0]))), indent=1))
        if not keep:
            shutil.rmtree(index)
    text = markdown(json.loads(output.read_text()))
    output.with_suffix(".md").write_text(text)
    print(text)


if __name__ == "__main__":
    app()
