"""The writing side of the store: only the holder of the index's lock opens one."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import xxhash

from searchidx.articles.fingerprints import method
from searchidx.errors import EncoderMismatch, StorageError
from searchidx.storage import receipt, schema
from searchidx.storage.copies import Copies
from searchidx.storage.database import FILE, open_database
from searchidx.storage.files import explain, make_folder, rename_durably, storage_errors
from searchidx.storage.store import Store, checksum
from searchidx.types import Document, Encoder, Fetched, Passage

if TYPE_CHECKING:
    from searchidx.types import Matrix

LONG_LOG = 1_000_000
"""Bytes of write-ahead log that are folded into the file even while the index stays open."""
_RUN = """
CREATE TEMP TABLE seen (doc_id TEXT PRIMARY KEY, origin TEXT NOT NULL) WITHOUT ROWID;
CREATE TEMP TABLE visited (uri TEXT PRIMARY KEY, label TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX temp.visited_by_label ON visited (label);
"""
"""What one run has met; on disk, so that memory does not grow with the corpus."""


def describe(encoder: Encoder) -> dict[str, Any]:
    """What the settings of an index say of its encoder."""
    return {"name": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim}


@dataclass(frozen=True, slots=True)
class Entry:
    """A document on its way into the store, with its digest and fingerprint.

    ``vectors`` is float32 [len(passages), dim]; ``signature`` is that of ``searchidx.articles.fingerprints``.
    """

    document: Document
    digest: bytes
    origin: str
    passages: Sequence[Passage]
    vectors: Matrix
    signature: bytes


class StoreWriter(Store):
    """Writing side: open it only while holding the index's lock.

    Attributes:
        copies: which articles are copies of one another; to be changed within a transaction.
    """

    copies: Copies

    @classmethod
    def create(cls, folder: Path, settings: Mapping[str, Any]) -> StoreWriter:
        """Make a new store; it gets a random ``store_id`` that every arrangement carries."""
        connection = sqlite3.connect(folder / FILE, isolation_level=None)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            schema.migrate(connection)
        finally:
            connection.close()
        writer = cls(folder)
        with writer.transaction():
            schema.create_vectors(writer._connection, 1)
            writer.set(store_id=uuid.uuid4().hex, generation=1, **settings)
        return writer

    def _connect(self) -> sqlite3.Connection:
        connection = open_database(self.folder / FILE, "mode=rw")
        if schema.format_of(connection):  # another file than a store is told as such, and stays as it is
            schema.migrate(connection)
        connection.executescript(_RUN)
        self.copies = Copies(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; on return it is on the disk and survives a power loss."""
        with self._mapped():
            self._connection.execute("BEGIN IMMEDIATE")
            self.copies.begin()
            try:
                yield
                self.copies.settle()
                position = self.position()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            receipt.note(self.folder, self.store_id, position)

    def accept_losses(self) -> None:
        """Go on from what is there, whatever was acknowledged before."""
        receipt.note(self.folder, self.store_id, self.position())

    def set(self, **settings: Any) -> None:
        """Change settings."""
        rows = [(key, json.dumps(value)) for key, value in settings.items()]
        self._connection.executemany("INSERT OR REPLACE INTO settings VALUES (?, ?)", rows)
        self._connection.execute(schema.SEAL)

    def put(self, entries: Sequence[Entry], generation: int) -> None:
        """Store documents with different doc_ids, each replacing what its doc_id had; ids of passages are never reused.

        The rows of a table are one statement for all documents: one by one they took twice as long.
        """
        import numpy as np

        if not entries:
            return
        many, doc_ids = self._connection.executemany, [entry.document.doc_id for entry in entries]
        self._drop(doc_ids)
        many("DELETE FROM removed WHERE doc_id = ?", [(doc_id,) for doc_id in doc_ids])
        documents = list(enumerate(entries, self._next("documents")))
        marks = ", ".join("?" * len(_COLUMNS))
        many(
            f"INSERT INTO documents ({', '.join(_COLUMNS)}) VALUES ({marks})",
            (_document_row(number, entry) for number, entry in documents),
        )
        many("INSERT INTO texts VALUES (?, ?)", ((number, entry.document.text) for number, entry in documents))
        keys = dict.fromkeys(key for entry in entries for key in entry.document.metadata)
        many("INSERT OR IGNORE INTO fields VALUES (?)", [(key,) for key in keys])
        for number, entry in documents:
            self.copies.add(number, entry.signature)
        passages = [(number, passage) for number, entry in documents for passage in entry.passages]
        first = self._next("passages")
        ids = range(first, first + len(passages))
        many(
            "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (i, number, p.ordinal, p.heading, p.start, p.end, checksum(p.heading, p.text))
                for i, (number, p) in zip(ids, passages, strict=True)
            ),
        )
        self.put_vectors(ids, np.concatenate([entry.vectors for entry in entries]), generation)
        many("INSERT INTO changes (passage_id, put) VALUES (?, 1)", ((i,) for i in ids))

    def _next(self, table: str) -> int:
        """The next id of a table, whose ids are never reused."""
        rows = self._rows("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,))
        return int(rows[0][0]) + 1 if rows else 1

    def put_vectors(self, ids: Iterable[int], vectors: Matrix, generation: int) -> None:
        """Store vectors, float32 [n, dim], as float16."""
        check_vectors(vectors, self.setting("encoder")["dim"] if generation == self.setting("generation") else None)
        raw, size = vectors.astype("<f2").tobytes(), 2 * vectors.shape[1]
        blobs = ((i, raw[at : at + size]) for i, at in zip(ids, range(0, len(raw), size or 1), strict=True))
        self._connection.executemany(
            f"INSERT OR REPLACE INTO {schema.vector_table(generation)} VALUES (?, ?, ?)",
            ((i, blob, xxhash.xxh3_64_digest(blob)) for i, blob in blobs),
        )

    def drop(self, doc_ids: Sequence[str]) -> int:
        """Remove documents with everything that belongs to them; returns how many there were."""
        self.recurrence.forget(doc_ids)
        return self._drop(doc_ids)

    def _drop(self, doc_ids: Sequence[str]) -> int:
        rows = self._by_ids("SELECT document FROM documents WHERE doc_id IN ({})", doc_ids)
        generation = self.setting("generation") if rows else 0
        for row in rows:
            ids = self._connection.execute("SELECT passage_id FROM passages WHERE document = ?", row).fetchall()
            self._connection.executemany("INSERT INTO changes (passage_id, put) VALUES (?, 0)", ids)
            self._connection.executemany(f"DELETE FROM {schema.vector_table(generation)} WHERE passage_id = ?", ids)
            for table in ("passages", "texts", "documents"):
                self._connection.execute(f"DELETE FROM {table} WHERE document = ?", row)
            self.copies.drop(*row)
        return len(rows)

    def remove(self, doc_ids: Sequence[str]) -> int:
        """Drop documents because the user said so: their sources are read again by ``add``, and not by ``sync``."""
        rows = [(doc_id,) for doc_id in doc_ids]
        origins = "SELECT origin FROM documents WHERE doc_id = ?"
        self._connection.executemany(f"UPDATE sources SET digest = '' WHERE uri IN ({origins})", rows)
        self._connection.executemany(f"DELETE FROM roots WHERE root LIKE 'http%' AND root IN ({origins})", rows)
        self._connection.executemany("INSERT OR IGNORE INTO removed VALUES (?)", rows)
        return self.drop(doc_ids)

    def was_removed(self, doc_id: str) -> bool:
        """Whether the user removed it."""
        return bool(self._rows("SELECT 1 FROM removed WHERE doc_id = ?", (doc_id,)))

    def move(self, places: Iterable[tuple[str, str]]) -> None:
        """Note (doc_id, origin) of articles that are now read from elsewhere."""
        rows = ((origin, doc_id) for doc_id, origin in places)
        self._connection.executemany("UPDATE documents SET origin = ? WHERE doc_id = ?", rows)

    def compare_pending(self, limit: int = 200) -> int:
        """Compare some articles that were not compared with others yet; returns how many there were."""
        with self.transaction():
            return self.copies.catch_up(limit)

    # one run

    def begin_run(self) -> None:
        """Forget what the run before has met, and fingerprints that were made in another way than now."""
        if self.setting("fingerprints") != method():
            with self.transaction():
                self.copies.forget()
                self.set(fingerprints=method())
        self._connection.executescript("DELETE FROM temp.seen; DELETE FROM temp.visited;")

    def see(self, doc_id: str, origin: str) -> str | None:
        """Note a doc_id as met in this run; returns where it was met before, or None."""
        sql = "INSERT INTO temp.seen VALUES (?, ?) ON CONFLICT DO NOTHING"
        if self._connection.execute(sql, (doc_id, origin)).rowcount:
            return None
        return str(self._rows("SELECT origin FROM temp.seen WHERE doc_id = ?", (doc_id,))[0][0])

    def unseen(self, origin: str) -> list[str]:
        """Ids of the documents of a source that this run did not meet."""
        sql = "SELECT doc_id FROM documents WHERE origin = ? AND doc_id NOT IN (SELECT doc_id FROM temp.seen)"
        return [row[0] for row in self._rows(sql, (origin,))]

    def visit(self, uri: str, label: str = "") -> bool:
        """Note a source as still there; False where this run has been there before."""
        sql = "INSERT OR IGNORE INTO temp.visited VALUES (?, ?)"
        return bool(self._connection.execute(sql, (uri, label)).rowcount)

    def label(self, uri: str, wanted: str) -> str:
        """What the articles of a source are called by where they have no id: as before, else ``wanted``.

        Where another file that still exists has it, ``news/1.txt`` of another folder say, some letters make it unique:
        otherwise one would replace the other's articles.
        """
        for (label,) in self._rows("SELECT label FROM sources WHERE uri = ? AND label != ''", (uri,)):
            return str(label)
        sql = "SELECT uri FROM sources WHERE label = ? UNION SELECT uri FROM temp.visited WHERE label = ?"
        others = [other for (other,) in self._rows(sql, (wanted, wanted)) if other != uri]
        return f"{wanted}~{xxhash.xxh3_64_hexdigest(uri.encode())[:8]}" if any(map(os.path.lexists, others)) else wanted

    def unvisited(self, root: str) -> list[str]:
        """Sources under a root that this run did not find."""
        sql = "SELECT uri FROM sources WHERE root = ? AND uri NOT IN (SELECT uri FROM temp.visited)"
        return [row[0] for row in self._rows(sql, (root,))]

    def note_root(self, root: str, options: Mapping[str, Any]) -> None:
        """Remember what the user named, for ``sync``, and how it is to be read."""
        sql = "INSERT INTO roots VALUES (?, ?) ON CONFLICT (root) DO UPDATE SET options = excluded.options"
        self._connection.execute(sql, (root, json.dumps(options)))

    def options(self, root: str) -> dict[str, Any]:
        """How a root is to be read."""
        rows = self._rows("SELECT options FROM roots WHERE root = ?", (root,))
        return dict(json.loads(rows[0][0])) if rows else {}

    def forget_root(self, root: str) -> bool:
        """Visit it no more; its articles stay. False where it was none."""
        return bool(self._connection.execute("DELETE FROM roots WHERE root = ?", (root,)).rowcount)

    def note_source(self, uri: str, root: str, content: str, failure: str, label: str = "") -> None:
        """Remember how a source looked when it was last read; without a new label it keeps the one it has."""
        sql = (
            "INSERT INTO sources VALUES (?, ?, ?, ?, ?) ON CONFLICT (uri) DO UPDATE SET root = excluded.root, "
            "digest = excluded.digest, failure = excluded.failure, label = coalesce(nullif(excluded.label, ''), label)"
        )
        self._connection.execute(sql, (uri, root, content, failure, label))

    def forget_digests(self) -> None:
        """Have every source read again by the next ``sync``."""
        self._connection.execute("UPDATE sources SET digest = ''")

    def note_fetched(self, uri: str, fetched: Fetched) -> None:
        """Remember what a server said of a source."""
        values = (uri, fetched.address, fetched.etag, fetched.modified, fetched.stamp)
        self._connection.execute("INSERT OR REPLACE INTO fetched VALUES (?, ?, ?, ?, ?)", values)

    def fetched(self, uri: str) -> Fetched | None:
        """What was remembered of it, or None where it has to be read anew: it failed, or lost an article."""
        sql = (
            "SELECT address, etag, modified, stamp FROM fetched JOIN sources USING (uri) "
            "WHERE uri = ? AND digest != '' AND failure = ''"
        )
        rows = self._rows(sql, (uri,))
        return Fetched(*rows[0]) if rows else None

    def doc_ids_below(self, root: str) -> list[str]:
        """Ids of the documents of all sources under a root."""
        sql = "SELECT doc_id FROM documents JOIN sources ON origin = sources.uri WHERE root = ?"
        return [row[0] for row in self._rows(sql, (root,))]

    def forget_source(self, uri: str) -> None:
        """Forget a source that is gone."""
        self._connection.execute("DELETE FROM sources WHERE uri = ?", (uri,))

    def begin_generation(self, generation: int) -> None:
        """Make room for the vectors of another encoder."""
        schema.create_vectors(self._connection, generation)

    def drop_orphans(self, generation: int) -> None:
        """Delete vectors whose passages are gone: what was removed while a switch of encoders had stopped halfway."""
        gone = "passage_id NOT IN (SELECT passage_id FROM passages)"
        self._connection.execute(f"DELETE FROM {schema.vector_table(generation)} WHERE {gone}")

    def drop_generation(self, generation: int) -> None:
        """Delete the vectors of an encoder that is no longer used."""
        self._connection.execute(f"DROP TABLE IF EXISTS {schema.vector_table(generation)}")

    def close(self, *, fold: bool = True) -> None:
        """Close, and fold the write-ahead log into the file, so that it can be read from a read-only folder.

        Args:
            fold: False to leave a short log for later, which saves a sync or two.
        """
        # where readers hold the log, the disk is full or the file is closed, the log stays and nothing is lost
        with self._lock, suppress(sqlite3.Error, OSError):
            if fold or (self.folder / f"{FILE}-wal").stat().st_size > LONG_LOG:
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        super().close()


_COLUMNS = ("document", *schema.FIELDS.split(", "), "origin", "digest", "checksum")


def _document_row(number: int, entry: Entry) -> tuple[Any, ...]:
    """The values of ``_COLUMNS``."""
    document = entry.document
    values = {name: getattr(document, name) for name in schema.FIELDS.split(", ")}
    values["metadata"] = json.dumps(document.metadata, ensure_ascii=False, default=dict)
    fields = tuple(values.values())
    return (number, *fields, entry.origin, entry.digest, schema.fields_checksum(*fields))


def check_vectors(vectors: Matrix, dim: int | None) -> None:
    """Refuse vectors that would poison an index: not finite, of another length, or neither unit length nor zero."""
    import numpy as np

    if vectors.ndim != 2 or (dim and vectors.shape[1] != dim):
        raise EncoderMismatch(f"the encoder gave vectors of shape {vectors.shape}: expected [n, {dim or 'dim'}]")
    if not np.isfinite(vectors).all():
        raise EncoderMismatch("the encoder gave a vector that is not finite: nothing of this batch was stored")
    norms = np.linalg.norm(vectors, axis=1)
    if not np.all((np.abs(norms - 1) < 1e-3) | (norms == 0)):
        raise EncoderMismatch(
            f"the encoder gave vectors of length {norms.min():.4f} to {norms.max():.4f}: expected unit length"
        )


def make_store(folder: Path, settings: Mapping[str, Any]) -> None:
    """Make the folder of an index, beside its place and renamed, so that a killed process leaves no half an index."""
    with storage_errors(folder):
        make_folder(folder.parent)
        fresh = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}")
        fresh.mkdir()
        try:
            StoreWriter.create(fresh, settings).close()
            rename_durably(fresh, folder)
        except BaseException as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if isinstance(error, sqlite3.Error):
                raise StorageError(explain(error, folder)) from error
            raise
