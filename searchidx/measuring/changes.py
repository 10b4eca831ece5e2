"""What a small change costs: one article added, replaced and removed, in a copy of the index."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from searchidx.errors import SearchIdxError, StorageError
from searchidx.index import Index
from searchidx.ingest import Progress
from searchidx.measuring.latency import Times
from searchidx.storage.files import explain
from searchidx.storage.lock import LOCK, OWNER, writer_lock
from searchidx.types import Document, Report

NAMES = ("add", "replace", "remove")
_LETTERS = str.maketrans("0123456789", "bcdfghjklm")
_ROOM = 1.2
"""Free space wanted on the disk, in sizes of the index."""


def small_changes(folder: Path, count: int, progress: Callable[[Progress], None]) -> dict[str, Times]:
    """Times until a change is acknowledged; another reader of the copy is asked whether it sees each of them.

    Args:
        folder: of an index; it is copied to a folder beside it, which is removed in the end.
        count: articles to add, then to replace, then to remove.
        progress: told of each change.

    Raises:
        IndexLocked: another process is writing, so that no copy would be whole.
        StorageError: there is no room for a copy.
        SearchIdxError: a reader does not see a change.
    """
    times: dict[str, list[float]] = {name: [] for name in NAMES}
    with _copy(folder) as copied, Index.open(copied) as index, Index.open(copied) as reader:
        articles = _articles(index, count + 1)
        index.add(articles[0])  # what is loaded for the first does not count
        done = 0
        for name in NAMES:
            for number, article in enumerate(articles[1:]):
                began = time.perf_counter()
                report, word = _change(index, name, article, number)
                times[name].append(1000 * (time.perf_counter() - began))
                _expect(report, reader, word, article.doc_id, present=name != "remove")
                done += 1
                progress(Progress("changes", done=done, total=count * len(NAMES)))
    return {name: Times(tuple(samples)) for name, samples in times.items()}


def _articles(index: Index, count: int) -> list[Document]:
    """Articles of the index under new names; where it has fewer, some come again."""
    known = [whole for document in index.list(limit=count) if (whole := index.get(document.doc_id))]
    return [
        replace(known[number % len(known)], doc_id=f"searchidx-bench-{number}", uri="", language="")
        for number in range(count)
    ]


def _change(index: Index, name: str, article: Document, number: int) -> tuple[Report, str]:
    """Make a change; the word is one that the article has now, or had, and no other."""
    letters = str(number).translate(_LETTERS)  # digits would be words of their own
    if name == "remove":
        return index.remove(article.doc_id), f"zqreplace{letters}x"
    word = f"zq{name}{letters}x"
    return index.add(replace(article, text=f"{article.text}\n\n{word}")), word


def _expect(report: Report, reader: Index, word: str, doc_id: str, *, present: bool) -> None:
    changed = report.added + report.updated + report.removed
    found = [hit.document.doc_id for hit in reader.search(word, 1, mode="lexical")]
    if changed != 1 or found != [doc_id] * present:
        raise SearchIdxError(
            f"a change of one article was counted as {changed}, and a reader finds {found or 'nothing'}: "
            "see what searchidx status --check says"
        )


@contextmanager
def _copy(folder: Path) -> Iterator[Path]:
    """A copy on the same disk, made while nobody may write; gone in the end."""
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free
    if free < _ROOM * size:
        raise StorageError(
            f"changes are measured in a copy, which needs {_ROOM * size / 1e6:,.0f} MB beside {folder}, "
            f"where {free / 1e6:,.0f} MB are free: make room, or measure without changes"
        )
    parent = folder.absolute().parent
    try:
        beside = tempfile.TemporaryDirectory(prefix=".searchidx-bench-", dir=parent)
    except OSError as error:
        raise StorageError(explain(error, parent)) from error
    with beside as name:
        copied = Path(name) / folder.name
        with writer_lock(folder):
            shutil.copytree(folder, copied, ignore=shutil.ignore_patterns(LOCK, OWNER))
        yield copied
