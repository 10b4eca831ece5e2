"""Of ``scale.py table``: the command that builds an index, watched; what lies on the disk; the table."""

from __future__ import annotations

import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from load import PROGRAM

from searchidx.measuring import disk


def added(corpus: Path, index: Path) -> dict[str, Any]:
    """Run ``searchidx add`` to its end: seconds, and the peak memory of each of its processes in bytes."""
    began = time.perf_counter()
    command = [PROGRAM, "add", str(corpus), "-i", str(index), "--quiet"]
    peaks: dict[int, int] = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peaks |= {number: peak for number in (process.pid, *_children(process.pid)) if (peak := _peak(number))}
            time.sleep(0.1)
    seconds = time.perf_counter() - began
    if process.returncode:
        raise RuntimeError(f"searchidx add ended with status {process.returncode}")
    first = peaks.pop(process.pid)
    return {"seconds": seconds, "peak": first, "beside": sum(peaks.values())}


def _children(process: int) -> list[int]:
    try:
        return [int(found) for found in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def _peak(process: int) -> int:
    """The most that a process had in memory so far, by Linux; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), 0)


def disk_of(index: Path) -> dict[str, int]:
    """Bytes of each part of an index, and of the texts of its articles."""
    with closing(sqlite3.connect(f"file:{index / 'store.db'}?mode=ro", uri=True)) as store:
        (text,) = store.execute("SELECT sum(length(CAST(text AS BLOB))) FROM texts").fetchone()
    return {**disk(index), "text": text}


Row = dict[str, Any]
_ONE = "1% pass (share<10)"
Cell = Callable[[Row], str]


def _ms(times: dict[str, Any]) -> str:
    return f"{times['p50']:.1f} / {times['p95']:.1f}"


def _cells() -> Iterator[tuple[str, Cell]]:
    """The name of each line, and what it says of a size."""
    yield "articles, varied copies among them", lambda row: f"{row['status']['documents']:,}, {row['varied']:,}"
    yield "load when it began", lambda row: f"{row['machine']['load']:.1f}"
    yield "`searchidx add`, start included, s", lambda row: f"{row['add']['seconds']:.1f}"
    yield "passages/s", lambda row: f"{row['status']['passages'] / row['add']['seconds']:,.0f}"
    yield (
        "peak memory: process that stores, that prepares, MB",
        lambda row: f"{row['add']['peak'] / 1e6:.0f}, {row['add']['beside'] / 1e6:.0f}",
    )
    for name in ("store", "dense", "lexical", "text"):
        label = "bytes a passage: text of the articles alone" if name == "text" else f"bytes a passage: {name}"
        yield label, lambda row, name=name: f"{row['disk'][name] / row['status']['passages']:,.0f}"
    yield "hybrid, p50 / p95 ms", lambda row: _ms(row["queries"]["no filter"])
    yield "the same, processor time", lambda row: _ms(row["queries"]["no filter"]["processor"])
    for mode in ("dense", "lexical"):
        yield f"{mode}, p50 / p95 ms", lambda row, mode=mode: _ms(row["modes"][mode])
    for name in ("0.1% pass (share<1)", _ONE, "10% pass (share<100)", "50% pass (share<500)"):
        yield f"hybrid, {name}, p50 / p95 ms", lambda row, name=name: _ms(row["queries"][name])
    yield "hybrid, published 2018 and later", lambda row: _ms(row["queries"]["published 2018 and later"])
    yield "the first use of a filter that 1% pass, ms", lambda row: f"{row['queries'][_ONE]['first']:.0f}"
    yield "recall@10 stored, lists read", lambda row: _recall(row["status"]["dense"])
    yield "cold `searchidx search`, p50 ms", lambda row: f"{row['cold']['search']['p50']:.0f}"
    yield "over its bare imports", lambda row: f"{row['cold']['ratio']:.2f}"
    yield (
        "memory of a process that searches: its own, mapped files, MB",
        lambda row: f"{row['memory']['private'] / 1e6:.0f}, {row['memory']['mapped'] / 1e6:.0f}",
    )
    yield "one article changed: acknowledged, p50 / p95 ms", lambda row: _ms(row["changes"]["acknowledged"])
    yield "found by another reader too", lambda row: _ms(row["changes"]["found"])


def _recall(dense: dict[str, Any]) -> str:
    return f"{dense['recall@10']:.3f}, {dense['lists'] or 'one list'}"


def markdown(rows: dict[str, Row]) -> str:
    """A Markdown table with a column for each size."""
    told = [f"{row['status']['passages']:,}" for row in rows.values()]
    lines = [f"| passages | {' | '.join(told)} |", "|---" * (1 + len(told)) + "|"]
    for name, cell in _cells():
        known = [cell(row) for row in rows.values()]
        lines.append(f"| {name} | {' | '.join(known)} |")
    return "\n".join(lines) + "\n"
