"""Measuring: how fast and how large is this index, on this machine?

``measure`` takes every figure of ``searchidx bench``; the files beside it take one kind each. Nothing is written to
the index: small changes are timed on a copy.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchidx.children import cores
from searchidx.errors import SearchIdxError
from searchidx.index import Index
from searchidx.measuring.changes import small_changes
from searchidx.measuring.latency import Step, Times, ask, recall, steps
from searchidx.measuring.processes import Cold, Memory, cold_search, memory
from searchidx.measuring.queries import own_queries, read_queries
from searchidx.storage.database import FILE
from searchidx.storage.store import Store

if TYPE_CHECKING:
    from searchidx.ingest import Progress

__all__ = ["Bench", "Cold", "Memory", "Step", "Times", "measure"]

QUERIES = 200
"""Queries made where none are given."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What was measured of one index.

    Attributes:
        index: its ``path``, ``documents``, ``passages``, ``encoder``, ``dim``, and ``dense``: the kind of FAISS file.
        machine: processor cores, load when it began, and the versions of what takes part.
        queries: their number.
        origin: where they came from: a file, or ``""`` for those made of the index's own titles and sentences.
        k: hits asked for.
        repeat: how many times each query was asked in each mode.
        warm: times of whole queries in this process, by mode.
        steps: what a hybrid query is made of, in the order of its way.
        cold: ``searchidx search`` as a process of its own.
        recall: of the dense leg: the share of the ten nearest passages that it finds.
        memory: of a process that searches.
        disk: bytes of each part.
        changes: times of ``add``, ``replace`` and ``remove`` of one article, by name; empty where not asked for.
    """

    index: Mapping[str, Any]
    machine: Mapping[str, Any]
    queries: int
    origin: str
    k: int
    repeat: int
    warm: Mapping[str, Times]
    steps: Sequence[Step]
    cold: Cold
    recall: float
    memory: Memory
    disk: Mapping[str, int]
    changes: Mapping[str, Times]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; times in milliseconds, sizes in bytes."""
        passages = self.index["passages"]
        return {
            "index": dict(self.index),
            "machine": dict(self.machine),
            "queries": {"count": self.queries, "origin": self.origin or "own titles and sentences"},
            "k": self.k,
            "repeat": self.repeat,
            "warm_ms": {mode: times.to_dict() for mode, times in self.warm.items()},
            "steps": [asdict(step) for step in self.steps],
            "cold_ms": self.cold.to_dict(),
            "recall@10": self.recall,
            "memory_bytes": asdict(self.memory),
            "disk_bytes": {**self.disk, "total": sum(self.disk.values())},
            "disk_bytes_per_passage": {name: round(size / passages, 1) for name, size in self.disk.items()},
            "changes_ms": {name: times.to_dict() for name, times in self.changes.items()},
        }


def measure(
    index: Index,
    queries: str | os.PathLike[str] | None = None,
    *,
    k: int = 10,
    repeat: int = 2,
    cold_runs: int = 7,
    changes: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Bench:
    """Measure an index; the more else the machine does, the less its times are worth.

    Args:
        index: with at least one passage; it is only read.
        queries: a file of queries (see ``searchidx.measuring.queries``); None makes them of the index's own articles.
        k: hits asked for.
        repeat: how many times each query is asked in each mode.
        cold_runs: processes started for the cold search, and as many for its baseline.
        changes: articles to add, replace and remove in a copy of the index; 0 leaves that out.
        progress: told of each query, process and change.

    Raises:
        SearchIdxError: the index is empty, or a process that was started fails.
        BadCollection: the file cannot be read, or there is no query in it.
        EncoderMismatch, EncoderNotFound, MissingExtra: the index's encoder cannot be loaded.
        StorageError, IndexLocked: no copy can be made.
    """
    tell = progress or (lambda _: None)
    began = machine()
    told = index.status()
    if not told["passages"]:
        raise SearchIdxError(
            f"{index.folder} holds no passages, so there is nothing to measure: "
            f"add articles with: searchidx add SOURCE -i {index.folder}"
        )
    with closing(Store(index.folder)) as store:
        texts = own_queries(store, QUERIES) if queries is None else read_queries(Path(queries))
        found = recall(index, store, texts, tell)
    encoder = told["encoder"]
    about = {name: told[name] for name in ("path", "format", "documents", "passages")}
    return Bench(
        {**about, "encoder": encoder["name"], "dim": encoder["dim"], "dense": told["dense"]["kind"]},
        began,
        len(texts),
        "" if queries is None else os.fspath(queries),
        k,
        repeat,
        ask(index, texts, k, repeat, tell),
        steps(index, texts, k, tell),
        cold_search(index.folder, texts, cold_runs, tell),
        found,
        memory(index.folder, texts, k, tell),
        disk(index.folder),
        small_changes(index.folder, changes, tell) if changes else {},
    )


def machine() -> dict[str, Any]:
    """What the times depend on; the load is that of the last minute, in processes that want to run."""
    names = ("searchidx", "faiss-cpu", "tantivy", "numpy")
    return {
        "cores": cores(),
        "load": round(os.getloadavg()[0], 2),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in names},
    }


def disk(folder: Path) -> dict[str, int]:
    """Bytes of the store, which is the truth, of both arrangements, and of the rest."""
    sizes = dict.fromkeys(("store", "dense", "lexical", "other"), 0)
    for path in folder.rglob("*"):
        if path.is_file():
            top = path.relative_to(folder).parts[0]
            sizes["store" if top.startswith(FILE) else top if top in sizes else "other"] += path.stat().st_size
    return sizes
