"""The lexical leg against BM25 computed in plain Python, by value; and every way its files can be wrong."""

import math
import os
from collections import Counter
from contextlib import closing
from functools import cache

import numpy as np
import pytest
from conftest import drop, entry, put

from searchidx.errors import StorageError
from searchidx.storage import lexical as lexical_module
from searchidx.storage import lexical_query
from searchidx.storage.analysis import analysis
from searchidx.storage.lexical import LexicalIndex
from searchidx.storage.store import Store
from searchidx.types import Query

K1, B = 1.2, 0.75  # tantivy's, which are Lucene's


def open_lexical(writer, *, writable=True):
    return LexicalIndex(writer.folder / "lexical", writer, writable=writable)


def caught_up(index, writer):
    index.apply(writer.changes(index.position()))
    return index


@cache
def analysed(text):
    return analysis().words(text)


def field_norm(length):
    """Lengths are kept in one byte, as in Lucene: exact up to 40, then 4 significant bits (SmallFloat.java)."""
    if length < 40:
        return length
    rest = length - 24
    shift = max(0, rest.bit_length() - 4)
    return 24 + (rest >> shift << shift)


def words_of(row):
    """The title counts twice."""
    _, title, heading, text = row
    return [word for some in (title, title, heading, text) for word in analysed(some)]


def brute_force(rows, query, k, markers=1, allowed=None, measured=None):
    """BM25 over rows (passage_id, title, heading, text); ``markers`` documents without text count in the averages.

    ``measured`` are the rows that the statistics are taken from, where those are not the same.
    """
    scores = Counter()
    measured = rows if measured is None else measured
    total = len(measured) + markers
    lists, known = {row[0]: words_of(row) for row in rows}, [words_of(row) for row in measured]
    average = sum(map(len, known)) / total
    english = analysis()
    for term, times in Counter(english.content_words(query) or english.words(query)).items():
        n = sum(term in some for some in known)
        idf = math.log(1 + (total - n + 0.5) / (n + 0.5))
        for passage_id, some in lists.items():
            tf = some.count(term)
            if tf:
                norm = K1 * (1 - B + B * field_norm(len(some)) / average)
                scores[passage_id] += (1 + math.log(times)) * idf * (1 + K1) * tf / (tf + norm)
    ranked = [hit for hit in scores.items() if allowed is None or hit[0] in allowed]
    return sorted(ranked, key=lambda hit: (-hit[1], hit[0]))[:k]


def rows_of(writer):
    found = writer.passages(writer.passage_ids(0, 10**6))
    return [(i, document.title, passage.heading, passage.text) for i, (passage, document) in found.items()]


VOCABULARY = ["trade", "ban", "phone", "maker", "network", "law", "court", "sanction", "export", "chip"]
VOCABULARY += ["rule", "senate", "bill", "carrier", "running", "runs", "café"]


def random_entry(number, rng):
    texts = [" ".join(rng.choice(VOCABULARY, rng.integers(1, 60))) for _ in range(rng.integers(1, 4))]
    return entry(f"d{number}", *texts, title=" ".join(rng.choice(VOCABULARY, 4)), heading=str(rng.choice(VOCABULARY)))


@pytest.fixture
def corpus(writer):
    rng = np.random.default_rng(11)
    put(writer, *(random_entry(i, rng) for i in range(80)))
    return writer


QUERIES = ["trade ban", "the", "Running CAFÉ phones", "the senate's export-rule, court; court", "chip", "law law law"]


def assert_equals_brute_force(index, rows, markers=1, allowed=None, measured=None, queries=QUERIES):
    for query in queries:
        expected = brute_force(rows, query, 20, markers, allowed, measured)
        ids = None if allowed is None else np.array(sorted(allowed), np.int64)
        ranking = index.search(Query(query), 20, ids)
        np.testing.assert_allclose([s for _, s in ranking], [s for _, s in expected], rtol=1e-5)
        by_id = dict(brute_force(rows, query, 10**6, markers, allowed, measured))
        np.testing.assert_allclose([s for _, s in ranking], [by_id[i] for i, _ in ranking], rtol=1e-5)


def test_scores_equal_bm25_by_hand(corpus):
    assert_equals_brute_force(caught_up(open_lexical(corpus), corpus), rows_of(corpus))


