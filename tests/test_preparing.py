"""Passages and vectors are the same whether one process makes them or two, and whatever happens to the second."""

import os
import time

import numpy as np
import pytest

from searchidx import Document, Index, load_encoder, preparing
from searchidx.preparing import Preparation, prepare

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


def test_an_index_made_by_two_processes_is_the_index_made_by_one(tmp_path, monkeypatch):
    documents = articles(300)
    with Index.create(tmp_path / "one") as one:
        one.add(*documents)
    monkeypatch.setattr(preparing, "LONG_RUN", 0)
    monkeypatch.setattr("searchidx.children.cores", lambda: 2)
    monkeypatch.setattr("searchidx.ingest.MAX_BATCH", 20_000)
    monkeypatch.setattr(preparing._Helper, "ready", started)  # as fast a run may be over before it has started
    counts = []
    close = Preparation.close
    monkeypatch.setattr(Preparation, "close", lambda self: (counts.append(self.helped), close(self)))
    with Index.create(tmp_path / "two") as two:
        report = two.add(*documents)
        assert report.added == 300
        for table in ("passages", "vectors_1", "texts", "changes"):
            rows = f"SELECT * FROM {table} ORDER BY 1"
            assert two._store._rows(rows) == Index.open(tmp_path / "one")._store._rows(rows)
        assert two.status(check=True)["problems"] == []
    assert counts[0] > 0
