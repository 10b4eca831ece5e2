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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from searchidx.errors import IndexCorrupted, IndexNotFound, StorageError
from searchidx.storage import schema
from searchidx.storage.copies import Copies
from searchidx.storage.files import explain, is_writable
from searchidx.storage.recurrence import Recurrence
from searchidx.types import Change, Document, Failure, Furniture, Passage

if TYPE_CHECKING:
    from searchidx.types import IdSet, Matrix

FILE = "store.db"
MATCHED = 8
"""Filters whose passages are remembered: 8 bytes for each of those."""
BATCH = 500
"""Ids in one SQL statement; SQLite allows 32,766 parameters."""
_DOCUMENT = "d.doc_id, d.title, d.uri, d.published, d.author, d.source, d.language, d.metadata, d.media_type"


@dataclass(frozen=True, slots=True)
class Known:
    """What the store has under a doc_id: where it was read and a digest of its content."""

    doc_id: str
    origin: str
    digest: bytes


def check_furniture(choice: str) -> str:
    """``drop``, ``everywhere`` or ``keep``, as given.

    Raises:
        ValueError: it is none of them.
    """
    if choice not in ("drop", "everywhere", "keep"):
        raise ValueError(f"furniture is {choice!r}: choose drop, everywhere or keep")
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
    return connection


