"""The number of the last acknowledged change, noted beside the store, which tells when the store has lost it.

SQLite drops whatever follows damage in its write-ahead log without a word, and a log that was left behind when the
index was copied too. The note is written after the store is on the disk and is not synced itself: after a power loss it
may be older than the store, and never newer.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import xxhash

from searchidx.errors import IndexCorrupted

FILE = "acknowledged"


def note(folder: Path, store_id: str, position: int) -> None:
    """Note a change as acknowledged; where that fails an older one stands, which does no harm."""
    text = f"{store_id} {position:019d}"
    with suppress(OSError):
        descriptor = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(descriptor, f"{text} {_hash(text)}\n".encode(), 0)
        finally:
            os.close(descriptor)


def noted(folder: Path, store_id: str) -> int:
    """The number that was noted for this store; 0 where there is no note that can be relied on."""
    try:
        text, _, expected = (folder / FILE).read_text().strip().rpartition(" ")
    except (OSError, ValueError):
        return 0
    owner, _, position = text.partition(" ")
    return int(position) if owner == store_id and expected == _hash(text) else 0


def require(folder: Path, expected: int, position: int) -> None:
    """Refuse a store that has lost what was acknowledged; read ``expected`` (``noted``) before ``position``.

    Raises:
        IndexCorrupted: it has; the message says how to go on.
    """
    if position < expected:
        raise IndexCorrupted(
            f"{folder} has lost its last {expected - position} changes although they were on the disk: the log of the "
            "store (store.db-wal) was damaged, or left behind when the index was copied. Bring it back, restore a "
            f"backup, or go on without them and read all sources again: searchidx sync --rebuild -i {folder}"
        )


def _hash(text: str) -> str:
    return xxhash.xxh3_64_hexdigest(text.encode())
