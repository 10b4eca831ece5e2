"""Passages and vectors are the same whether one process makes them or two, and whatever happens to the second."""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

from searchidx import Document, Index, load_encoder, preparing
from searchidx.preparing import Preparation, prepare
from searchidx.storage.lexical import LexicalIndex
from searchidx.storage.store import digest
from searchidx.storage.writer import Entry, StoreWriter

WORDS = ["harbour", "council", "budget", "storm", "vaccine", "orchestra", "pipeline", "glacier", "senate", "bridge"]


def articles(n, start=0):
    """Articles of several passages, each different, with headings, accents and characters of several bytes."""
    return [
        Document(
            f"a{i}",
            "\n\n".join(f"The {WORDS[(i + j) % 10]} of Málaga № {i * j} was {WORDS[j % 7]}. " * 30 for j in range(6)),
            title=f"{WORDS[i % 10]} {i} 東京",
            media_type="text/markdown" if i % 2 else "text/plain",
        )
        for i in range(start, start + n)
    ]


@pytest.fixture
def encoder():
    return load_encoder("bundled-en")


@pytest.fixture
def helped(encoder, monkeypatch):
    """A preparation whose second process has started."""
    monkeypatch.setattr(preparing, "LONG_RUN", 0)
    preparation = Preparation(encoder, 200, cores=2)
    assert started(preparation._helper)
    yield preparation
    preparation.close()


def started(helper, ready=preparing._Helper.ready):
    until = time.monotonic() + 60
    while not ready(helper) and time.monotonic() < until:
        time.sleep(0.01)
    return ready(helper)


def same(some, others):
    return len(some) == len(others) and all(
        one[0] == two[0] and np.array_equal(one[1], two[1]) and one[2] == two[2]
        for one, two in zip(some, others, strict=True)
    )


def test_two_processes_give_the_passages_and_vectors_of_one(helped, encoder):
    for start in (0, 20, 40):
        documents = articles(20, start)
        helped.begin(documents)
        assert same(helped.result(), prepare(documents, encoder, 200))
    assert helped.helped == 3


def test_a_text_of_no_known_word_has_a_zero_vector_in_both(helped, encoder):
    documents = [Document("a", "\u16a0\u16a2\u16a6 " * 40), Document("b", "storm")]
    helped.begin(documents)
    assert same(helped.result(), prepare(documents, encoder, 200))
    assert helped.helped == 1


def test_nothing_to_prepare_is_prepared(helped):
    helped.begin([])
    assert helped.result() == []
    assert helped.helped == 0


@pytest.mark.parametrize("when", ["before it is asked", "when it was asked"])
def test_what_a_second_process_takes_with_it_is_prepared_here(helped, encoder, when):
    documents = articles(3)  # few enough for a pipe
    if when == "before it is asked":
        helped._helper._process.kill()
        helped._helper._process.wait()
        helped.begin(documents)
    else:
        os.kill(helped._helper._process.pid, 19)  # stopped, so that it cannot answer first
        helped.begin(documents)
        helped._helper._process.kill()
    assert same(helped.result(), prepare(documents, encoder, 200))
    helped.begin(documents)
    assert same(helped.result(), prepare(documents, encoder, 200))
    assert helped.helped == 0


def test_a_short_run_starts_no_second_process(encoder):
    preparation = Preparation(encoder, 200, cores=2)
    preparation.begin(articles(3))
    preparation.result()
    assert "_helper" not in preparation.__dict__


def test_one_core_starts_no_second_process(encoder, monkeypatch):
    monkeypatch.setattr(preparing, "LONG_RUN", 0)
    preparation = Preparation(encoder, 200, cores=1)
    preparation.begin(articles(3))
    preparation.result()
    assert "_helper" not in preparation.__dict__


def test_the_second_process_ends_with_the_run(helped):
    process = helped._helper._process
    helped.close()
    assert process.poll() is not None


def contents(index):
    """All rows of its store but those of when and where it was made, and what searches of both legs find."""
    tables = index._store._rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name != 'settings'")
    rows = {name: sorted(index._store._rows(f"SELECT * FROM {name}"), key=repr) for (name,) in tables}
    # within a transaction what goes comes before what is put, so numbers depend on where a batch ends
    rows["changes"] = sorted(row[1:] for row in rows["changes"])
    queries = [f"{word} budget {number}" for number, word in enumerate(WORDS)]
    hits = [index.search(query, k=20, mode=mode, group=False) for query in queries for mode in ("dense", "lexical")]
    return rows, [[(hit.passage, hit.document, hit.legs, hit.score) for hit in some] for some in hits]


def test_an_index_made_by_two_processes_is_the_index_made_by_one(tmp_path, monkeypatch):
    documents, revised = articles(300), [replace(document, title="Revised") for document in articles(40, 100)]
    with Index.create(tmp_path / "one") as one:
        one.add(*documents)
        one.add(*revised)
        expected = contents(one)
    monkeypatch.setattr(preparing, "LONG_RUN", 0)
    monkeypatch.setattr("searchidx.children.cores", lambda: 2)
    monkeypatch.setattr("searchidx.ingest.MAX_BATCH", 20_000)
    monkeypatch.setattr("searchidx.storage.lexical.AHEAD", 100)
    monkeypatch.setattr(preparing._Helper, "ready", started)  # as fast a run may be over before it has started
    counts, handed = [], []
    close, begin = Preparation.close, LexicalIndex._begin
    monkeypatch.setattr(Preparation, "close", lambda self: (counts.append(self.helped), close(self)))
    monkeypatch.setattr(LexicalIndex, "_begin", lambda *args: handed.append(args[0].position()) or begin(*args))
    with Index.create(tmp_path / "two") as two:
        assert two.add(*documents).added == 300
        assert two.add(*revised).updated == 40
        assert contents(two) == expected
        assert two.status(check=True)["problems"] == []
    assert counts[0] > 0
    assert handed[0] == 0  # tantivy was given passages before the run had ended, and committed once


def test_a_batch_is_stored_as_its_documents_one_by_one(tmp_path, encoder):
    documents = articles(12)
    rows = []
    for size in (1, 12):
        settings = {"encoder": {"name": encoder.name, "fingerprint": encoder.fingerprint, "dim": encoder.dim}}
        (tmp_path / str(size)).mkdir()
        writer = StoreWriter.create(tmp_path / str(size), settings)
        for first in range(0, 12, size):
            some = documents[first : first + size]
            prepared = prepare(some, encoder, 200)
            entries = [Entry(one, digest(one), "here", *parts) for one, parts in zip(some, prepared, strict=True)]
            with writer.transaction():
                writer.put(entries, 1)
        tables = ("documents", "texts", "passages", "vectors_1", "changes", "fingerprints", "bands", "fields")
        rows.append([writer._rows(f"SELECT * FROM {table}") for table in tables])
        writer.close()
    assert rows[0] == rows[1]
