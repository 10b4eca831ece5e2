"""The truth: documents, passages, vectors, settings and the numbered list of changes, in one SQLite file.

``Store`` is the reading side, over the open file of ``database.py``; ``writer.py`` adds what changes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from searchidx.errors import IndexCorrupted
from searchidx.storage import schema
from searchidx.storage.copies import Copies
from searchidx.storage.database import Database
from searchidx.storage.recurrence import Recurrence
from searchidx.types import Change, Document, Failure, Furniture, Passage

if TYPE_CHECKING:
    from searchidx.types import IdSet, Matrix

MATCHED = 8
"""Filters whose passages are remembered: 8 bytes for each of those."""
_DOCUMENT = ", ".join(f"d.{name}" for name in schema.FIELDS.split(", "))


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


class Store(Database):
    """Reading side. Safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._matched_at = -1
        self._matched: dict[tuple[Any, ...], IdSet] = {}  # answers of ``matching`` at that position
        self._columns = f"{_DOCUMENT}, {'d.checksum' if self.has_format(3) else 'NULL'}"
        self.recurrence = Recurrence(self._connection, self._rows, self._by_ids, self.has_format)

    # settings and changes

    def furniture(self) -> Furniture:
        """What becomes of furniture; an index made before there was a choice keeps it."""
        return self.setting("furniture") or "keep"

    def moment(self) -> tuple[int, int, str]:
        """Position, generation of the vectors and language: what a reader compares to know whether to catch up."""
        sql = (
            "SELECT (SELECT coalesce(max(seq), 0) FROM changes), (SELECT value FROM settings WHERE key = 'generation'),"
            " (SELECT value FROM settings WHERE key = 'language')"
        )
        position, generation, language = self._rows(sql)[0]
        return int(position), int(generation), language or ""

    def changes(self, since: int) -> Iterator[Change]:
        """Changes after number ``since``, in order, in slices that keep memory bounded; the first is a small one."""
        sql, limit = "SELECT seq, passage_id, put FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", 200
        while rows := self._rows(sql, (since, limit)):
            for seq, passage_id, put in rows:
                if not isinstance(passage_id, int):
                    raise self._corrupted(f"change {seq} names no passage")
                yield Change(seq, passage_id, bool(put))
            since, limit = rows[-1][0], 20_000

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

    def owners(self, ids: Sequence[int]) -> tuple[dict[int, int], dict[int, int]]:
        """The document row of each passage, and the story of each whose article has copies, by passage id.

        A story is one group of copies. Ids that are no longer known are left out.
        """
        if not self.has_format(3):
            return dict(self._by_ids("SELECT passage_id, document FROM passages WHERE passage_id IN ({})", ids)), {}
        sql = (
            "SELECT passage_id, p.document, story FROM passages p LEFT JOIN fingerprints USING (document) "
            "WHERE passage_id IN ({})"
        )
        rows = self._by_ids(sql, ids)
        return {row[0]: row[1] for row in rows}, {row[0]: row[2] for row in rows if row[2] is not None}

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
            f"SELECT {self._columns}, p.passage_id, p.ordinal, p.heading, p.start, p.stop, p.checksum, "
            "substr(t.text, p.start + 1, p.stop - p.start) "
            "FROM passages p JOIN documents d USING (document) LEFT JOIN texts t USING (document) "
            "WHERE p.passage_id IN ({})",
            ids,
        )
        found = {}
        for *values, passage_id, ordinal, heading, start, stop, expected, text in rows:
            if not self._is_whole(heading, text, expected):
                raise self._damaged(values[0])
            document = self._document(values)
            found[passage_id] = Passage(passage_id, document.doc_id, ordinal, heading, start, stop, text), document
        return found

    def texts(self, ids: Sequence[int]) -> Iterator[tuple[int, str, str, str]]:
        """Id, title, heading and text of some passages; ids that are no longer known are left out.

        Several times as fast as ``passages`` for neighbours: the text of an article is read once for all of them.
        """
        rows = self._by_ids(
            "SELECT document, passage_id, heading, start, stop, checksum FROM passages WHERE passage_id IN ({})", ids
        )
        found = self._by_ids(
            f"SELECT document, text, {self._columns} FROM documents d LEFT JOIN texts USING (document) "
            "WHERE document IN ({})",
            list(dict.fromkeys(row[0] for row in rows)),
        )
        documents = {document: (text, self._document(values)) for document, text, *values in found}
        for number, passage_id, heading, start, stop, expected in rows:
            whole, document = documents[number]
            text = whole[start:stop] if isinstance(whole, str) else ""
            if not self._is_whole(heading, text, expected):
                raise self._damaged(document.doc_id)
            yield passage_id, document.title, heading, text

    @staticmethod
    def _is_whole(heading: Any, text: Any, expected: bytes) -> bool:
        """Whether the parts of a passage are as they were written."""
        return isinstance(heading, str) and isinstance(text, str) and checksum(heading, text) == expected

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

    # copies

    def copies_of(
        self, story: int, but: str, limit: int, condition: str = "1", parameters: Sequence[Any] = ()
    ) -> list[Document]:
        """Articles of a story, without their text and without one, that meet an SQL condition over ``documents d``."""
        sql = (
            f"SELECT {self._columns} FROM fingerprints f JOIN documents d USING (document) "
            f"WHERE f.story = ? AND d.doc_id != ? AND ({condition}) ORDER BY f.document LIMIT ?"
        )
        return [self._document(row) for row in self._rows(sql, (story, but, *parameters, limit))]

    def copy_counts(self) -> dict[str, int]:
        """Stories with several articles, these articles, and articles that were not compared with others yet."""
        if not self.has_format(3):
            return {"stories": 0, "articles": 0, "pending": self.counts()["documents"]}
        row = self._rows(
            "SELECT count(DISTINCT story), count(*), (SELECT count(*) FROM documents) - "
            "(SELECT count(*) FROM fingerprints) FROM fingerprints WHERE story IS NOT NULL"
        )[0]
        return {"stories": row[0], "articles": row[1], "pending": row[2]}

    def copy_problems(self) -> list[str]:
        """What is wrong with fingerprints and groups of copies, a sentence each."""
        if not self.has_format(3):
            return []
        with self._mapped():
            return list(Copies(self._connection).problems())

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


def _intact(vector: Any, expected: bytes) -> bool:
    return isinstance(vector, bytes) and xxhash.xxh3_64_digest(vector) == expected


def document_of(values: Sequence[Any]) -> Document:
    """A document without its text from the columns ``schema.FIELDS``."""
    doc_id, title, uri, published, author, source, language, metadata, media_type = values
    return Document(doc_id, "", title, uri, published, author, source, language, json.loads(metadata), media_type)
