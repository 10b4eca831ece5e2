"""The dense leg against numpy brute force, by value; and every way its file can be wrong."""

import json
import os

import numpy as np
import pytest
from conftest import DIM, drop, entry, put, vectors_of

from searchidx.errors import EncoderMismatch
from searchidx.storage import dense as dense_module
from searchidx.storage import segments as segments_module
from searchidx.storage.dense import MANIFEST, DenseIndex
from searchidx.storage.inverted import questions
from searchidx.storage.store import Store
from searchidx.types import Query


def open_dense(writer, **options):
    return DenseIndex(writer.folder / "dense", writer, writable=True, **options)


def caught_up(index, writer):
    index.apply(writer.changes(index.position()))
    return index


def brute_force(writer, vector, k, allowed=None):
    ids, matrix = next(writer.all_vectors(1, batch=10**6))
    scores = matrix @ vector
    if allowed is not None:
        keep = np.isin(ids, allowed)
        ids, scores = ids[keep], scores[keep]
    order = np.lexsort((ids, -scores))[:k]
    return [(int(ids[i]), float(scores[i])) for i in order]


def assert_same(ranking, expected):
    assert [i for i, _ in ranking] == [i for i, _ in expected]
    np.testing.assert_allclose([s for _, s in ranking], [s for _, s in expected], atol=1e-5)


def assert_equals_brute_force(index, writer, allowed=None):
    for text in ("one", "two", "three"):
        vector = vectors_of([text])[0]
        ranking = index.search(Query(text, vector), 10, allowed)
        assert_same(ranking, brute_force(writer, vector, 10, allowed))


@pytest.fixture
def corpus(writer):
    put(writer, *(entry(f"d{i}", f"passage {i} a", f"passage {i} b") for i in range(60)))
    return writer


@pytest.mark.parametrize("tail_limit", [0, 5, 10**6], ids=["all in the file", "some in the tail", "all in the tail"])
def test_scores_equal_brute_force_after_puts_drops_a_replacement_and_a_reopen(corpus, monkeypatch, tail_limit):
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", tail_limit)
    index = caught_up(open_dense(corpus), corpus)
    assert_equals_brute_force(index, corpus)
    put(corpus, entry("new", "a passage that came later"))
    assert_equals_brute_force(caught_up(index, corpus), corpus)
    drop(corpus, "d7", "new")
    assert_equals_brute_force(caught_up(index, corpus), corpus)
    put(corpus, entry("d8", "the article was replaced", "by another text"))
    assert_equals_brute_force(caught_up(index, corpus), corpus)
    reopened = caught_up(open_dense(corpus), corpus)
    assert_equals_brute_force(reopened, corpus)
    assert reopened.count() == index.count() == corpus.counts()["passages"]


def test_applying_the_same_changes_twice_is_a_no_op(corpus):
    index = open_dense(corpus)
    changes = list(corpus.changes(0))
    index.apply(changes)
    index.apply(changes)
    assert index.count() == 120
    assert_equals_brute_force(index, corpus)


def test_a_put_and_its_drop_in_one_batch_leave_nothing(corpus):
    index = caught_up(open_dense(corpus), corpus)
    put(corpus, entry("brief", "here for a moment"))
    drop(corpus, "brief")
    caught_up(index, corpus)
    assert index.count() == 120
    assert_equals_brute_force(index, corpus)


@pytest.mark.parametrize("where", ["file", "tail", "both"])
def test_filters_are_exact_before_ranking(corpus, where):
    index = open_dense(corpus)
    if where == "file":
        index.rebuild()
    caught_up(index, corpus)
    if where == "both":
        index.rebuild()
        put(corpus, entry("later", "x", "y", "z"))
        caught_up(index, corpus)
    rng = np.random.default_rng(1)
    for size in (1, 3, 12, 60):
        allowed = np.sort(rng.choice(np.arange(1, 121), size, replace=False)).astype(np.int64)
        assert_equals_brute_force(index, corpus, allowed)
    assert index.search(Query("one", vectors_of(["one"])[0]), 5, np.empty(0, np.int64)) == []


def test_a_reader_without_write_permission_holds_everything_in_memory(corpus):
    reader = DenseIndex(corpus.folder / "dense", corpus)
    assert_equals_brute_force(caught_up(reader, corpus), corpus)
    assert not (corpus.folder / "dense").exists()
    reader.rebuild()
    assert_equals_brute_force(reader, corpus)
    assert not (corpus.folder / "dense").exists()


