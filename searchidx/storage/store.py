"""The truth: documents, passages, vectors, settings and the numbered list of changes, in one SQLite file.

``Store`` is the reading side; ``writer.py`` adds what changes it. Readers open the file with ``mode=ro``, so that only
the writer ever checkpoints: two processes that checkpoint at once can damage a WAL database in SQLite versions before
3.51.3 (sqlite.org/wal.html).
"""

from __future__ import annotations

import difflib
import json
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from searchidx.errors import IndexCorrupted, IndexNotFound, StorageError
from searchidx.storage import receipt, schema
from searchidx.storage.files import explain, is_writable
from searchidx.types import Change, Document, Failure, Passage

if TYPE_CHECKING:
    from searchidx.types import IdSet, Matrix

FILE = "store.db"
BATCH = 500
"""Ids in one SQL statement; SQLite allows 32,766 parameters."""
COPIED = 4096
"""Pages copied at a time; other threads wait for the store meanwhile, a few milliseconds."""
_DOCUMENT = ", ".join(f"d.{name}" for name in schema.FIELDS.split(", "))
_DAMAGE = ("no such", "Could not decode", "malformed")
"""Words of SQLite's OperationalError that mean damage and no trouble with the disk."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store has under a doc_id: where it was read and a digest of its content."""

    doc_id: str
    origin: str
    digest: bytes


def check_furniture(choice: str) -> str:
    """``drop`` or ``keep``, as given.

    Raises:
        ValueError: it is neither.
    """
    if choice not in ("drop", "keep"):
        raise ValueError(f"furniture is {choice!r}: choose drop or keep")
    return choice


def digest(document: Document) -> bytes:
    """XXH3-128 of everything in a document: equal exactly when nothing has changed."""
    values = [getattr(document, name) for name in Document.__slots__]
    text = json.dumps(values, sort_keys=True, ensure_ascii=False, default=dict)
    return xxhash.xxh3_128_digest(text.encode("utf-8", "surrogatepass"))


def checksum(*parts: str) -> bytes:
    """XXH3-64 of some strings."""
    return xxhash.xxh3_64_digest("\0".join(parts).encode("utf-8", "surrogatepass"))