class Store:
    """Reading side. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.RLock()
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._matched_at = -1
        self._matched: dict[tuple[Any, ...], IdSet] = {}  # answers of ``matching`` at that position
        if not (folder / FILE).is_file():
            raise IndexNotFound(_not_found(folder))
        with self._mapped():
            self._connection = self._connect()
            schema.check_format(self._connection, str(folder))
        self.recurrence = Recurrence(self._connection, self._rows, self._by_ids)

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
            except sqlite3.OperationalError as error:
                raise StorageError(explain(error, self.folder)) from error
            except sqlite3.DatabaseError as error:
                raise IndexCorrupted(
                    f"{self.folder / FILE} is damaged ({error}): restore it from a backup, "
                    "or add the articles to a new index"
                ) from error

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
        return json.loads(rows[0][0]) if rows else None

    def furniture(self) -> Furniture:
        """What becomes of furniture; an index made before there was a choice keeps it."""
        return self.setting("furniture") or "keep"

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
                yield Change(seq, passage_id, bool(put))
            since = rows[-1][0]

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
        document = replace(_document(values), text=text or "")
        if digest(document) != expected:
            raise self._damaged(doc_id)
        return document

    def documents(
        self, condition: str = "1", parameters: Sequence[Any] = (), limit: int = -1, offset: int = 0
    ) -> Iterator[Document]:
        """Documents without their text, in the order they were added; ``condition`` is SQL over ``documents d``."""
        last, left = 0, limit
        while left and (
            rows := self._rows(
                f"SELECT d.document, {_DOCUMENT} FROM documents d WHERE d.document > ? AND ({condition}) "
                f"ORDER BY d.document LIMIT {min(left, 1000) if left > 0 else 1000} OFFSET {0 if last else offset}",
                (last, *parameters),
            )
        ):
            for row in rows:
                yield _document(row[1:])
            last, left = rows[-1][0], left - len(rows) if left > 0 else left

    def undated(self, condition: str, parameters: Sequence[Any]) -> set[str]:
        """Ids of the documents without a date that meet an SQL condition over ``documents d``."""
        sql = f"SELECT d.doc_id FROM documents d WHERE d.published = '' AND ({condition})"
        return {doc_id for (doc_id,) in self._rows(sql, parameters)}

    def matching(self, condition: str, parameters: Sequence[Any]) -> IdSet:
        """Ids of the passages whose document meets an SQL condition over ``documents d``; not to be changed.

        The last few answers are kept until something changes: looking at 300,000 documents takes 50 to 500 ms. Passages
        of a document have consecutive ids, so one row a document says them all.
        """
        import numpy as np

        asked, position = (condition, *parameters), self.position()
        if position != self._matched_at:
            self._matched_at, self._matched = position, {}
        known = self._matched
        ids = known.get(asked)
        if ids is None:
            of_document = "FROM passages p WHERE p.document = d.document"
            sql = (
                f"SELECT (SELECT min(passage_id) {of_document}), (SELECT count(*) {of_document}) "
                f"FROM documents d WHERE {condition}"
            )
            runs = np.array([row for row in self._rows(sql, parameters) if row[1]], np.int64).reshape(-1, 2)
            runs = runs[np.argsort(runs[:, 0])]
            first, count = runs[:, 0], runs[:, 1]
            ids = np.repeat(first - np.cumsum(count) + count, count) + np.arange(count.sum())
            ids.flags.writeable = False
            if len(known) >= MATCHED:
                known.clear()
            known[asked] = ids
        return ids

    def owners(self, ids: Sequence[int]) -> dict[int, int]:
        """The document row of each passage; ids that are no longer known are left out."""
        return dict(self._by_ids("SELECT passage_id, document FROM passages WHERE passage_id IN ({})", ids))

    def doc_ids_of(self, ids: Sequence[int]) -> dict[int, str]:
        """The id of each passage's document; unknown ids are left out."""
        sql = "SELECT passage_id, doc_id FROM passages JOIN documents USING (document) WHERE passage_id IN ({})"
        return dict(self._by_ids(sql, ids))

    def dates_of(self, ids: Sequence[int]) -> dict[int, str]:
        """When each passage's document was published; unknown ids are left out."""
        sql = "SELECT passage_id, published FROM passages JOIN documents USING (document) WHERE passage_id IN ({})"
        return dict(self._by_ids(sql, ids))

    def passages(self, ids: Sequence[int]) -> dict[int, tuple[Passage, Document]]:
        """Passages with their documents (without text); ids that are no longer known are left out."""
        rows = self._by_ids(
            f"SELECT {_DOCUMENT}, p.passage_id, p.ordinal, p.heading, p.start, p.stop, p.checksum, "
            "substr(t.text, p.start + 1, p.stop - p.start) "
            "FROM passages p JOIN documents d USING (document) LEFT JOIN texts t USING (document) "
            "WHERE p.passage_id IN ({})",
            ids,
        )
        found = {}
        for *values, passage_id, ordinal, heading, start, stop, expected, text in rows:
            if text is None or checksum(heading, text) != expected:
                raise self._damaged(values[0])
            document = _document(values)
            found[passage_id] = Passage(passage_id, document.doc_id, ordinal, heading, start, stop, text), document
        return found

    def texts(self, ids: Sequence[int]) -> Iterator[tuple[int, str, str, str]]:
        """Id, title, heading and text of some passages; ids that are no longer known are left out.

        Several times as fast as ``passages`` for neighbours: the text of an article is read once for all of them.
        """
        rows = self._by_ids(
            "SELECT document, passage_id, heading, start, stop, checksum FROM passages WHERE passage_id IN ({})", ids
        )
        sql = "SELECT document, doc_id, title, text FROM documents LEFT JOIN texts USING (document) "
        found = self._by_ids(sql + "WHERE document IN ({})", list(dict.fromkeys(row[0] for row in rows)))
        documents = {document: values for document, *values in found}
        for document, passage_id, heading, start, stop, expected in rows:
            doc_id, title, whole = documents[document]
            text = (whole or "")[start:stop]
            if checksum(heading, text) != expected:
                raise self._damaged(doc_id)
            yield passage_id, title, heading, text

    def _damaged(self, doc_id: str) -> IndexCorrupted:
        return IndexCorrupted(
            f"the text of article {doc_id!r} in {self.folder} is damaged: remove it (searchidx remove) and add it again"
        )

    # copies

    def stories(self, ids: Sequence[int]) -> dict[int, int]:
        """The story of each passage whose article has copies, by passage id; a story is one group of copies."""
        if not self._compared():
            return {}
        sql = (
            "SELECT passage_id, story FROM passages JOIN fingerprints USING (document) "
            "WHERE story IS NOT NULL AND passage_id IN ({})"
        )
        return dict(self._by_ids(sql, ids))

    def copies_of(
        self, story: int, but: str, limit: int, condition: str = "1", parameters: Sequence[Any] = ()
    ) -> list[Document]:
        """Articles of a story, without their text and without one, that meet an SQL condition over ``documents d``."""
        sql = (
            f"SELECT {_DOCUMENT} FROM fingerprints f JOIN documents d USING (document) "
            f"WHERE f.story = ? AND d.doc_id != ? AND ({condition}) ORDER BY f.document LIMIT ?"
        )
        return [_document(row) for row in self._rows(sql, (story, but, *parameters, limit))]

    def copy_counts(self) -> dict[str, int]:
        """Stories with several articles, these articles, and articles that were not compared with others yet."""
        if not self._compared():
            return {"stories": 0, "articles": 0, "pending": self.counts()["documents"]}
        row = self._rows(
            "SELECT count(DISTINCT story), count(*), (SELECT count(*) FROM documents) - "
            "(SELECT count(*) FROM fingerprints) FROM fingerprints WHERE story IS NOT NULL"
        )[0]
        return {"stories": row[0], "articles": row[1], "pending": row[2]}

    def copy_problems(self) -> list[str]:
        """What is wrong with fingerprints and groups of copies, a sentence each."""
        if not self._compared():
            return []
        with self._mapped():
            return list(Copies(self._connection).problems())

    def _compared(self) -> bool:
        """Whether there are fingerprints: a reader may have an index that no writer has opened since format 3."""
        return int(self._rows("PRAGMA user_version")[0][0]) >= 3

    def last_passage_id(self) -> int:
        """The highest passage id given so far."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = 'passages'")
        return int(rows[0][0]) if rows else 0

    def passage_ids(self, after: int, limit: int) -> list[int]:
        """Ids of the passages after one id, in order."""
        sql = "SELECT passage_id FROM passages WHERE passage_id > ? ORDER BY passage_id LIMIT ?"
        return [row[0] for row in self._rows(sql, (after, limit))]

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
            if xxhash.xxh3_64_digest(vector) != expected:
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
            damaged += [row[0] for row in rows if row[1] is None or xxhash.xxh3_64_digest(row[1]) != row[2]]
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

    def integrity(self) -> list[str]:
        """What SQLite itself finds wrong with the file; empty when sound."""
        return [row[0] for row in self._rows("PRAGMA integrity_check(20)") if row[0] != "ok"]


def _document(values: Sequence[Any]) -> Document:
    doc_id, title, uri, published, author, source, language, metadata, media_type = values
    return Document(doc_id, "", title, uri, published, author, source, language, json.loads(metadata), media_type)


def _not_found(folder: Path) -> str:
    """Say that there is no index, and which one may have been meant."""
    near = [path.name for path in folder.parent.iterdir() if (path / FILE).is_file()] if folder.parent.is_dir() else []
    close = difflib.get_close_matches(folder.name, near, 1, 0.5)
    hint = f" (did you mean {folder.parent / close[0]}?)" if close else ""
    return f"no index at {folder}; create it with: searchidx add SOURCE -i {folder}{hint}"
