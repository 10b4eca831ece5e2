"""Tables of ``store.db`` and their numbered migrations.

The format number is SQLite's ``user_version``. A new format adds one entry to MIGRATIONS: it runs in one
transaction, so an index is in the old format or in the new one, never between.
"""

from __future__ import annotations

import json
import sqlite3
from typing import Any

import xxhash

from searchidx.errors import IndexCorrupted, IndexIncompatible

FORMAT = 3

_FORMAT_1 = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- What the user named, and every file found there; a failed one keeps its reason and is tried again by sync.
CREATE TABLE roots (root TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE sources (
    uri TEXT PRIMARY KEY, root TEXT NOT NULL, digest TEXT NOT NULL, failure TEXT NOT NULL,
    label TEXT NOT NULL         -- what its articles without an id are called by; '' where it was never read
) WITHOUT ROWID;
CREATE INDEX sources_by_label ON sources (label);

-- What the user removed: sync does not bring it back, add does.
CREATE TABLE removed (doc_id TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE documents (
    document INTEGER PRIMARY KEY AUTOINCREMENT,
    doc_id TEXT NOT NULL UNIQUE,
    origin TEXT NOT NULL,       -- sources.uri, or '' for a Document given through the Python API
    digest BLOB NOT NULL,       -- of everything in the document, texts included
    title TEXT NOT NULL, uri TEXT NOT NULL, published TEXT NOT NULL, author TEXT NOT NULL, source TEXT NOT NULL,
    language TEXT NOT NULL, metadata TEXT NOT NULL, media_type TEXT NOT NULL
);
CREATE INDEX documents_by_origin ON documents (origin);
CREATE INDEX documents_by_published ON documents (published);

-- Apart from documents, so that a filter reads a few bytes per article and not its text.
CREATE TABLE texts (document INTEGER PRIMARY KEY, text TEXT NOT NULL);

-- Names of metadata keys in use: a filter on any other name is an error, not an empty answer.
CREATE TABLE fields (name TEXT PRIMARY KEY) WITHOUT ROWID;

CREATE TABLE passages (
    passage_id INTEGER PRIMARY KEY AUTOINCREMENT,     -- never reused: a stale id can only miss
    document INTEGER NOT NULL, ordinal INTEGER NOT NULL, heading TEXT NOT NULL,
    start INTEGER NOT NULL, stop INTEGER NOT NULL,    -- characters of the text
    checksum BLOB NOT NULL                            -- of heading and text
);
CREATE INDEX passages_by_document ON passages (document);

-- One row for each passage that was put or dropped, in order: the arrangements catch up from here.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, passage_id INTEGER NOT NULL, put INTEGER NOT NULL
);
"""

_FORMAT_2 = """
-- How far the user wanted a feed to be followed: JSON with limit and since, or nothing.
ALTER TABLE roots ADD COLUMN options TEXT NOT NULL DEFAULT '{}';

-- What a server said of each source that is on the web, so that it need not be read again while it is the same.
CREATE TABLE fetched (
    uri TEXT PRIMARY KEY,       -- sources.uri
    address TEXT NOT NULL, etag TEXT NOT NULL, modified TEXT NOT NULL, stamp TEXT NOT NULL
) WITHOUT ROWID;
"""

FIELDS = "doc_id, title, uri, published, author, source, language, metadata, media_type"
"""Columns of ``documents`` that a hit shows."""

_FORMAT_3 = f"""
-- Which articles are copies of one another (storage/copies.py). One without a row has not been looked at yet.
CREATE TABLE fingerprints (
    document INTEGER PRIMARY KEY,
    story INTEGER,              -- its group, called by the row of a member; NULL where it has no copy
    signature BLOB NOT NULL     -- empty where the text is too short to tell
);
CREATE INDEX fingerprints_by_story ON fingerprints (story) WHERE story IS NOT NULL;
CREATE TABLE bands (band INTEGER NOT NULL, document INTEGER NOT NULL, PRIMARY KEY (band, document)) WITHOUT ROWID;

-- How many articles of a site share each block of text; see storage/recurrence.py, also for what the numbers mean.
CREATE TABLE sites (
    site INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    articles INTEGER NOT NULL DEFAULT 0, blocks INTEGER NOT NULL DEFAULT 0, changed INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE recurring (
    site INTEGER NOT NULL, block INTEGER NOT NULL, articles INTEGER NOT NULL, level INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (site, block)
) WITHOUT ROWID;
CREATE INDEX recurring_often ON recurring (site) WHERE articles >= 5;

-- What each article added to the counts, and what was taken out of its text: JSON, [[position, characters], ...].
CREATE TABLE counted (
    doc_id TEXT PRIMARY KEY, site INTEGER NOT NULL, another INTEGER NOT NULL, blocks BLOB NOT NULL,
    known INTEGER NOT NULL DEFAULT 0, removed TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX counted_by_site ON counted (site, doc_id);

-- Blocks that the user says are no furniture.
CREATE TABLE bodies (block INTEGER PRIMARY KEY);

-- Of what a hit shows of its article: the digest is of the text too, which a hit does not read.
ALTER TABLE documents ADD COLUMN checksum BLOB NOT NULL DEFAULT x'';
UPDATE documents SET checksum = fields_checksum({FIELDS});
"""

MIGRATIONS: dict[int, str] = {1: _FORMAT_1, 2: _FORMAT_2, 3: _FORMAT_3}
"""Statements that lead to each format from the one before it."""

CONTRADICTIONS = {
    "an article lacks passages": (
        "SELECT 1 FROM documents LEFT JOIN passages USING (document) GROUP BY document "
        "HAVING count(passage_id) = 0 OR min(ordinal) != 0 OR max(ordinal) + 1 != count(DISTINCT ordinal) "
        "OR count(passage_id) != count(DISTINCT ordinal) LIMIT 1"
    ),
    "a text has no article": "SELECT 1 FROM texts WHERE document NOT IN (SELECT document FROM documents) LIMIT 1",
    "numbers of passages would be given twice": (
        "SELECT 1 FROM passages WHERE passage_id > (SELECT seq FROM sqlite_sequence WHERE name = 'passages') LIMIT 1"
    ),
    "a passage is there that a change dropped": (
        "SELECT 1 FROM passages WHERE passage_id IN (SELECT passage_id FROM changes WHERE put != 1) LIMIT 1"
    ),
}
"""What the tables cannot say of each other, with a query for each that finds nothing in a sound store."""


def vector_table(generation: int) -> str:
    """Name of the table that holds the vectors of one encoder; re-encoding fills the next beside it."""
    return f"vectors_{int(generation)}"


def create_vectors(connection: sqlite3.Connection, generation: int) -> None:
    """Create the table of one generation: float16 little-endian vectors and their checksums."""
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {vector_table(generation)} "
        "(passage_id INTEGER PRIMARY KEY, vector BLOB NOT NULL, checksum BLOB NOT NULL)"
    )


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to the present format, one transaction a step."""
    add_functions(connection)
    for number in range(format_of(connection) + 1, FORMAT + 1):
        connection.executescript(f"BEGIN;{MIGRATIONS[number]}{SEAL};PRAGMA user_version = {number};COMMIT;")


class _Seal:
    """SQL aggregate over the keys and values of settings, in any order."""

    def __init__(self) -> None:
        self._sum = 0

    def step(self, key: str, value: str) -> None:
        self._sum += xxhash.xxh3_64_intdigest(f"{key}\0{value}".encode())

    def finalize(self) -> str:
        return json.dumps(f"{self._sum & 0xFFFFFFFFFFFFFFFF:016x}")


_SUM = "SELECT 'seal', coalesce(seal(key, value), '\"\"') FROM settings WHERE key != 'seal'"
SEAL = f"INSERT OR REPLACE INTO settings {_SUM}"
"""The statement that follows any change of settings in its transaction."""


def fields_checksum(*values: Any) -> bytes:
    """XXH3-64 of FIELDS of a document as they are stored."""
    return xxhash.xxh3_64_digest("\0".join(map(str, values)).encode("utf-8", "surrogatepass"))


def add_functions(connection: sqlite3.Connection) -> None:
    """Let SQL use the checksums."""
    connection.create_function("fields_checksum", -1, fields_checksum, deterministic=True)
    connection.create_aggregate("seal", 2, _Seal)  # type: ignore[arg-type]


def settings_hold(connection: sqlite3.Connection) -> bool:
    """Whether the settings are as they were written; True for a format that did not seal them."""
    add_functions(connection)
    kept = connection.execute("SELECT key, value FROM settings WHERE key = 'seal'").fetchone()
    return bool(kept is None or kept == connection.execute(_SUM).fetchone())


def check_format(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a format that this version does not read, with the way out."""
    found = format_of(connection)
    if found > FORMAT:
        raise IndexIncompatible(
            f"{name} has format {found}, this version reads up to {FORMAT}: upgrade searchidx, "
            "or export it with the newer version and add it again"
        )
    if found < 1:
        raise IndexCorrupted(f"{name}/store.db is not the store of an index: restore it from a backup")


def format_of(connection: sqlite3.Connection) -> int:
    """The format number stored in the file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
