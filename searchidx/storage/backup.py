"""A copy of an index as it is at one moment, taken while others read it and one process writes to it.

The arrangements are copied first, so that they are never newer than the store; what they lack they catch up with when
the copy is opened. Copying them is quicker than making them anew (docs/decisions/022-durability.md).
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from searchidx.errors import StorageError
from searchidx.storage import dense, lexical_files
from searchidx.storage.database import FILE
from searchidx.storage.files import make_folder, rename_durably, storage_errors
from searchidx.storage.store import Store

TRIES = 20
"""Times that an arrangement is looked at while a writer changes it, before it is left out."""


def backup(folder: Path, target: Path, told: Callable[[int, int], None]) -> None:
    """Copy an index; the copy is an index itself, and is there whole or not at all.

    Args:
        folder: of the index.
        target: a path where nothing is yet.
        told: called with the bytes of the store that are copied, and of all.

    Raises:
        StorageError: there is something at ``target``, or it cannot be written.
        IndexNotFound, IndexCorrupted: the index cannot be read.
    """
    if os.path.lexists(target):
        raise StorageError(f"{target} exists: a backup never replaces anything; choose another path or remove it")
    with closing(Store(folder)) as store, storage_errors(target):
        store.expect_acknowledged()
        make_folder(target.parent)
        fresh = target.with_name(f".{target.name}.partial")
        with _claimed(fresh, target):
            _copy_arrangement(folder / "dense", fresh / "dense", dense.MANIFEST)
            _copy_arrangement(folder / "lexical", fresh / "lexical", lexical_files.META)
            store.copy_to(fresh / FILE, told)
            rename_durably(fresh, target)


@contextmanager
def _claimed(fresh: Path, target: Path) -> Iterator[None]:
    """An empty folder for an unfinished copy, in place of what a killed backup left; it is gone after an error."""
    fresh.mkdir(exist_ok=True)
    descriptor = os.open(fresh, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(f"another backup to {target} is under way: wait for it or choose another path") from None
        try:
            for left in fresh.iterdir():
                shutil.rmtree(left) if left.is_dir() else left.unlink()
            yield
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    finally:
        os.close(descriptor)


def _copy_arrangement(source: Path, target: Path, head: str) -> None:
    """Copy the files that belonged together when ``head`` was written: once open, they can be read though deleted."""
    for _ in range(TRIES):
        with ExitStack() as files, suppress(FileNotFoundError):
            before = (source / head).read_bytes()
            paths = [path for path in source.iterdir() if path.is_file() and path.suffix not in (".lock", ".tmp")]
            opened = {path.name: files.enter_context(path.open("rb")) for path in paths}
            if (source / head).read_bytes() != before:
                continue
            target.mkdir()
            for name, file in opened.items():
                with (target / name).open("wb") as copy:
                    shutil.copyfileobj(file, copy, 1 << 20)
            return
