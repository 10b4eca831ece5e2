"""Indexing before and after each step: the code of earlier commits adds the same articles, in one run.

    python benchmarks/history.py --data ../shared/data --cache CACHE [COMMIT...]

Each commit is unpacked into a temporary folder and runs there in the present environment, in turns, a few rounds of
all of them; the fastest round counts. Commits that are given come after those of ``STEPS``, the present one is last.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from news import corpus_file

ROOT = Path(__file__).parents[1]
STEPS = {
    "472c2a8": "first version",
    "bd5d37d": "version 1 of the encoder",
    "4d26f01": "before the work on speed",
    "edfaeaa": "a second process prepares passages; an article is read back once for all its passages",
    "248828f": "copies of a story are found",
    "c1492dc": "what a site repeats is counted",
    "d1fd203": "dense files in levels",
    "1cdaf10": "checksums of what hits show, acknowledged changes noted",
    "9335fd8": "dense files are mapped",
}
_ADD = """
import json, os, resource, sys, time
import searchidx
assert searchidx.__file__.startswith(os.getcwd() + os.sep), searchidx.__file__
def busy():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
clock, processor = time.perf_counter(), busy()
with searchidx.Index.create(sys.argv[2]) as index:
    report = index.add(sys.argv[1])
    index.search("wheat")
took = time.perf_counter() - clock, busy() - processor
print(json.dumps({"passages": report.passages, "clock": took[0], "processor": took[1]}))
"""
"""Processor time has that of the second process, which has ended when ``add`` returns."""


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout


def unpack(commit: str, folder: Path) -> None:
    """The package as it was, with its bytecode, as pip would make it."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", commit, "searchidx"))) as archive:
        archive.extractall(folder, filter="data")
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)


def added(folder: Path, corpus: Path) -> dict[str, Any]:
    """What the code in a folder takes from JSONL to a first search."""
    with tempfile.TemporaryDirectory(dir=corpus.parent) as place:
        command = [sys.executable, "-c", _ADD, str(corpus.absolute()), str(Path(place).absolute() / "index")]
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        run = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(run.stdout.splitlines()[-1]))


def table(steps: dict[str, str], corpus: Path, rounds: int) -> list[str]:
    """Rows of a Markdown table, oldest first."""
    rows: dict[str, list[dict[str, Any]]] = {commit: [] for commit in steps}
    with tempfile.TemporaryDirectory() as name:
        for commit in steps:
            unpack(commit, Path(name).resolve() / commit)
        for number in range(rounds):
            for commit in steps:
                rows[commit].append(added(Path(name).resolve() / commit, corpus))
                print(f"round {number + 1}, {commit}: {rows[commit][-1]}", file=sys.stderr, flush=True)
    lines = [
        "| commit | what was new | passages | passages/s | us of processor time a passage |",
        "|---|---|---|---|---|",
    ]
    for commit, what in steps.items():
        passages = rows[commit][0]["passages"]
        clock, processor = (min(row[name] for row in rows[commit]) for name in ("clock", "processor"))
        rates = f"{passages / clock:,.0f} | {1e6 * processor / passages:.0f}"
        lines.append(f"| {commit} | {what} | {passages:,} | {rates} |")
    return lines


def main(
    data: Annotated[Path, typer.Option()],
    cache: Annotated[Path, typer.Option()],
    commits: Annotated[list[str] | None, typer.Argument()] = None,
    articles: int = 3000,
    rounds: int = 2,
    earlier: bool = True,
) -> None:
    """Print the table; ``--no-earlier`` leaves out ``STEPS``."""
    more = {commit: git("log", "-1", "--format=%s", commit).decode().strip() for commit in commits or []}
    steps = {**(STEPS if earlier else {}), **more, "HEAD": "now"}
    print("\n".join(table(steps, corpus_file(data, cache, articles), rounds)))


if __name__ == "__main__":
    typer.run(main)