def open_database(path: Path, options: str) -> sqlite3.Connection:
    """Open a database with SQLite's URI options; every commit is synced to the disk before it returns."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}", uri=True, check_same_thread=False, isolation_level=None, timeout=30
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cell_size_check = ON")  # finds more of what is damaged, as it is read
    return connection


class Store:
    """Reading side. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        if not (folder / FILE).is_file():
            raise IndexNotFound(_not_found(folder))
        with self._mapped():
            self._connection = self._connect()
            schema.check_format(self._connection, str(folder))
            self._columns = f"{_DOCUMENT}, {'d.checksum' if schema.format_of(self._connection) > 2 else 'NULL'}"
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
                yield
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

    # settings and changes

    def setting(self, key: str) -> Any:
        """A setting of the index (JSON value), or None."""
        rows = self._rows("SELECT value FROM settings WHERE key = ?", (key,))
        try:
            return json.loads(rows[0][0]) if rows else None
        except (ValueError, TypeError) as error:
            raise self._corrupted(f"the setting {key} cannot be read") from error

    def furniture(self) -> str:
        """What becomes of the furniture of scraped texts; an index made before there was a choice keeps it."""
        return str(self.setting("furniture") or "keep")

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

    def moment(self) -> tuple[int, int, str]:
        """Position, generation of the vectors and language: what a reader compares to know whether to catch up."""
        sql = (
            "SELECT (SELECT coalesce(max(seq), 0) FROM changes), (SELECT value FROM settings WHERE key = 'generation'),"
            " (SELECT value FROM settings WHERE key = 'language')"
        )
        position, generation, language = self._rows(sql)[0]
        return int(position), int(generation), language or ""

    def changes(self, since: int) -> Iterator[Change]:
        """Changes after number ``since``, in order, in slices that keep memory bounded."""
        while rows := self._rows(
            "SELECT seq, passage_id, put FROM changes WHERE seq > ? ORDER BY seq LIMIT 20000", (since,)
        ):
            for seq, passage_id, put in rows:
                if not isinstance(passage_id, int):
                    raise self._corrupted(f"change {seq} names no passage")
                yield Change(seq, passage_id, bool(put))
            since = rows[-1][0]

    def present(self) -> Iterator[Change]:
        """Every passage as a change of now: what an arrangement is made anew from, whatever the old changes say."""
        with self.snapshot():
            position, ids = self.position(), self.all_passage_ids()
        return (Change(position, int(passage_id), True) for passage_id in ids)

    def counts(self) -> dict[str, int]:
        """Number of documents, passages and sources that failed."""
        row = self._rows(
            "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages), "
            "(SELECT count(*) FROM sources WHERE failure != '')"
        )[0]
        return {"documents": row[0], "passages": row[1], "failed": row[2]}

    def fields(self) -> set[str]:
        """Names of the metadata keys that some document has."""
        return {name for (name,) in self._rows("SELECT name FROM fields")}

    def outlets(self, limit: int) -> dict[str, int]:
        """Outlets with the number of their documents, those with most first; documents without one are left out."""
        sql = "SELECT source, count(*) FROM documents WHERE source != '' GROUP BY source ORDER BY 2 DESC, 1 LIMIT ?"
        return dict(self._rows(sql, (limit,)))

    # documents and passages

    def known(self, doc_ids: Sequence[str]) -> dict[str, Known]:
        """What is stored under the ids, as far as they are known."""
        rows = self._by_ids("SELECT doc_id, origin, digest FROM documents WHERE doc_id IN ({})", doc_ids)
        return {row[0]: Known(*row) for row in rows}

    def document(self, doc_id: str) -> Document | None:
        """The whole document, checked against its digest, or None."""
        rows = self._rows(
            f"SELECT {_DOCUMENT}, t.text, d.digest FROM documents d LEFT JOIN texts t USING (document) "
            "WHERE d.doc_id = ?",
            (doc_id,),
        )
        if not rows:
            return None
        *values, text, expected = rows[0]
        with suppress(TypeError, ValueError):  # what damage makes of a column
            document = replace(document_of(values), text=text or "")
            if digest(document) == expected:
                return document
        raise self._damaged(doc_id)

    def documents(
        self, condition: str = "1", parameters: Sequence[Any] = (), limit: int = -1, offset: int = 0
    ) -> Iterator[Document]:
        """Documents without their text, in the order they were added; ``condition`` is SQL over ``documents d``."""
        last, left = 0, limit
        while left and (
            rows := self._rows(
                f"SELECT d.document, {self._columns} FROM documents d WHERE d.document > ? AND ({condition}) "
                f"ORDER BY d.document LIMIT {min(left, 1000) if left > 0 else 1000} OFFSET {0 if last else offset}",
                (last, *parameters),
            )
        ):
            for row in rows:
                yield self._document(row[1:])
            last, left = rows[-1][0], left - len(rows) if left > 0 else left

    def matching(self, condition: str, parameters: Sequence[Any]) -> IdSet:
        """Ids of the passages whose document meets an SQL condition over ``documents d``."""
        import numpy as np

        sql = f"SELECT p.passage_id FROM documents d JOIN passages p USING (document) WHERE {condition}"
        with self._mapped():
            rows = self._connection.execute(sql, parameters)
            ids = np.fromiter((row[0] for row in rows), dtype=np.int64)
        ids.sort()
        return ids

    def owners(self, ids: Sequence[int]) -> dict[int, int]:
        """The document row of each passage; ids that are no longer known are left out."""
        return dict(self._by_ids("SELECT passage_id, document FROM passages WHERE passage_id IN ({})", ids))

    def doc_ids_of(self, ids: Sequence[int]) -> dict[int, str]:
        """The id of each passage's document; unknown ids are left out."""
        sql = "SELECT passage_id, doc_id FROM passages JOIN documents USING (document) WHERE passage_id IN ({})"
        return dict(self._by_ids(sql, ids))

    def passages(self, ids: Sequence[int]) -> dict[int, tuple[Passage, Document]]:
        """Passages with their documents (without text); ids that are no longer known are left out."""
        rows = self._by_ids(
            f"SELECT {self._columns}, p.passage_id, p.ordinal, p.heading, p.start, p.stop, p.checksum, "
            "substr(t.text, p.start + 1, p.stop - p.start) "
            "FROM passages p JOIN documents d USING (document) LEFT JOIN texts t USING (document) "
            "WHERE p.passage_id IN ({})",
            ids,
        )
        found = {}
        for *values, passage_id, ordinal, heading, start, stop, expected, text in rows:
            if not (isinstance(heading, str) and isinstance(text, str) and checksum(heading, text) == expected):
                raise self._damaged(values[0])
            document = self._document(values)
            found[passage_id] = Passage(passage_id, document.doc_id, ordinal, heading, start, stop, text), document
        return found

    def _document(self, row: Sequence[Any]) -> Document:
        """A document without its text from its columns, checked against the last, their checksum."""
        *values, expected = row
        with suppress(TypeError, ValueError):
            if expected is None or schema.fields_checksum(*values) == expected:
                return document_of(values)
        raise self._damaged(values[0])

    def _damaged(self, doc_id: str) -> IndexCorrupted:
        return IndexCorrupted(
            f"article {doc_id!r} in {self.folder} is damaged: remove it (searchidx remove) and add it again"
        )

    def last_passage_id(self) -> int:
        """The highest passage id given so far."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'passages'")
        return int(rows[0][0]) if rows else 0

    def passage_ids(self, after: int, limit: int) -> list[int]:
        """Ids of the passages after one id, in order."""
        sql = "SELECT passage_id FROM passages WHERE passage_id > ? ORDER BY passage_id LIMIT ?"
        return [row[0] for row in self._rows(sql, (after, limit))]

    def all_passage_ids(self) -> IdSet:
        """Ids of all passages, in order."""
        import numpy as np

        with self._mapped():
            rows = self._connection.execute("SELECT passage_id FROM passages ORDER BY passage_id")
            return np.fromiter((row[0] for row in rows), dtype=np.int64)

    # vectors

    def vectors(self, ids: Sequence[int], generation: int) -> tuple[IdSet, Matrix]:
        """Vectors of some passages as (ids, float32 [n, dim]), in id order; unknown ids are left out."""
        table = schema.vector_table(generation)
        sql = f"SELECT passage_id, vector, checksum FROM {table} WHERE passage_id IN ({{}})"
        return self._matrix(sorted(self._by_ids(sql, ids)))

    def all_vectors(self, generation: int, batch: int = 20_000) -> Iterator[tuple[IdSet, Matrix]]:
        """Every vector in id order, ``batch`` at a time."""
        table, last = schema.vector_table(generation), 0
        sql = f"SELECT passage_id, vector, checksum FROM {table} WHERE passage_id > ? ORDER BY passage_id LIMIT {batch}"
        while rows := self._rows(sql, (last,)):
            last = rows[-1][0]
            yield self._matrix(rows)

    def _matrix(self, rows: Sequence[tuple[int, bytes, bytes]]) -> tuple[IdSet, Matrix]:
        import numpy as np

        for passage_id, vector, expected in rows:
            if not _intact(vector, expected):
                raise IndexCorrupted(
                    f"the vector of passage {passage_id} in {self.folder} is damaged: "
                    "encode it again with: searchidx sync --rebuild"
                )
        ids = np.array([row[0] for row in rows], dtype=np.int64)
        flat = np.frombuffer(b"".join(row[1] for row in rows), dtype="<f2")
        return ids, flat.astype(np.float32).reshape(len(rows), -1 if rows else 0)

    def damaged_vectors(self, generation: int) -> list[int]:
        """Ids of passages whose vector is missing or does not match its checksum."""
        table, damaged, last = schema.vector_table(generation), [], 0
        sql = (
            f"SELECT p.passage_id, v.vector, v.checksum FROM passages p LEFT JOIN {table} v USING (passage_id) "
            "WHERE p.passage_id > ? ORDER BY p.passage_id LIMIT 20000"
        )
        while rows := self._rows(sql, (last,)):
            damaged += [row[0] for row in rows if not _intact(row[1], row[2])]
            last = rows[-1][0]
        return damaged

    def unencoded(self, generation: int, limit: int) -> list[int]:
        """Ids of the first passages that have no vector in a generation."""
        table = schema.vector_table(generation)
        sql = f"SELECT passage_id FROM passages WHERE passage_id > (SELECT coalesce(max(passage_id), 0) FROM {table}) "
        return [row[0] for row in self._rows(sql + "ORDER BY passage_id LIMIT ?", (limit,))]

    # sources

    def roots(self) -> list[str]:
        """What the user named so far."""
        return [root for (root,) in self._rows("SELECT root FROM roots ORDER BY root")]

    def source(self, uri: str) -> tuple[str, str] | None:
        """(digest, failure) of a source as it was last read, or None."""
        rows = self._rows("SELECT digest, failure FROM sources WHERE uri = ?", (uri,))
        return rows[0] if rows else None

    def failures(self) -> list[Failure]:
        """Sources that could not be read, with the reason."""
        return [
            Failure(*row) for row in self._rows("SELECT uri, failure FROM sources WHERE failure != '' ORDER BY uri")
        ]

    def is_source(self, uri: str) -> bool:
        """Whether a root is a file that was read, and not a folder or pattern."""
        return bool(self._rows("SELECT 1 FROM sources WHERE uri = ? AND root = ?", (uri, uri)))

    def doc_ids(self, origin: str) -> list[str]:
        """Ids of the documents that were read from a source."""
        return [row[0] for row in self._rows("SELECT doc_id FROM documents WHERE origin = ?", (origin,))]

    def all_doc_ids(self) -> list[str]:
        """Ids of all documents, in the order they were added."""
        return [row[0] for row in self._rows("SELECT doc_id FROM documents ORDER BY document")]

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


def _intact(vector: Any, expected: bytes) -> bool:
    return isinstance(vector, bytes) and xxhash.xxh3_64_digest(vector) == expected


def document_of(values: Sequence[Any]) -> Document:
    """A document without its text from the columns ``schema.FIELDS``."""
    doc_id, title, uri, published, author, source, language, metadata, media_type = values
    return Document(doc_id, "", title, uri, published, author, source, language, json.loads(metadata), media_type)


def _not_found(folder: Path) -> str:
    """Say that there is no index, and which one may have been meant."""
    near = [path.name for path in folder.parent.iterdir() if (path / FILE).is_file()] if folder.parent.is_dir() else []
    close = difflib.get_close_matches(folder.name, near, 1, 0.5)
    hint = f" (did you mean {folder.parent / close[0]}?)" if close else ""
    return f"no index at {folder}; create it with: searchidx add SOURCE -i {folder}{hint}"
