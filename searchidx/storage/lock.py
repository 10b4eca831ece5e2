"""One writer at a time: a lock that the system frees with the process, and a note of who holds it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from searchidx.errors import IndexLocked, StorageError
from searchidx.storage.files import explain, is_writable

LOCK = "writer.lock"
OWNER = "writer.json"


@contextmanager
def writer_lock(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold the right to write to an index.

    Args:
        folder: of the index.
        wait: seconds to wait for another writer.

    Raises:
        IndexLocked: another process holds it; the message says which, and since when.
        StorageError: the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    if not is_writable(folder):
        raise StorageError(f"{folder} cannot be written: give yourself write permission, or use another index (-i)")
    lock = FileLock(folder / LOCK, timeout=wait, thread_local=False)
    try:
        lock.acquire()
    except Timeout:
        raise IndexLocked(
            f"another process is writing to {folder}{_owner(folder)}: try again when it is done"
        ) from None
    except OSError as error:
        raise StorageError(explain(error, folder)) from error
    try:
        with suppress(OSError):  # only a courtesy to whoever waits
            owner = {"pid": os.getpid(), "since": datetime.now().strftime("%H:%M:%S")}
            (folder / OWNER).write_text(json.dumps(owner))
        yield
    finally:
        with suppress(OSError):
            (folder / OWNER).unlink()
        lock.release()


def _owner(folder: Path) -> str:
    try:
        owner = json.loads((folder / OWNER).read_text())
        return f" (pid {owner['pid']}, since {owner['since']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