def test_scores_equal_bm25_by_hand_after_puts_drops_a_replacement_a_rebuild_and_a_reopen(corpus):
    index = caught_up(open_lexical(corpus), corpus)
    put(corpus, entry("late", "a new trade ban", title="Senate"))
    drop(corpus, "d3", "d4")
    put(corpus, entry("d5", "replaced by a law"))
    caught_up(index, corpus)
    alive = {row[0] for row in rows_of(corpus)}
    for query in QUERIES:
        found = {i for i, _ in index.search(Query(query), 1000, None)}
        assert found == {i for i, _ in brute_force(rows_of(corpus), query, 1000)}
        assert found <= alive
    index.rebuild()
    assert_equals_brute_force(index, rows_of(corpus))
    assert_equals_brute_force(open_lexical(corpus), rows_of(corpus))
    assert index.count() == corpus.counts()["passages"]


@pytest.fixture
def eager(monkeypatch):
    """Tantivy is handed whatever there is, however little."""
    monkeypatch.setattr(lexical_module, "AHEAD", 0)


def test_what_was_handed_over_ahead_is_found_from_the_commit_on_and_what_was_dropped_since_is_not(corpus, eager):
    index = caught_up(open_lexical(corpus), corpus)
    before, start = index.search(Query("trade ban"), 1000, None), index.position()
    put(corpus, entry("a", "zirconium trade"), entry("b", "zirconium ban"), entry("d5", "replaced by zirconium"))
    index.ahead()
    put(corpus, entry("b", "zirconium, replaced"), entry("c", "zirconium chip"), entry("e", "zirconium law"))
    drop(corpus, "a", "e", "d6")
    index.ahead()
    assert (index.position(), index.search(Query("trade ban"), 1000, None)) == (start, before)
    assert index.search(Query("zirconium"), 9, None) == []
    drop(corpus, "c")
    caught_up(index, corpus)
    assert index.position() == corpus.position()
    assert index.count() == corpus.counts()["passages"]
    for query in ("zirconium", *QUERIES):
        found = {i for i, _ in index.search(Query(query), 1000, None)}
        assert found == {i for i, _ in brute_force(rows_of(corpus), query, 1000)}
    index.rebuild()
    assert_equals_brute_force(index, rows_of(corpus))


def test_an_index_handed_over_in_parts_scores_as_one_made_at_once(writer, eager):
    rng = np.random.default_rng(11)
    index = open_lexical(writer)
    for first in range(0, 80, 20):
        put(writer, *(random_entry(i, rng) for i in range(first, first + 20)))
        index.ahead()
    assert_equals_brute_force(caught_up(index, writer), rows_of(writer))


def test_what_was_handed_over_and_never_committed_is_forgotten(corpus, eager):
    index = open_lexical(corpus)
    index.ahead()
    index.discard()  # the run was interrupted
    assert (index.position(), index.count()) == (0, 0)
    assert_equals_brute_force(caught_up(index, corpus), rows_of(corpus))


def test_what_another_process_has_committed_meanwhile_is_not_handed_over_again(corpus, eager, monkeypatch):
    late = caught_up(open_lexical(corpus), corpus)
    put(corpus, entry("a", "zirconium trade"), *(entry(f"x{i}", f"by another {i}") for i in range(30)))
    caught_up(open_lexical(corpus), corpus)
    put(corpus, entry("b", "zirconium law"))
    monkeypatch.setattr(LexicalIndex, "_start_over", lambda _: pytest.fail("it is built anew"))
    late.ahead()
    assert len(caught_up(late, corpus).search(Query("zirconium"), 9, None)) == 2
    assert late.count() == corpus.counts()["passages"]


def test_what_is_made_anew_in_several_batches_is_complete(corpus, monkeypatch):
    monkeypatch.setattr(lexical_module, "BATCH", 7)
    index = open_lexical(corpus)
    index.rebuild()
    assert_equals_brute_force(index, rows_of(corpus))


def test_what_could_not_be_handed_over_ahead_is_written_in_the_end(corpus, eager, monkeypatch):
    def broken(fields):
        raise RuntimeError("a tokenizer that panics")

    index = open_lexical(corpus)
    with monkeypatch.context() as patch:
        patch.setattr(lexical_module, "_new_document", broken)
        index.ahead()
    index.ahead()
    assert index.count() == 0
    assert_equals_brute_force(caught_up(index, corpus), rows_of(corpus))


