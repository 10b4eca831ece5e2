"""Memory and disk: peak memory of `searchidx add` on the whole news corpus, and bytes on disk per passage.

    python benchmarks/memory.py --data ../shared/data --cache ~/.cache/searchidx-bench

The baseline in the same run is the same command on a tenth of the corpus.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from news import corpus_file

from searchidx import Index

MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(os.waitstatus_to_exitcode(status), usage.ru_maxrss)
"""
"""Run by a small process of its own: Linux counts the peak of the parent into that of the child."""


def add(corpus: Path, index: Path) -> tuple[float, float]:
    """Run the command: (peak memory in MB, seconds)."""
    shutil.rmtree(index, ignore_errors=True)
    program = shutil.which("searchidx", path=str(Path(sys.executable).parent)) or "searchidx"
    command = [sys.executable, "-c", MEASURE, program, "add", str(corpus), "-i", str(index), "--quiet"]
    began = time.perf_counter()
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    status, peak = map(int, out.split())
    assert status == 0
    return peak / 1024, time.perf_counter() - began


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()]) -> None:
    """Print memory, time and disk for a tenth of the corpus and for all of it."""
    peaks = []
    for articles in (3347, 33466):
        corpus, index = corpus_file(data, cache, articles), cache / f"memory-{articles}"
        peak, seconds = add(corpus, index)
        peaks.append(peak)
        with Index.open(index) as opened:
            status = opened.status()
        passages = status["passages"]
        sizes = {path.name: folder_bytes(path) if path.is_dir() else path.stat().st_size for path in index.iterdir()}
        parts = ", ".join(f"{name} {size / passages:.0f}" for name, size in sorted(sizes.items()) if size > 100)
        print(f"{status['documents']} articles, {passages} passages, {corpus.stat().st_size / 2**20:.0f} MB of JSONL")
        print(f"  {seconds:.0f} s, {passages / seconds:.0f} passages/s, peak memory {peak:.0f} MB")
        print(f"  {sum(sizes.values()) / 2**20:.0f} MB on disk, bytes per passage: {parts}")
    print(f"peak memory for ten times the corpus: ratio {peaks[1] / peaks[0]:.2f}")


if __name__ == "__main__":
    typer.run(main)
