"""Shared makers of small real stores and vectors."""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest

from searchidx.articles.fingerprints import fingerprint
from searchidx.storage.store import digest
from searchidx.storage.writer import Entry, StoreWriter
from searchidx.types import Document, Passage

DIM = 32
SHARED = Path(__file__).parents[2] / "shared" / "data"


def vectors_of(texts, dim=DIM):
    """Unit vectors, float32, that depend on each text alone; rounded to what float16 holds."""
    rows = []
    for text in texts:
        seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
        rows.append(np.random.default_rng(seed).standard_normal(dim))
    matrix = np.array(rows, dtype=np.float32).reshape(len(rows), dim)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def entry(doc_id, *texts, title="", heading="", **fields):
    """A document whose passages are ``texts``."""
    body, passages, start = "\n\n".join(texts), [], 0
    for ordinal, text in enumerate(texts):
        passages.append(Passage(0, doc_id, ordinal, heading, start, start + len(text), text))
        start += len(text) + 2
    document = Document(doc_id, body, title=title, **fields)
    return Entry(document, digest(document), "", passages, vectors_of(texts), fingerprint(body))


def put(writer, *entries):
    """Store entries in one transaction."""
    with writer.transaction():
        writer.put(entries, writer.setting("generation"))


def drop(writer, *doc_ids):
    with writer.transaction():
        writer.drop(doc_ids)


@pytest.fixture
def memory(tmp_path):
    """A folder in memory where there is one: syncing costs nothing there, and a kill of the process knows no other."""
    shared = Path("/dev/shm")
    if not os.access(shared, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=shared, prefix="searchidx-test-") as folder:
        yield Path(folder)


@pytest.fixture
def writer(tmp_path):
    folder = tmp_path / "index"
    folder.mkdir()
    writer = StoreWriter.create(folder, {"encoder": {"name": "test", "fingerprint": "static:test", "dim": DIM}})
    yield writer
    writer.close()