def test_applying_the_same_changes_twice_is_a_no_op(corpus):
    index = open_lexical(corpus)
    changes = list(corpus.changes(0))
    index.apply(changes)
    index.apply(changes)
    assert index.count() == corpus.counts()["passages"]
    assert_equals_brute_force(index, rows_of(corpus))


@pytest.mark.parametrize("term_set", [4096, 2], ids=["as part of the query", "by reading deeper"])
def test_filters_are_exact_before_ranking(corpus, monkeypatch, term_set):
    monkeypatch.setattr(lexical_query, "MAX_IDS", term_set)
    index = caught_up(open_lexical(corpus), corpus)
    ids = corpus.passage_ids(0, 10**6)
    rng = np.random.default_rng(2)
    for size in (1, 3, 40, len(ids)):
        allowed = set(rng.choice(ids, size, replace=False).tolist())
        assert_equals_brute_force(index, rows_of(corpus), allowed=allowed)
    assert index.search(Query("trade"), 5, np.empty(0, np.int64)) == []


@pytest.mark.parametrize(
    "query",
    ["", "   ", "?!", "((((" * 5000, "AT&T", '"5G', "C++", "a:b AND (", "*", "中国 电信", "x" * 10_000, "w " * 5000],
)
def test_no_query_raises(corpus, query):
    caught_up(open_lexical(corpus), corpus).search(Query(query), 10, None)


def test_a_reader_sees_what_the_writer_commits_and_never_goes_back(corpus):
    writing = caught_up(open_lexical(corpus), corpus)
    reading = LexicalIndex(corpus.folder / "lexical", Store(corpus.folder))
    before = reading.position()
    put(corpus, entry("late", "zirconium"))
    caught_up(writing, corpus)
    assert reading.search(Query("zirconium"), 5, None) == []
    reading.apply([])
    assert len(reading.search(Query("zirconium"), 5, None)) == 1
    assert reading.position() > before


def test_a_reader_does_not_write(corpus):
    reading = LexicalIndex(corpus.folder / "lexical", Store(corpus.folder))
    reading.apply(corpus.changes(0))
    assert reading.mirrored
    reading.close()
    assert not any((corpus.folder / "lexical").glob("*.term"))


