"""Thousands of updates of one article each, in a row, in a copy of an index; then that against a fresh build of it.

    python benchmarks/updates.py run INDEX --data ../shared/data --number 10000

Articles of the index are replaced, new ones are added, and articles that were replaced or added before are removed, in
turns. Each is timed until it is acknowledged, and until another reader that is open all the while finds it, or finds it
no more; now and then a new process is asked too. An answer that is wrong ends the run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from news import queries
from scale_table import added

from searchidx import Document, Index
from searchidx.children import command
from searchidx.measuring import disk
from searchidx.measuring.latency import recall
from searchidx.storage.store import Store

KINDS = ("replace", "add", "remove")
_LETTERS = str.maketrans("0123456789", "bcdfghjklm")
_SEARCH = """
import json, sys
from searchidx import Index
with Index.open(sys.argv[1]) as index:
    print(json.dumps([hit.document.doc_id for hit in index.search(sys.argv[2], 1, mode="lexical")]))
"""
Times = list[tuple[float, float]]
"""Seconds on the clock and of processor time: on a machine with other work only the second compare."""


@contextmanager
def timed(times: Times) -> Iterator[None]:
    began, busy = time.perf_counter(), time.process_time()
    yield
    times.append((time.perf_counter() - began, time.process_time() - busy))


def asked(index: Index, texts: list[str], **options: Any) -> Times:
    """The first query also loads what is loaded once, and finds what a filter lets pass."""
    times: Times = []
    for text in texts:
        with timed(times):
            index.search(text, **options)
    return times


def _percentiles(samples: Any) -> dict[str, float]:
    p50, p95 = np.percentile(samples, [50, 95])
    return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "most": round(float(max(samples)), 3)}


def summary(times: Times) -> dict[str, Any]:
    """Milliseconds: percentiles on the clock, the same of processor time, and the first, which is not among them."""
    clock, processor = (np.array(column) * 1000 for column in zip(*times, strict=True))
    return {**_percentiles(clock[1:]), "processor": _percentiles(processor[1:]), "first": round(float(clock[0]), 3)}


class Updates:
    """Updates of an index that is changed by them: each article is replaced once at most."""

    def __init__(self, path: Path) -> None:
        self._rng = np.random.default_rng(6)
        with closing(Store(path)) as store:
            names = store.all_doc_ids()
            self._run = str(store.position()).translate(_LETTERS)  # words of an earlier run may be there
        self._names = [names[number] for number in self._rng.permutation(len(names))]
        self._alive: list[tuple[str, str]] = []  # what was replaced or added, and its word
        self.path, self.last = path, ("", "", False)
        self.acknowledged: Times = []
        self.found: Times = []

    def __enter__(self) -> Updates:
        self._open = ExitStack()
        self.index, self.reader = (self._open.enter_context(Index.open(self.path)) for _ in range(2))
        self.reader.search("warm")
        self.index.search("warm")
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def one(self) -> None:
        """The next update."""
        done = len(self.found)
        kind, word = KINDS[done % len(KINDS)], f"zq{self._run}z{str(done).translate(_LETTERS)}x"
        if kind == "remove":
            name, word = self._alive.pop(self._rng.integers(len(self._alive)))
        else:
            article = self._article(kind, word)
            name = article.doc_id
            self._alive.append((name, word))
        with timed(self.found):
            with timed(self.acknowledged):
                report = self.index.remove(name) if kind == "remove" else self.index.add(article)
            hits = self.reader.search(word, 1, mode="lexical")
        self.last = name, word, kind != "remove"
        if report.added + report.updated + report.removed != 1:
            raise RuntimeError(f"{kind} of {name} was counted as {report}")
        self._expect([hit.document.doc_id for hit in hits])

    def _article(self, kind: str, word: str) -> Document:
        """An article with a word that no other has; a new one has the words of an old one in another order."""
        document = self.index.get(self._names.pop())
        assert document
        if kind == "replace":
            return replace(document, text=f"{document.text}\n\n{word}")
        words = document.text.split(" ")
        text = " ".join(words[number] for number in self._rng.permutation(len(words)))
        return replace(document, doc_id=word, uri="", text=f"{text}\n\n{word}")

    def _expect(self, found: list[str]) -> None:
        name, word, present = self.last
        if found != [name] * present:
            raise RuntimeError(f"after update {len(self.found)} {word} finds {found}, expected {[name] * present}")

    def ask_a_new_process(self) -> None:
        """Whether a process that starts now sees the last update."""
        run = subprocess.run(
            command(_SEARCH, str(self.path.absolute()), self.last[1]), check=True, stdout=subprocess.PIPE, text=True
        )
        self._expect(json.loads(run.stdout))

    def to_dict(self, last: int = 0) -> dict[str, Any]:
        """Times of all updates but the first, or of the last few."""
        pairs = {"acknowledged": self.acknowledged, "found": self.found}
        return {"count": len(self.found), **{name: summary(times[-last:]) for name, times in pairs.items()}}


app = typer.Typer()


def _size(path: Path) -> int:
    return sum(disk(path).values())


def _told(times: dict[str, Any]) -> str:
    return f"{times['p50']:.1f} / {times['p95']:.1f} ms (processor {times['processor']['p50']:.1f})"


@app.command()
def run(
    path: Path,
    data: Annotated[Path, typer.Option()],
    number: Annotated[int, typer.Option(help="updates")] = 10_000,
    every: Annotated[int, typer.Option(help="updates between two lines")] = 500,
    fresh: Annotated[int, typer.Option(help="updates between two new processes")] = 100,
) -> None:
    """Update a copy, which lies beside the index and goes in the end, then build its content anew and compare."""
    texts = queries(data, 100)
    with Index.open(path) as index:
        if 3 * (held := index.status()["documents"]) < 2 * number:
            raise typer.BadParameter(f"two of three updates take an article, and {path} holds {held:,}")
    with tempfile.TemporaryDirectory(prefix=".updates-", dir=path.absolute().parent) as name:
        copy, anew, exported = (Path(name) / part for part in ("copy", "anew", "articles.jsonl"))
        shutil.copytree(path, copy)
        print(f"before: {_size(copy) / 1e6:,.1f} MB", flush=True)
        with Updates(copy) as updates:
            print(f"  hybrid {_told(summary(asked(updates.reader, texts)))}", flush=True)
            for done in range(1, number + 1):
                updates.one()
                if done % fresh == 0:
                    updates.ask_a_new_process()
                if done % every == 0 or done == number:
                    some = updates.to_dict(every)
                    line = f"{done} updates: acknowledged {_told(some['acknowledged'])}, found {_told(some['found'])}"
                    hybrid = _told(summary(asked(updates.reader, texts[:21])))
                    print(f"{line}, hybrid {hybrid}, {_size(copy) / 1e6:,.1f} MB", flush=True)
            whole = updates.to_dict()
            for what in ("acknowledged", "found"):
                print(f"all {number} updates, {what}: {_told(whole[what])}, slowest {whole[what]['most']:.0f} ms")
            with open(exported, "w", encoding="utf-8") as file:
                file.writelines(json.dumps(document.to_dict()) + "\n" for document in updates.index.export())
        print(f"the same content anew: {added(exported, anew)['seconds']:.1f} s", flush=True)
        exported.unlink()
        subprocess.run(
            [sys.executable, __file__, "compare", str(copy), str(anew), "--data", str(data)],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            check=True,
        )


@app.command()
def compare(one: Path, other: Path, data: Annotated[Path, typer.Option()], number: int = 100) -> None:
    """Two indexes of the same articles: latency of queries that are asked in turns, recall of the dense leg, disk."""
    texts = queries(data, number)
    with ExitStack() as opened:
        indexes = [opened.enter_context(Index.open(path)) for path in (one, other)]
        stores = [opened.enter_context(closing(Store(path))) for path in (one, other)]
        held = [(status["documents"], status["passages"]) for status in (index.status() for index in indexes)]
        if held[0] != held[1]:
            raise RuntimeError(f"not the same content: {held} articles and passages")
        times: tuple[Times, Times] = [], []
        for text in texts:
            for index, some in zip(indexes, times, strict=True):
                with timed(some):
                    index.search(text)
        found = [recall(index, store, texts, lambda _: None) for index, store in zip(indexes, stores, strict=True)]
    (a, b), sizes = map(summary, times), [_size(path) for path in (one, other)]
    print(f"{held[0][0]:,} articles, {held[0][1]:,} passages   updated / built anew / ratio")
    for share in ("p50", "p95"):
        print(f"| hybrid {share}, ms | {a[share]:.1f} | {b[share]:.1f} | {a[share] / b[share]:.2f} |")
        c, d = a["processor"][share], b["processor"][share]
        print(f"| the same, processor time | {c:.1f} | {d:.1f} | {c / d:.2f} |")
    print(f"| disk, MB | {sizes[0] / 1e6:,.1f} | {sizes[1] / 1e6:,.1f} | {sizes[0] / sizes[1]:.2f} |")
    print(f"| recall@10 of the dense leg | {found[0]:.3f} | {found[1]:.3f} | |")


if __name__ == "__main__":
    app()