def test_the_file_is_rewritten_only_when_the_tail_has_grown_past_its_bound(corpus, monkeypatch):
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", 130)
    index = caught_up(open_dense(corpus), corpus)
    assert index.status()["kind"] == "none"
    put(corpus, *(entry(f"more{i}", f"text {i}") for i in range(20)))
    caught_up(index, corpus)
    expected = {"kind": "flat", "recall@10": 1.0, "files": 1, "lists": "", "tail": 0, "position": 140}
    assert index.status() | expected == index.status()
    (name,) = (p.name for p in (corpus.folder / "dense").glob("*.faiss"))
    put(corpus, entry("one more", "text"))
    caught_up(index, corpus)
    assert (corpus.folder / "dense" / name).exists()
    assert index.status()["tail"] == 1


def damages():
    yield "empty", lambda data: b""
    yield "one byte short", lambda data: data[:-1]
    yield "a quarter", lambda data: data[: len(data) // 4]
    yield "garbage behind", lambda data: data + b"x"
    yield "a page of zeros", lambda data: data[:1000] + bytes(1000) + data[2000:]
    rng = np.random.default_rng(3)
    for bit in rng.integers(0, 8 * 7000, 40):
        yield f"bit {bit}", lambda data, bit=int(bit): flipped(data, bit)


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@pytest.mark.parametrize(("kind", "damage"), list(damages()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_damaged_file_is_never_used(corpus, kind, damage):
    open_dense(corpus).rebuild()
    (path,) = (corpus.folder / "dense").glob("*.faiss")
    path.write_bytes(damage(path.read_bytes()))
    index = open_dense(corpus)
    assert index.position() == 0
    assert_equals_brute_force(caught_up(index, corpus), corpus)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("store_id", "another"),
        ("position", 10**6),
        ("generation", 2),
        ("gone", ["../store.db", 0, ""]),
        ("gone", ["gone-1-120.ids", 0, "0"]),
        ("count", 7),
        ("file", "../store.db"),
        ("size", 5),
        ("head", 5),
        ("xxh3", "0"),
        ("lists", 2),
    ],
)
def test_a_manifest_of_another_store_or_from_the_future_means_rebuild(corpus, key, value):
    open_dense(corpus).rebuild()
    path = corpus.folder / "dense" / MANIFEST
    manifest = json.loads(path.read_text())
    (manifest if key in manifest else manifest["segments"][0])[key] = value
    path.write_text(json.dumps(manifest))
    index = open_dense(corpus)
    assert index.position() == 0
    assert_equals_brute_force(caught_up(index, corpus), corpus)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"file": 1}', "\0\0"])
def test_a_broken_manifest_means_rebuild(corpus, text):
    open_dense(corpus).rebuild()
    (corpus.folder / "dense" / MANIFEST).write_text(text)
    assert open_dense(corpus).position() == 0


def test_a_crash_between_file_and_manifest_keeps_the_old_state(corpus, monkeypatch):
    index = open_dense(corpus)
    index.rebuild()
    put(corpus, entry("later", "text"))
    replace = os.replace

    def crash(source, target):
        if str(target).endswith(MANIFEST):
            raise OSError(5, "crashed")
        replace(source, target)

    monkeypatch.setattr(os, "replace", crash)
    with pytest.raises(Exception, match="crashed"):
        index.rebuild()
    monkeypatch.undo()
    reopened = open_dense(corpus)
    assert reopened.position() == 120
    assert_equals_brute_force(caught_up(reopened, corpus), corpus)
    assert not list((corpus.folder / "dense").glob("*.tmp"))
    assert len(list((corpus.folder / "dense").glob("*.faiss"))) == 1  # what was not finished takes no room


@pytest.fixture
def large(writer):
    """3,000 passages, which an index with a bound of 1,000 keeps in lists."""
    put(writer, *(entry(f"d{i}", *(f"text {i} {j}" for j in range(50))) for i in range(60)))
    return writer