def damages():
    yield "empty", lambda data: b""
    yield "one byte short", lambda data: data[:-1]
    yield "half", lambda data: data[: len(data) // 2]
    yield "zeros in the middle", lambda data: data[: len(data) // 2] + bytes(16) + data[len(data) // 2 + 16 :]
    for share in (0.1, 0.5, 0.9):
        yield f"a bit at {share}", lambda data, share=share: flip(data, int(len(data) * share))


def flip(data, place):
    changed = bytearray(data)
    changed[place] ^= 1
    return bytes(changed)


@pytest.mark.parametrize(
    "suffix", [".term", ".idx", ".fast", ".fieldnorm", ".store", ".del", "meta.json", "searchidx.json"]
)
@pytest.mark.parametrize(("kind", "damage"), list(damages()), ids=lambda value: value if isinstance(value, str) else "")
def test_damaged_files_are_never_used(corpus, suffix, kind, damage):
    index = caught_up(open_lexical(corpus), corpus)
    drop(corpus, "d1")
    caught_up(index, corpus)
    path = next(path for path in (corpus.folder / "lexical").iterdir() if path.name.endswith(suffix))
    path.write_bytes(damage(path.read_bytes()))
    reopened = caught_up(open_lexical(corpus), corpus)
    assert reopened.count() == corpus.counts()["passages"]
    for query in QUERIES:
        found = {i for i, _ in reopened.search(Query(query), 1000, None)}
        assert found == {i for i, _ in brute_force(rows_of(corpus), query, 1000)}


def test_a_reader_of_a_damaged_folder_works_on_a_mirror_and_leaves_it_alone(corpus):
    caught_up(open_lexical(corpus), corpus)
    path = next((corpus.folder / "lexical").glob("*.term"))
    path.write_bytes(flip(path.read_bytes(), 30))
    before = {p.name: p.read_bytes() for p in (corpus.folder / "lexical").iterdir()}
    reading = LexicalIndex(corpus.folder / "lexical", Store(corpus.folder))
    caught_up(reading, corpus)
    assert_equals_brute_force(reading, rows_of(corpus))
    assert {p.name: p.read_bytes() for p in (corpus.folder / "lexical").iterdir()} == before
    reading.close()


@pytest.mark.parametrize("missing", [".term", ".idx", ".store", "meta.json", "searchidx.json", ".managed.json"])
def test_missing_files_are_rebuilt_or_not_needed(corpus, missing):
    caught_up(open_lexical(corpus), corpus)
    next(path for path in (corpus.folder / "lexical").iterdir() if path.name.endswith(missing)).unlink()
    assert_equals_brute_force(caught_up(open_lexical(corpus), corpus), rows_of(corpus))


def test_a_commit_that_was_killed_before_it_was_recorded_is_kept(corpus, monkeypatch):
    index = caught_up(open_lexical(corpus), corpus)
    put(corpus, entry("late", "zirconium"))
    monkeypatch.setattr(index._segments, "record", lambda: None)
    caught_up(index, corpus)
    reopened = open_lexical(corpus)
    assert reopened.position() == corpus.position()
    assert len(reopened.search(Query("zirconium"), 5, None)) == 1


def test_a_commit_that_was_killed_before_its_last_file_is_done_again(corpus):
    folder = corpus.folder / "lexical"
    caught_up(open_lexical(corpus), corpus)
    before = {name: (folder / name).read_bytes() for name in ("meta.json", ".managed.json", "searchidx.json")}
    drop(corpus, "d1")
    put(corpus, entry("late", "zirconium"))
    caught_up(open_lexical(corpus), corpus)
    for name, content in before.items():
        (folder / name).write_bytes(content)
    assert any(folder.glob("*.del"))
    index = caught_up(open_lexical(corpus), corpus)
    assert (index.position(), index.count()) == (corpus.position(), corpus.counts()["passages"])
    assert len(index.search(Query("zirconium"), 5, None)) == 1


def test_an_arrangement_of_another_store_or_ahead_of_it_is_not_used(corpus, monkeypatch):
    caught_up(open_lexical(corpus), corpus)
    for target, name, value in ((analysis(), "name", "another"), (type(corpus), "position", lambda self: 5)):
        with monkeypatch.context() as patch:
            patch.setattr(target, name, value)
            reading = open_lexical(corpus, writable=False)
            assert reading.position() == 0
            reading.close()


def test_after_a_failed_commit_the_old_state_goes_on_and_the_next_catches_up(corpus, monkeypatch):
    index = caught_up(open_lexical(corpus), corpus)
    put(corpus, entry("late", "zirconium"))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="no space left"):
        caught_up(index, corpus)
    monkeypatch.undo()
    assert len(index.search(Query("trade"), 5, None)) == 5
    reopened = caught_up(open_lexical(corpus), corpus)
    assert reopened.count() == corpus.counts()["passages"]
    assert len(reopened.search(Query("zirconium"), 5, None)) == 1


def test_what_a_killed_writer_left_is_swept_and_does_not_stop_the_next(corpus):
    index = caught_up(open_lexical(corpus), corpus)
    (segment,) = {path.name.split(".")[0] for path in (corpus.folder / "lexical").glob("*.term")}
    folder = corpus.folder / "lexical"
    left = [folder / f"{segment}.{stamp}.del" for stamp in range(100, 400)] + [
        folder / ".tmpabc",
        folder / f"{'0' * 32}.idx",
    ]
    for path in left:
        path.write_bytes(b"half a list of deleted documents")
    drop(corpus, "d1")
    reopened = caught_up(open_lexical(corpus), corpus)
    assert reopened.count() == corpus.counts()["passages"]
    assert len([path for path in left if path.exists() and path.read_bytes().startswith(b"half")]) == 0
    assert index.count() != reopened.count()


def test_a_writer_that_fails_although_the_disk_is_well_builds_everything_anew(corpus, monkeypatch):
    index = caught_up(open_lexical(corpus), corpus)
    put(corpus, entry("late", "zirconium"))
    calls = []

    def fail_once(folder):
        calls.append(folder)
        if len(calls) == 1:
            raise RuntimeError("some fault of the library")

    monkeypatch.setattr(lexical_module, "sync_folder", fail_once)
    caught_up(index, corpus)
    assert index.count() == corpus.counts()["passages"]
    assert len(index.search(Query("zirconium"), 5, None)) == 1
    assert_equals_brute_force(index, rows_of(corpus))


# the tail: an index of more than 1,000 passages, whose newest changes are not in tantivy


@pytest.fixture
def large(writer):
    """1,000 and some passages in tantivy; returns the store, the leg and the rows that it was committed with."""
    rng = np.random.default_rng(12)
    put(writer, *(random_entry(i, rng) for i in range(540)))
    index = caught_up(open_lexical(writer), writer)
    assert index.status()["tail"] == 0
    assert index.count() > lexical_module.SMALL
    return writer, index, rows_of(writer)


def change_much(store, late):
    """``late`` new articles; old and new ones dropped and replaced."""
    rng = np.random.default_rng(13)
    put(store, *(random_entry(1000 + i, rng) for i in range(late)))
    put(store, entry("word", "a zirconium court, and a zirconium law", title="Zirconium", heading="an okapi"))
    put(store, entry("far", "中国电信 told the U.S. Senate of IL6", title="1,000 words"))
    drop(store, "d3", "d4", "d1000")
    put(store, entry("d5", "replaced by a law"), entry("d1001", "replaced by a court in a phone", title="Ban"))


TAIL_QUERIES = [*QUERIES, "zirconium", "okapi law", "US senate", "IL-6", "电信"]


@pytest.mark.parametrize(("late", "limit"), [(15, 100), (300, 10_000)], ids=["some", "many"])
def test_passages_in_the_tail_are_scored_by_the_statistics_of_the_last_commit(large, monkeypatch, late, limit):
    monkeypatch.setattr(lexical_module, "TAIL_LIMIT", limit)
    store, index, measured = large
    change_much(store, late)
    caught_up(index, store)
    others = [caught_up(open_lexical(store, writable=some), store) for some in (True, False)]
    rng = np.random.default_rng(3)
    rows = rows_of(store)
    for leg in (index, *others):
        assert 0 < leg.status()["tail"] <= limit
        assert (leg.position(), leg.count()) == (store.position(), len(rows))
        assert_equals_brute_force(leg, rows, measured=measured, queries=TAIL_QUERIES)
    for size in (1, 50, len(rows)):
        allowed = set(rng.choice([row[0] for row in rows], size, replace=False).tolist()) | {rows[-1][0]}
        assert_equals_brute_force(index, rows, measured=measured, allowed=allowed, queries=TAIL_QUERIES)
    index.rebuild()
    assert index.status()["tail"] == 0
    assert_equals_brute_force(index, rows, queries=TAIL_QUERIES)


def test_the_tail_grown_one_change_at_a_time_equals_the_tail_read_at_once(large):
    store, index, measured = large
    for _ in range(2):
        change_much(store, 2)
        for change in list(store.changes(index.position())):
            index.apply([change])
    assert index.status()["tail"] > 20
    assert index.count() == store.counts()["passages"]
    assert_equals_brute_force(index, rows_of(store), measured=measured, queries=TAIL_QUERIES)


def test_what_the_tail_drops_does_not_cost_hits(large):
    store, index, _ = large
    best = [i for i, _ in index.search(Query("trade ban"), 60, None)]
    documents = {store.passages([i])[i][1].doc_id for i in best[:30]}
    drop(store, *documents)
    alive = set(store.passage_ids(0, 10**6))
    caught_up(index, store)
    assert index.status()["tail"] > 0
    for allowed in (None, np.array(sorted(alive)), np.array(sorted(alive | set(best)))[:900]):
        found = [i for i, _ in index.search(Query("trade ban"), 50, allowed)]
        assert len(found) == 50
        assert set(found) <= alive


def test_more_changes_than_the_tail_holds_are_committed_and_a_reader_of_an_old_commit_follows(large):
    store, index, _ = large
    reading = open_lexical(store, writable=False)
    committed = index.position()
    sizes = []
    for number in range(130):
        put(store, entry(f"late{number}", f"zirconium word{number}"))
        caught_up(index, store)
        sizes.append(index.status()["tail"])
        if number < 60:
            caught_up(reading, store)
        assert len(index.search(Query("zirconium"), 500, None)) == number + 1
    assert sizes == [*range(1, 101), 0, *range(1, 30)]
    assert reading.position() == committed + 60
    assert len(reading.search(Query("zirconium"), 500, None)) == 60
    caught_up(reading, store)
    assert (reading.position(), reading.count()) == (index.position(), index.count())
    assert len(reading.search(Query("zirconium"), 500, None)) == 130


def test_a_reader_of_more_than_the_tail_holds_tells_its_lag_and_never_goes_back(large, monkeypatch):
    store, index, _ = large
    reading = open_lexical(store, writable=False)
    put(store, *(entry(f"a{number}", "zirconium") for number in range(50)))
    with closing(Store(store.folder)) as before, before.snapshot():
        slow = open_lexical(before)
        put(store, *(entry(f"a{number}", "zirconium") for number in range(50, 70)))
        caught_up(reading, store)
        known = reading.position()
        assert known == store.position() == before.position() + 20
        with monkeypatch.context() as patch:  # a commit that holds less than the reader's tail
            patch.setattr(lexical_module, "TAIL_LIMIT", 10)
            caught_up(slow, before)
    put(store, *(entry(f"b{number}", "zirconium") for number in range(90)))
    caught_up(reading, store)
    assert known <= reading.position() < store.position()
    assert len(reading.search(Query("zirconium"), 500, None)) == 70
    caught_up(index, store)
    caught_up(reading, store)
    assert len(reading.search(Query("zirconium"), 500, None)) == 160
    assert reading.count() == store.counts()["passages"]


def test_after_a_failed_commit_the_tail_goes_on(large, monkeypatch):
    store, index, _ = large
    put(store, *(entry(f"a{number}", "zirconium") for number in range(100)))
    caught_up(index, store)
    put(store, entry("last", "zirconium"))
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(StorageError, match="no space left"):
        caught_up(index, store)
    monkeypatch.undo()
    assert len(index.search(Query("zirconium"), 500, None)) == 100
    assert len(caught_up(open_lexical(store), store).search(Query("zirconium"), 500, None)) == 101


# what a word is


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("The U.S. Senate met.", "US senate"),
        ("the US Senate", "U.S. Senate"),
        ("J.K. Rowling", "JK"),
        ("It cost 1,250,000 dollars", "1250000"),
        ("It cost 1250000 dollars", "1,250,000"),
        ("H1N1 and IL6 were measured", "IL-6"),
        ("the covid19 wave", "covid-19"),
        ("CAFÉ in Zürich", "cafe zurich"),
        ("cafe\u0301 owners", "café"),
        ("China\u2019s carriers", "china's"),
        ("restrictions restricting", "restricted"),
    ],
)
def test_what_is_written_in_another_way_is_the_same_word(text, query):
    assert set(analysis().content_words(query)) & set(analysis().words(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20th 1980s 1ST", "20th 1980s 1st"),
        ("1,00 or 3,5000 or 12.5", "1 00 or 3 5000 or 12 5"),
        ("AT&T, A. Smith, no. 7.", "at t a smith no 7"),
        ("p16INK4A", "p16ink4a 16 ink"),
        ("f" * 63 + "1" * 9, ""),
    ],
)
def test_ordinals_decimals_and_lone_letters_stay_as_they_are(text, expected):
    assert analysis().words(text) == expected.split()


def test_words_of_questions_count_only_where_there_are_no_others(corpus):
    put(corpus, entry("who", "who did it, and when", title="Whodunit"), entry("moon", "the moon landing"))
    index = caught_up(open_lexical(corpus), corpus)
    (moon,) = index.search(Query("Who didn't land on the moon, and when did they?"), 10, None)
    assert corpus.passages([moon[0]])[moon[0]][1].doc_id == "moon"
    assert len(index.search(Query("who did it when"), 10, None)) == 1


def test_a_title_counts_twice_and_a_repeated_word_of_the_query_more(corpus):
    put(corpus, entry("titled", "zirconium and more", title="okapi"), entry("told", "zirconium okapi", title="more"))
    index = caught_up(open_lexical(corpus), corpus)

    def ranked(query):
        return [corpus.passages([i])[i][1].doc_id for i, _ in index.search(Query(query), 2, None)]

    assert ranked("okapi")[0] == "titled"
    put(corpus, entry("one", "a vicuna here"), entry("two", "an axolotl here"))
    caught_up(index, corpus)
    assert ranked("axolotl vicuna vicuna") == ["one", "two"]
    assert ranked("axolotl axolotl vicuna") == ["two", "one"]
