"""The file of a store: opened, read and copied; SQLite's errors as ours, and damage told from trouble with the disk.

Readers open it with ``mode=ro``, so that only the writer ever checkpoints: two processes that checkpoint at once can
damage a WAL database in SQLite versions before 3.51.3 (sqlite.org/wal.html).
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from searchidx.errors import IndexCorrupted, IndexNotFound, StorageError
from searchidx.storage import receipt, schema
from searchidx.storage.files import explain, is_writable

FILE = "store.db"
BATCH = 500
"""Ids in one SQL statement; SQLite allows 32,766 parameters."""
COPIED = 4096
"""Pages copied at a time; other threads wait for the store meanwhile, a few milliseconds."""
_DAMAGE = ("no such", "Could not decode", "malformed")
"""Words of SQLite's OperationalError that mean damage and no trouble with the disk."""


def open_database(path: Path, options: str) -> sqlite3.Connection:
    """Open a database with SQLite's URI options; every commit is synced to the disk before it returns."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, check_same_thread=False, isolation_level=None, timeout=30
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cell_size_check = ON")  # finds more of what is damaged, as it is read
    return connection


class Database:
    """An open ``store.db``. Safe to share between threads.

    Raises:
        IndexNotFound: there is none in the folder.
        IndexCorrupted, IndexIncompatible: it cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._process = os.getpid()
        if not (folder / FILE).is_file():
            raise IndexNotFound(_not_found(folder))
        with self._mapped():
            self._connection = self._connect()
            schema.check_format(self._connection, str(folder))
            if not schema.settings_hold(self._connection):
                raise self._corrupted("the settings are not as they were written")

    def _connect(self) -> sqlite3.Connection:
        path = self.folder / FILE
        if is_writable(self.folder):
            return open_database(path, "mode=ro")
        wal = path.with_name(f"{FILE}-wal")
        if (
            wal.exists() and wal.stat().st_size
        ):  # a killed writer, then a read-only mount: SQLite needs to write to read it
            self._copy = tempfile.TemporaryDirectory(prefix="searchidx-")
            for file in (path, wal):
                shutil.copy(file, self._copy.name)
            return open_database(Path(self._copy.name) / FILE, "mode=rw")
        return open_database(path, "mode=ro&immutable=1")

    def _reopen(self) -> None:
        """Open the file anew after a fork: a connection is of one process (sqlite.org/howtocorrupt.html, 2.6)."""
        self._of_parent = self._connection  # neither used nor closed here
        self._connection, self._process = self._connect(), os.getpid()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._connection.close()
        if self._copy:
            self._copy.cleanup()

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        """One thread at a time, and SQLite's errors as ours."""
        with self._lock:
            try:
                if self._process != os.getpid():
                    self._reopen()
                yield
            except UnicodeDecodeError as error:  # of SQLite's message, which quotes what is damaged
                raise self._corrupted("its text is no UTF-8") from error
            except sqlite3.ProgrammingError as error:
                raise StorageError(f"{self.folder} is closed: open it again") from error
            except sqlite3.DatabaseError as error:
                disk = isinstance(error, sqlite3.OperationalError) and not any(sign in str(error) for sign in _DAMAGE)
                raise StorageError(explain(error, self.folder)) if disk else self._corrupted(error) from error

    def _corrupted(self, what: object) -> IndexCorrupted:
        return IndexCorrupted(
            f"{self.folder / FILE} is damaged ({what}): restore it from a backup, or take out what can be read with: "
            f"searchidx check -i {self.folder} --salvage FILE, and add that to a new index"
        )

    def _rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        with self._mapped():
            return self._connection.execute(sql, parameters).fetchall()

    def _by_ids(self, sql: str, ids: Sequence[Any]) -> list[Any]:
        """Rows of ``sql``, whose ``{}`` becomes a list of parameters, over any number of ids."""
        rows = []
        for first in range(0, len(ids), BATCH):
            some = ids[first : first + BATCH]
            rows += self._rows(sql.format(",".join("?" * len(some))), some)
        return rows

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Within it, all reads see the same moment, whatever a writer commits meanwhile."""
        with self._mapped():
            nested = self._connection.in_transaction
            if not nested:
                self._connection.execute("BEGIN")
            try:
                yield
            finally:
                if not nested:
                    self._connection.execute("COMMIT")

    def has_format(self, number: int) -> bool:
        """Whether it has the tables of a format; one that no writer has opened since may have an older one."""
        return int(self._rows("PRAGMA user_version")[0][0]) >= number

    def setting(self, key: str) -> Any:
        """A setting of the index (JSON value), or None."""
        rows = self._rows("SELECT value FROM settings WHERE key = ?", (key,))
        try:
            return json.loads(rows[0][0]) if rows else None
        except (ValueError, TypeError) as error:
            raise self._corrupted(f"the setting {key} cannot be read") from error

    @cached_property
    def store_id(self) -> str:
        """What tells this store from every other."""
        return str(self.setting("store_id"))

    def expect_acknowledged(self) -> None:
        """Refuse to go on where the store has lost what was acknowledged (``receipt.require``)."""
        expected = receipt.noted(self.folder, self.store_id)
        receipt.require(self.folder, expected, self.position())

    def position(self) -> int:
        """Number of the last change."""
        return int(self._rows("SELECT coalesce(max(seq), 0) FROM changes")[0][0])

    def copy_to(self, path: Path, told: Callable[[int, int], None]) -> None:
        """Copy all of it as of this moment, whatever a writer does meanwhile; ``told`` gets bytes done and in all."""
        with self.snapshot(), closing(sqlite3.connect(path)) as copy:
            self.position()  # the moment
            copy.execute("PRAGMA synchronous = OFF")  # the caller syncs
            (size,) = self._connection.execute("PRAGMA page_size").fetchone()
            progress = lambda _, left, total: told(size * (total - left), size * total)  # noqa: E731
            try:
                self._connection.backup(copy, pages=COPIED, progress=progress)
            except sqlite3.OperationalError as error:
                raise StorageError(explain(error, path.parent)) from error

    # soundness

    def integrity(self) -> list[str]:
        """What SQLite itself finds wrong with the file; empty when sound."""
        return [row[0] for row in self._rows("PRAGMA integrity_check(20)") if row[0] != "ok"]

    def contradictions(self) -> list[str]:
        """What the tables say of each other and cannot all be true; empty when sound."""
        wrong = [name for name, sql in schema.CONTRADICTIONS.items() if self._rows(sql)]
        return (
            wrong if schema.settings_hold(self._connection) else [*wrong, "the settings are not as they were written"]
        )


def _not_found(folder: Path) -> str:
    """Say that there is no index, and which one may have been meant."""
    near = [path.name for path in folder.parent.iterdir() if (path / FILE).is_file()] if folder.parent.is_dir() else []
    close = difflib.get_close_matches(folder.name, near, 1, 0.5)
    hint = f" (did you mean {folder.parent / close[0]}?)" if close else ""
    return f"no index at {folder}; create it with: searchidx add SOURCE -i {folder}{hint}"
