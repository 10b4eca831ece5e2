"""Threads of one program: searches go on while another thread writes, and find what is acknowledged."""

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from serving_tools import ask, keys, served
from test_index import Reversed

from searchidx import Document, Index, IndexLocked
from searchidx.serving.guard import Door
from searchidx.storage.dense import DenseIndex
from searchidx.storage.lexical import LexicalIndex

MANY = 1100  # more than either leg keeps outside its files
LONG = 60  # seconds after which a search that waits for a writer is given up


def cases(first, count=MANY):
    return [Document(f"d{i}", f"The court ruled on trade case number {i}.") for i in range(first, first + count)]


@pytest.fixture
def index(memory):
    with Index.create(memory / "index") as index:
        index.add(Document("still", "An okapi that stays in the forest."), *cases(0))
        yield index


def found(index, query="okapi in the forest", modes=("dense", "lexical", "hybrid")):
    return {hit.document.doc_id for mode in modes for hit in index.search(query, k=1, mode=mode)}


class Looking:
    """Searches in another thread, for which whoever calls it waits."""

    def __init__(self, index):
        self.index, self.seen, self._pool = index, [], ThreadPoolExecutor(1)

    def __call__(self, *_):
        self.seen.append(self._pool.submit(found, self.index).result(timeout=LONG))

    def before(self, monkeypatch, owner, name):
        """Also search whenever a method is about to be called."""
        method = getattr(owner, name)

        def looked(*arguments):
            self()
            return method(*arguments)

        monkeypatch.setattr(owner, name, looked)


@pytest.fixture
def looking(index, monkeypatch):
    """A search in another thread before every file of vectors is named and every change of the words is written."""
    looking = Looking(index)
    looking()
    with Index.open(index.folder) as other:
        other.add(Document("late", "News that the searching half of the index has not taken over yet."))
    looking.before(monkeypatch, DenseIndex, "_publish")
    looking.before(monkeypatch, LexicalIndex, "_fill")
    return looking