def test_beyond_the_bound_an_inverted_index_reaches_its_recall_and_filters_exactly(large):
    rng = np.random.default_rng(5)
    index = open_dense(large, flat_limit=1000)
    index.rebuild()
    status = index.status()
    assert status["kind"] == "ivf"
    assert 0.99 <= status["recall@10"] <= 1.0
    reopened = open_dense(large, flat_limit=1000)
    assert reopened.position() == large.position()
    for size in (5, 40, 300):
        allowed = np.sort(rng.choice(np.arange(1, 3001), size, replace=False)).astype(np.int64)
        assert_equals_brute_force(reopened, large, allowed)
    drop(large, "d3")
    caught_up(reopened, large)
    found = {i for i, _ in reopened.search(Query("x", vectors_of(["text 3 7"])[0]), 100, None)}
    assert not found & set(range(151, 201))


def test_the_recall_that_is_stored_is_that_of_searching_and_what_is_read_suffices_for_it(large):
    index = open_dense(large, flat_limit=1000)
    index.rebuild()
    manifest = json.loads((large.folder / "dense" / MANIFEST).read_text())
    asked = questions(index._sample(2000))
    hits = [len(found_of(index, vector) & {i for i, _ in brute_force(large, vector, 10)}) for vector in asked]
    assert sum(hits) / (10 * len(asked)) == pytest.approx(manifest["recall"], abs=0.02)
    assert 1 <= manifest["nprobe"] <= len(index._state.means)


def found_of(index, vector):
    return {i for i, _ in index.search(Query("x", vector), 10, None)}


@pytest.mark.parametrize("flat_limit", [10**6, 1000], ids=["one list", "many lists"])
def test_files_made_in_small_pieces_hold_the_same_as_files_made_at_once(large, flat_limit):
    index = open_dense(large, flat_limit=flat_limit, chunk=170)
    caught_up(index, large)
    assert index.count() == 3000
    assert index.status()["files"] == 1
    every = np.arange(1, 3001, dtype=np.int64)
    assert_equals_brute_force(index, large, every)


@pytest.mark.parametrize("flat_limit", [10**6, 100], ids=["one list", "many lists"])
def test_an_index_that_lost_all_its_passages_takes_new_ones(corpus, monkeypatch, flat_limit):
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", 7)
    index = caught_up(open_dense(corpus, flat_limit=flat_limit), corpus)
    drop(corpus, *(f"d{i}" for i in range(60)))
    caught_up(index, corpus)
    assert index.count() == 0
    assert index.search(Query("one", vectors_of(["one"])[0]), 10, None) == []
    put(corpus, *(entry(f"new{i}", f"a new one {i} a", f"a new one {i} b") for i in range(20)))
    for other in (index, open_dense(corpus, flat_limit=flat_limit)):
        assert_equals_brute_force(caught_up(other, corpus), corpus)
        assert other.count() == 40


@pytest.mark.parametrize("flat_limit", [10**6, 100], ids=["one list", "many lists"])
def test_many_small_changes_leave_few_files_each_passage_once_and_little_that_was_dropped(
    corpus, monkeypatch, flat_limit
):
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", 7)
    index = caught_up(open_dense(corpus, flat_limit=flat_limit), corpus)
    for i in range(120):
        put(corpus, entry(f"d{i % 40}", f"again {i} a", f"again {i} b"))
        if i % 3 == 0:
            drop(corpus, f"d{59 - i % 15}")
        caught_up(index, corpus)
        assert index.count() == corpus.counts()["passages"]
    state = index._state
    assert len(state.segments) <= 4
    assert len(state.gone) <= dense_module.LOST * state.held
    every = np.array(corpus.passage_ids(0, 1000), np.int64)
    for other in (index, open_dense(corpus, flat_limit=flat_limit)):
        assert_equals_brute_force(caught_up(other, corpus), corpus, every)
        assert other.count() == len(every)


def test_a_small_change_leaves_the_large_file_as_it_is(large, monkeypatch):
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", 5)
    index = caught_up(open_dense(large, flat_limit=1000), large)
    (first,) = (segment.record for segment in index._state.segments)
    put(large, entry("new", *(f"a new passage {i}" for i in range(10))))
    caught_up(index, large)
    assert index._state.segments[0].record == first
    assert index.status()["files"] == 2
    assert index.status()["tail"] == 0


def test_lists_are_made_anew_when_the_index_has_outgrown_them(corpus, monkeypatch):
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", 5)
    index = caught_up(open_dense(corpus, flat_limit=100), corpus)
    assert len(index._state.means) == 3
    put(corpus, *(entry(f"more{i}", *(f"more {i} {j}" for j in range(10))) for i in range(10)))
    caught_up(index, corpus)
    assert len(index._state.means) == 3
    assert index._state.manifest.measured == 220  # recall was measured again
    put(corpus, *(entry(f"most{i}", *(f"most {i} {j}" for j in range(10))) for i in range(40)))
    caught_up(index, corpus)
    assert len(index._state.means) == 15
    assert index._state.manifest.trained == 620


