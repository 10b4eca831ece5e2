"""What a search costs that starts from nothing: the time of a new process, and the memory that it takes."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from searchidx.children import command
from searchidx.errors import SearchIdxError
from searchidx.ingest import Progress

IMPORTS = "import numpy, faiss, tantivy, typer"
"""The baseline of a cold search: nothing but its libraries."""
_SEARCH = "from searchidx.cli import program; program()"
_MEMORY = """
import json, sys
from searchidx.index import Index
asked = json.load(sys.stdin)
with Index.open(asked["folder"]) as index:
    for text in asked["queries"]:
        index.search(text, asked["k"])
    lines = [line.split() for line in open("/proc/self/status")]
print(json.dumps({words[0]: 1024 * int(words[1]) for words in lines if words[0].startswith(("VmHWM", "Rss"))}))
"""
"""Its own peak, by Linux; what ``getrusage`` says of a child counts the peak of its parent."""


@dataclass(frozen=True, slots=True)
class Cold:
    """Seconds of a search in a new process, and of importing its libraries alone, run in turns."""

    search: tuple[float, ...]
    imports: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """How many times the imports a search takes: the median over pairs, which holds on a busy machine."""
        return median(a / b for a, b in zip(self.search, self.imports, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Medians and the fastest in milliseconds, and the ratio."""
        values = {"search": self.search, "imports": self.imports}
        told: dict[str, Any] = {
            name: {"p50": round(1000 * median(of), 1), "fastest": round(1000 * min(of), 1)}
            for name, of in values.items()
        }
        return {**told, "ratio": round(self.ratio, 3), "runs": len(self.search)}


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of a process that has searched.

    Attributes:
        peak: the most that lay in memory at one time.
        private: what is its own at the end.
        mapped: files that lie in memory too, and that the system drops where it needs the room.
    """

    peak: int
    private: int
    mapped: int


def cold_search(folder: Path, queries: Sequence[str], runs: int, progress: Callable[[Progress], None]) -> Cold:
    """Run ``searchidx search`` and its bare imports in turns; the first pair only warms the disk's cache up."""
    search, imports = list[float](), list[float]()
    for number in range(runs + 1):
        text = queries[number % len(queries)]
        search.append(_seconds(_SEARCH, "search", "-i", str(folder.absolute()), "--", text))
        imports.append(_seconds(IMPORTS))
        progress(Progress("cold", done=number + 1, total=runs + 1))
    return Cold(tuple(search[1:]), tuple(imports[1:]))


def memory(folder: Path, queries: Sequence[str], k: int, progress: Callable[[Progress], None]) -> Memory:
    """What a process takes that opens an index and asks all queries, hybrid."""
    progress(Progress("memory", total=1))
    asked = json.dumps({"folder": str(folder.absolute()), "queries": list(queries), "k": k})
    told = json.loads(_run(_MEMORY, given=asked))
    progress(Progress("memory", done=1, total=1))
    return Memory(told["VmHWM:"], told["RssAnon:"], told["RssFile:"] + told["RssShmem:"])


def _seconds(code: str, *arguments: str) -> float:
    began = time.perf_counter()
    _run(code, *arguments)
    return time.perf_counter() - began


def _run(code: str, *arguments: str, given: str = "") -> str:
    """Standard output of Python with some code and arguments.

    Raises:
        SearchIdxError: it failed; the message has its last line.
    """
    done = subprocess.run(command(code, *arguments), input=given, capture_output=True, text=True, errors="replace")
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise SearchIdxError(f"a search in a process of its own failed ({last}): see what searchidx search says")
    return done.stdout