OPERATIONS = {
    "add": lambda index, progress: index.add(*cases(MANY, 1500), progress=progress),
    "replace": lambda index, progress: index.add(
        *(Document(document.doc_id, f"{document.text} Again.") for document in cases(0)), progress=progress
    ),
    "remove": lambda index, _: index.remove(*(document.doc_id for document in cases(0))),
    "rebuild": lambda index, progress: index.sync(rebuild=True, progress=progress),
    "encode again": lambda index, progress: index.sync(encoder=Reversed(), progress=progress),
    "another language": lambda index, progress: index.sync(language="de", progress=progress),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_search_in_another_thread_answers_while_the_index_is_written(index, looking, operation):
    OPERATIONS[operation](index, looking)
    assert len(looking.seen) > 1
    assert all(seen == {"still"} for seen in looking.seen)
    looking()
    assert looking.seen[-1] == {"still"}
    assert found(index, "news that the searching half has not taken over") == {"late"}
    status = index.status(check=True)
    assert status["problems"] == []
    assert status["dense"]["tail"] < MANY


def test_the_words_of_another_language_are_asked_as_soon_as_it_is_written(index):
    index.add(Document("haus", "Alle Häuser der Stadt sind alt."))
    assert index.search("Hauses", mode="lexical") == []
    index.sync(language="de")
    assert found(index, "Hauses", ["lexical"]) == {"haus"}


def test_a_search_answers_while_another_thread_finishes_what_a_killed_writer_left(index, looking):
    with index._writing() as writer, index._ingest(writer, None) as run:
        run.add(cases(MANY))  # and is killed before the legs take it over
    assert found(index) == {"still"}
    assert len(looking.seen) > 1
    assert all(seen == {"still"} for seen in looking.seen)
    assert found(index, f"trade case number {MANY + 7}", ["lexical"]) == {f"d{MANY + 7}"}
    assert index.status()["lexical"]["position"] == index.status()["dense"]["position"]


def test_an_index_can_be_searched_by_the_one_who_is_told_of_its_progress(index):
    seen = []
    index.add(*cases(MANY), Document("new", "A quagga."), progress=lambda _: seen.append(found(index)))
    assert len(seen) > 1
    assert all(one == {"still"} for one in seen)
    assert found(index, "quagga") == {"new"}


def test_who_writes_while_he_is_told_of_his_own_writing_is_refused(index):
    refused = []

    def write(_):
        with pytest.raises(IndexLocked):
            index.remove("still")
        refused.append(True)

    index.add(Document("new", "A quagga."), progress=write)
    assert refused
    assert index.remove("still").removed == 1


def test_threads_that_write_take_turns_and_each_finds_at_once_what_it_wrote(index):
    def write(name):
        for number in range(4):
            index.add(Document(f"{name}{number}", f"The {name} number {number} was seen."))
            for mode in ("dense", "lexical", "hybrid"):
                hits = index.search(f"{name} number {number}", k=5, mode=mode)
                assert f"{name}{number}" in [hit.document.doc_id for hit in hits], mode
        index.remove(f"{name}0")
        assert f"{name}0" not in [hit.document.doc_id for hit in index.search(name, k=5, mode="lexical")]
        return name

    names = ["quagga", "dodo", "auk", "moa"]
    with ThreadPoolExecutor(len(names)) as pool:
        assert list(pool.map(write, names)) == names
    assert index.status(check=True)["problems"] == []


def test_32_threads_search_while_one_writes(index):
    done = threading.Event()

    def search(_):
        searches = 0
        while not (done.is_set() and searches > 2):
            assert found(index, modes=["hybrid"]) == {"still"}
            searches += 1
        return searches

    with ThreadPoolExecutor(32) as pool:
        searching = pool.map(search, range(32))
        try:
            index.add(*cases(MANY, 200))
            index.remove("d1", "d2")
            index.sync(rebuild=True)
        finally:
            done.set()
        assert min(searching) > 2
    assert index.status(check=True)["problems"] == []


def test_closing_waits_for_the_thread_that_writes(index):
    begun, closed, seen = threading.Event(), threading.Event(), []

    def told(_):
        begun.set()
        seen.append(closed.wait(0.2))

    def close():
        index.close()
        closed.set()

    with ThreadPoolExecutor(2) as pool:
        adding = pool.submit(index.add, Document("new", "A quagga."), progress=told)
        assert begun.wait(LONG)
        pool.submit(close).result(LONG)
        assert adding.result(LONG).added == 1
    assert seen
    assert not any(seen)
    with Index.open(index.folder) as again:
        assert found(again, "quagga") == {"new"}


def test_files_that_another_object_has_replaced_are_merged_and_not_made_anew(index, monkeypatch):
    made_anew, rebuild = [], DenseIndex._rebuild
    index.add(*cases(MANY, 4000))
    with Index.open(index.folder) as other:
        other.add(*cases(MANY + 4000, 3))
        other.sync(rebuild=True)
    monkeypatch.setattr(DenseIndex, "_rebuild", lambda self: made_anew.append(rebuild(self)))
    index.add(*cases(MANY + 4003))  # too few for the large file to be written again
    with Index.open(index.folder) as again:
        assert found(again) == {"still"}
        status = again.status(check=True)
        assert (status["passages"], status["dense"]["files"], status["problems"]) == (2 * MANY + 4004, 2, [])
    assert made_anew == []


def test_an_index_goes_on_writing_where_another_object_has_made_everything_anew(index):
    with Index.open(index.folder) as other:
        index.add(*cases(MANY, 3))
        other.sync(rebuild=True)
        index.add(*cases(MANY + 3))
        other.sync(language="de")
        index.add(*cases(2 * MANY + 3))
    for one in (index, Index.open(index.folder)):
        with one:
            assert found(one) == {"still"}
            status = one.status(check=True)
            assert (status["passages"], status["problems"]) == (3 * MANY + 4, [])
            assert status["dense"]["tail"] + status["lexical"]["tail"] < MANY


def test_arrangements_that_are_deleted_under_an_open_index_are_made_anew_by_its_next_large_write(index):
    assert found(index) == {"still"}
    for name in ("dense", "lexical"):
        shutil.rmtree(index.folder / name)
    index.add(*cases(MANY))
    assert found(index) == {"still"}
    with Index.open(index.folder) as again:
        assert found(again) == {"still"}
        status = again.status(check=True)
        assert (status["passages"], status["problems"]) == (2 * MANY + 1, [])
        assert {path.name for path in index.folder.iterdir() if path.is_dir()} == {"dense", "lexical"}


def test_who_only_reads_lets_go_of_vectors_in_memory_once_they_are_in_files(index):
    with Index.open(index.folder) as reader:
        found(reader)
        with index._writing() as writer:
            with index._ingest(writer, None) as run:
                run.add(cases(MANY))
            assert found(reader, f"trade case number {MANY + 7}", ["dense"]) <= {d.doc_id for d in cases(0, 2 * MANY)}
            assert reader.status()["dense"]["tail"] >= MANY
            index._arranger.legs.catch_up()
        found(reader)
        assert reader.status()["dense"]["tail"] == 0


def test_a_search_by_http_answers_while_articles_are_posted(memory, index, monkeypatch):
    write = "write-key-0123456789a"
    door = Door(keys(memory, f'[[key]]\nname = "writer"\nkey = "{write}"\nrights = "write"\n'))
    bearer = {"Authorization": f"Bearer {write}"}
    with served(places={"news": index.folder}, door=door) as url:
        seen, fill = [], LexicalIndex._fill

        def search(query):
            status, _, answer = ask(f"{url}/api/search", {"query": query, "k": 1}, **bearer)
            return status, [hit["document"]["doc_id"] for hit in answer["hits"]]

        def looked(*arguments):
            seen.append(search("okapi in the forest"))
            return fill(*arguments)

        monkeypatch.setattr(LexicalIndex, "_fill", looked)
        articles = [{"doc_id": d.doc_id, "text": d.text} for d in cases(MANY, 150)]
        articles.append({"doc_id": "new", "text": "A quagga."})
        status, _, report = ask(f"{url}/api/indexes/news/documents", {"documents": articles}, **bearer)
        assert (status, report["added"]) == (200, 151)
        assert seen
        assert all(one == (200, ["still"]) for one in seen)
        assert search("quagga") == (200, ["new"])