def test_a_damaged_list_of_a_large_file_is_found_when_it_is_read_and_the_answer_is_right(large, monkeypatch):
    monkeypatch.setattr(segments_module, "SMALL", 0)
    open_dense(large, flat_limit=1000).rebuild()
    (path,) = (large.folder / "dense").glob("*.faiss")
    record = json.loads((large.folder / "dense" / MANIFEST).read_text())["segments"][0]
    data = bytearray(path.read_bytes())
    for place in range(record["head"], record["size"] - 16 * record["lists"], DIM):
        data[place] ^= 1
    path.write_bytes(data)
    index = open_dense(large, flat_limit=1000)
    assert index.position() == large.position()  # not read yet
    assert "is not what was written" in index.problems()[0]
    assert_equals_brute_force(index, large)
    assert index.position() == 0
    caught_up(index, large)
    assert index.position() == large.position()
    assert index.problems() == []
    assert open_dense(large, flat_limit=1000).problems() == []


def test_a_merge_never_takes_over_a_damaged_list(large, monkeypatch):
    monkeypatch.setattr(segments_module, "SMALL", 0)
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", 5)
    index = caught_up(open_dense(large), large)
    (path,) = (large.folder / "dense").glob("*.faiss")
    with open(path, "r+b") as file:
        file.seek(100_000)
        byte = file.read(1)
        file.seek(100_000)
        file.write(bytes([byte[0] ^ 1]))
    drop(large, *(f"d{i}" for i in range(20)))  # a third: the file is written anew without them
    caught_up(index, large)
    assert index.problems() == []
    assert_equals_brute_force(index, large)


def test_a_reader_follows_the_files_of_a_writer_and_keeps_what_it_has_open(large, monkeypatch):
    monkeypatch.setattr(dense_module, "TAIL_LIMIT", 5)
    index = caught_up(open_dense(large), large)
    store = Store(large.folder)
    reader = DenseIndex(large.folder / "dense", store)
    (large_file,) = reader._state.segments
    for i in range(4):
        put(large, entry(f"new {i}", f"a new one {i} a", f"a new one {i} b"))
        caught_up(index, large)
        reader.apply(store.changes(reader.position()))
        assert reader.status()["tail"] <= 5
        assert_equals_brute_force(reader, large)
    assert reader._state.segments[0] is large_file
    store.close()


def test_a_filter_that_is_asked_again_is_not_prepared_again(large):
    index = caught_up(open_dense(large, flat_limit=1000), large)
    index.rebuild()
    allowed = np.arange(1, 1500, dtype=np.int64)
    allowed.flags.writeable = False
    first = index._state.mask(allowed)
    assert index._state.mask(allowed) is first
    other = np.arange(1, 1500, dtype=np.int64)
    assert index._state.mask(other) is not index._state.mask(other)  # it could change
    drop(large, "d3")
    caught_up(index, large)
    assert index._state.mask(allowed) is not first
    assert_equals_brute_force(index, large, np.arange(1, 30, dtype=np.int64))


def test_a_search_goes_on_with_its_state_while_the_file_is_replaced(corpus):
    index = caught_up(open_dense(corpus), corpus)
    index.rebuild()
    reader = DenseIndex(corpus.folder / "dense", Store(corpus.folder))
    put(corpus, entry("later", "text"))
    index.rebuild()
    assert reader.count() == 120
    assert len(reader.search(Query("x", vectors_of(["x"])[0]), 10, None)) == 10


@pytest.mark.parametrize(
    "poison",
    [
        np.full((1, DIM), np.nan, np.float32),
        np.full((1, DIM), np.inf, np.float32),
        np.ones((1, DIM), np.float32),
        np.eye(1, DIM + 1, dtype=np.float32),
    ],
    ids=["nan", "inf", "not normalised", "wrong dimension"],
)
def test_poison_vectors_are_refused_before_they_enter(writer, poison):
    bad = entry("bad", "text")
    object.__setattr__(bad, "vectors", poison)
    with pytest.raises(EncoderMismatch):
        put(writer, bad)
    assert writer.counts()["documents"] == 0
    assert writer.position() == 0
