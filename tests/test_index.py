"""Index, the class behind every door, with real articles, encoder, FAISS, tantivy and SQLite."""

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import searchidx
from searchidx import Document, Index
from searchidx.storage import lexical

ARTICLES = {
    "huawei.md": "---\ntitle: Huawei put on the entity list\ndate: 2019-05-15\nsource: Daily Wire\ntopic: trade\n---\n"
    "Washington barred American firms from selling parts to the Shenzhen phone maker without a licence.\n",
    "ferry.txt": "The ferry to the island was late.\n\nIt waited for the tide at the harbour bar.\n",
    "wheat.md": "---\ntitle: Wheat prices rise\ndate: 2022-03-01\nsource: Farm Paper\ntopic: food\nviews: 12\n---\n"
    "## Drought\n\nHarvests failed in two provinces.\n\n## War\n\nPorts on the Black Sea were closed to grain ships.\n",
    "café latte.html": "<html><head><title>Coffee rust</title><meta name='date' content='2013-02-04'></head><body>"
    "<article><h1>Coffee rust</h1><p>A fungus that thrives in damp heat attacked the coffee plantations of Central "
    "America, and growers lost a third of their harvest to it within a single year, their associations said.</p>"
    "<p>Governments declared an emergency and paid for fungicide and for seedlings of hardier varieties.</p>"
    "</article></body></html>",
}


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "articles"
    folder.mkdir()
    for name, text in ARTICLES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def index(tmp_path, folder):
    with Index.create(tmp_path / "index") as index:
        index.add(folder)
        yield index


def ids(hits):
    return [hit.document.doc_id for hit in hits]


def assert_consistent(index):
    """Every article is found by both legs exactly once, and every checksum holds."""
    status = index.status(check=True)
    assert status["problems"] == []
    for document in index.list():
        text = index.get(document.doc_id).text
        for mode in ("dense", "lexical"):
            hits = index.search(f"{document.title} {text[:300]}", k=200, mode=mode, where=[f"doc_id={document.doc_id}"])
            assert ids(hits) == [document.doc_id], (mode, document.doc_id)


def test_adding_reads_every_format_and_finds_the_right_passage(index):
    assert ids(index.search("ban on sales to the Chinese phone company", k=1)) == ["articles/huawei.md"]
    assert ids(index.search("why was the boat delayed", k=1)) == ["articles/ferry.txt"]
    assert ids(index.search("grain exports blocked", k=1)) == ["articles/wheat.md"]
    assert ids(index.search("plant disease in Central America", k=1)) == ["articles/café latte.html"]
    assert_consistent(index)


def test_a_hit_cites_the_exact_place(index):
    for query in ("Shenzhen phone maker", "grain ships", "tide"):
        hit = index.search(query, k=1)[0]
        text = index.get(hit.citation.doc_id).text
        assert text[hit.citation.start : hit.citation.end] == hit.passage.text
        assert hit.citation.title == hit.document.title
    hit = index.search("phone maker licence", k=1)[0]
    assert (hit.document.published, hit.document.source) == ("2019-05-15", "Daily Wire")
    assert str(hit.citation).startswith("“Huawei put on the entity list”, Daily Wire, 2019-05-15, ")


def test_legs_are_always_filled_and_highlights_lie_in_the_passage(index):
    for mode in ("hybrid", "dense", "lexical"):
        hits = index.search("grain ships on the Black Sea", k=3, mode=mode)
        assert set(hits[0].legs) == ({"dense", "lexical"} if mode == "hybrid" else {mode})
        assert hits[0].legs[mode if mode != "hybrid" else "dense"].rank == 1
        for hit in hits:
            assert all(0 <= a < b <= len(hit.passage.text) for a, b in (*hit.highlights, *hit.terms))
    best = index.search("grain ships on the Black Sea", k=1)[0]
    assert any("Ports on the Black Sea" in best.passage.text[a:b] for a, b in best.highlights)
    assert {best.passage.text[a:b] for a, b in best.terms} >= {"grain", "ships", "Black", "Sea"}


def test_to_dict_is_plain_json(index):
    value = index.search("grain", k=1)[0].to_dict()
    assert json.loads(json.dumps(value)) == value
    assert value["citation"]["text"]


def test_adding_again_reads_only_what_changed(index, folder):
    report = index.add(folder)
    assert (report.added, report.updated, report.unchanged, report.passages) == (0, 0, 4, 0)
    (folder / "ferry.txt").write_text("The ferry sank near the lighthouse.\n")
    os.utime(folder / "wheat.md")
    report = index.add(folder)
    assert (report.added, report.updated, report.unchanged) == (0, 1, 3)
    assert "lighthouse" in index.search("lighthouse", k=1)[0].passage.text
    assert index.search("tide", mode="lexical") == []
    assert_consistent(index)


def test_sync_removes_what_is_gone_and_retries_what_failed(index, folder):
    (folder / "ferry.txt").unlink()
    (folder / "new.txt").write_bytes(b"\x00\x01\x02 not text")
    (folder / "broken.jsonl").write_text('{"id": "ok", "text": "a sound line about zebras"}\n{broken\n')
    report = index.sync()
    assert (report.added, report.removed) == (1, 1)
    assert any("broken.jsonl:2" in failure.uri for failure in report.failed)
    assert index.search("tide", mode="lexical") == []
    (folder / "broken.jsonl").write_text(
        '{"id": "ok", "text": "a sound line about zebras"}\n{"id": "b", "text": "okapi"}\n'
    )
    report = index.sync()
    assert (report.added, report.unchanged, report.failed) == (1, 4, ())
    assert index.status()["failures"] == []
    assert_consistent(index)


def test_lines_missing_from_a_jsonl_file_are_removed_by_sync_and_never_by_add(tmp_path):
    path = tmp_path / "day.jsonl"
    path.write_text('{"id": "a", "text": "first"}\n{"id": "b", "text": "second"}\n')
    with Index.create(tmp_path / "i") as index:
        index.add(path)
        path.write_text('{"id": "c", "text": "third"}\n')
        index.add(path)
        assert [d.doc_id for d in index.list()] == ["a", "b", "c"]
        assert index.sync().removed == 2
        assert [d.doc_id for d in index.list()] == ["c"]


def test_a_folder_that_is_gone_keeps_its_articles(index, folder):
    folder.rename(folder.with_name("elsewhere"))
    report = index.sync()
    assert report.removed == 0
    assert "bring it back" in report.failed[0].reason
    assert index.status()["documents"] == 4


def test_what_the_user_removed_stays_out_until_it_is_added_again(index, folder):
    assert index.remove("articles/ferry.txt", "no such").removed == 1
    assert index.remove("no such").failed[0].reason == "no article has this id"
    assert index.search("tide", mode="lexical") == []
    assert index.sync().added == 0
    assert index.get("articles/ferry.txt") is None
    assert index.add(folder).added == 1
    assert "tide" in index.search("tide", k=1)[0].passage.text


def test_an_id_used_twice_in_one_run_is_reported_and_nothing_is_lost(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"id": "a", "text": "first text"}\n{"id": "a", "text": "second text"}\n{"id": "b", "text": "third"}\n'
    )
    with Index.create(tmp_path / "i") as index:
        report = index.add(path)
        assert report.added == 2
        assert "used twice" in report.failed[0].reason
        assert index.get("a").text == "first text"


def test_documents_from_python_are_normalised_and_checked(tmp_path):
    with Index.create(tmp_path / "i") as index:
        report = index.add(
            Document("a", "A quick\r\nbrown\x00 fox", published="5 May 2019", metadata={"topic": "animals"}),
            Document("b", "   "),
            Document("c", "text", metadata={"bad": object()}),
        )
        assert report.added == 1
        assert len(report.failed) == 2
        assert index.get("a") == Document(
            "a", "A quick\nbrown fox", published="2019-05-05", metadata={"topic": "animals"}
        )
        assert ids(index.search("fox", where=["topic=animals"])) == ["a"]


def test_filters_hold_in_every_mode_and_k_come_back_where_k_match(tmp_path):
    documents = [
        Document(
            f"d{i}", f"The court ruled on trade case number {i}. " * 3, published=f"{2000 + i % 25}", metadata={"n": i}
        )
        for i in range(300)
    ]
    with Index.create(tmp_path / "i") as index:
        index.add(*documents)
        for mode in ("hybrid", "dense", "lexical"):
            assert len(index.search("court ruled on trade", k=12, mode=mode, where=["published=2007"])) == 12
            hits = index.search("trade", k=50, mode=mode, where=["n>=290"])
            assert sorted(ids(hits)) == [f"d{i}" for i in range(290, 300)]
            hits = index.search("trade", k=300, mode=mode, after="2010", before="2012")
            assert {hit.document.published for hit in hits} == {"2010", "2011"}
            assert len(hits) == 24
        with pytest.raises(searchidx.BadFilter, match="did you mean published"):
            index.search("trade", where=["publshed>2000"])


def test_an_article_with_many_passages_is_one_hit_and_k_articles_come_back(tmp_path):
    long = "\n\n".join(f"Trade court ruling number {i}. " * 12 for i in range(150))
    few = [Document(f"d{i}", f"One sentence on a trade ruling, {i}.") for i in range(8)]
    with Index.create(tmp_path / "i") as index:
        index.add(Document("long", long), *few)
        hits = index.search("trade court ruling", k=6, mode="dense")
        assert len(set(ids(hits))) == 6
        folded = next(hit for hit in hits if hit.document.doc_id == "long")
        assert folded.others
        assert all(other.doc_id == "long" and other != folded.passage for other in folded.others)
        assert ids(index.search("trade court ruling", k=6, group=False)).count("long") > 1


@pytest.mark.parametrize(
    "query",
    [
        "AT&T",
        '"5G"',
        "C++",
        "co-op",
        "2.0.1",
        "中国 电信 限制",
        "",
        "   ",
        "x" * 10_000,
        "w " * 5000,
        "\x00",
        "((" * 999,
    ],
)
def test_odd_queries_find_something_or_nothing_without_an_error(index, query):
    for mode in ("hybrid", "dense", "lexical"):
        assert isinstance(index.search(query, mode=mode), list)


def test_opening_without_an_index_says_which_may_be_meant_and_creates_nothing(tmp_path, index):
    with pytest.raises(searchidx.IndexNotFound, match=r"did you mean .*index"):
        Index.open(tmp_path / "indx")
    assert not (tmp_path / "indx").exists()


def test_creating_over_something_is_refused(tmp_path, index, folder):
    with pytest.raises(searchidx.StorageError, match="already"):
        Index.create(tmp_path / "index")
    with pytest.raises(searchidx.StorageError, match="is no index"):
        Index.create(folder)


def test_an_encoder_mismatch_is_refused_with_the_remedy_and_lexical_still_works(index, tmp_path):
    index.close()
    with pytest.raises(searchidx.EncoderMismatch, match="searchidx sync --encoder other"):
        Index.open(tmp_path / "index", encoder="other")

    class Other(type(searchidx.load_encoder("bundled-en"))):
        pass

    other = searchidx.load_encoder("bundled-en")
    other.fingerprint = "static:other"
    with pytest.raises(searchidx.EncoderMismatch, match="whose vectors differ"):
        Index.open(tmp_path / "index", encoder=other)
    with Index.open(tmp_path / "index") as again:
        assert len(again.search("grain", mode="lexical")) == 1


class Reversed:
    """Another encoder: the bundled one with its dimensions cut and turned around."""

    def __init__(self):
        self._inner = searchidx.load_encoder("bundled-en")
        self.name, self.fingerprint, self.dim, self.max_tokens = "reversed", "static:reversed", 64, 0
        self.calls = 0

    def _cut(self, matrix):
        import numpy as np

        cut = np.ascontiguousarray(matrix[:, 64:0:-1])
        return cut / np.maximum(np.linalg.norm(cut, axis=1, keepdims=True), 1e-9)

    def encode_passages(self, texts):
        self.calls += 1
        return self._cut(self._inner.encode_passages(texts))

    def encode_queries(self, texts):
        return self._cut(self._inner.encode_queries(texts))

    def count_tokens(self, texts):
        return self._inner.count_tokens(texts)


def test_another_encoder_is_filled_in_beside_and_switched_at_once(index, tmp_path):
    reader = Index.open(tmp_path / "index")
    before = ids(reader.search("grain exports", mode="dense"))
    index.sync(encoder=Reversed())
    assert index.status()["encoder"] == {"name": "reversed", "fingerprint": "static:reversed", "dim": 64}
    assert ids(index.search("grain exports", k=1, mode="dense")) == ["articles/wheat.md"]
    assert_consistent(index)
    with pytest.raises(
        searchidx.EncoderNotFound
    ):  # a reader follows the switch, and cannot load a name it does not know
        reader.search("grain exports", mode="dense")
    assert len(before) == 4
    reader.close()
    index.sync(encoder="bundled-en")
    assert ids(index.search("grain exports", mode="dense")) == before


def test_an_index_made_with_an_encoder_of_ones_own_goes_on_using_it(tmp_path):
    with Index.create(tmp_path / "own", encoder=Reversed()) as index:
        index.add(Document("a", "The wheat harvest failed."), Document("b", "Parliament passed the bill."))
        assert ids(index.search("wheat harvest", k=1)) == ["a"]
        index.add(Document("c", "Barley was cheap."))
        assert ids(index.search("cheap barley", k=1, mode="dense")) == ["c"]


def test_an_interrupted_switch_goes_on_and_leaves_the_old_encoder_answering(index, tmp_path, monkeypatch):
    import searchidx.reencode

    monkeypatch.setattr(searchidx.reencode, "BATCH", 1)
    other, told = Reversed(), []

    def stop(progress):
        told.append(progress.done)
        if len(told) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        index.sync(encoder=other, progress=stop)
    assert other.calls == 2
    assert index.status()["encoder"]["name"] == "bundled-en"
    assert ids(index.search("grain exports", k=1)) == ["articles/wheat.md"]
    index.sync(encoder=other)
    assert other.calls == index.status()["passages"] == 4
    assert index.status()["encoder"]["name"] == "reversed"
    assert_consistent(index)


def test_arrangements_can_be_deleted_at_any_time(index, tmp_path):
    index.close()
    for name in ("dense", "lexical"):
        shutil.rmtree(tmp_path / "index" / name, ignore_errors=True)
    with Index.open(tmp_path / "index") as again:
        assert_consistent(again)
        assert len(again.search("grain")) == 4


def tamper(folder, sql):
    """Change the store behind its back."""
    connection = sqlite3.connect(folder / "store.db")
    connection.execute(sql)
    connection.commit()
    connection.close()


def test_rebuild_encodes_damaged_vectors_again(index, tmp_path):
    index.close()
    tamper(tmp_path / "index", "UPDATE vectors_1 SET vector = zeroblob(512) WHERE passage_id = 2")
    with Index.open(tmp_path / "index") as again:
        with pytest.raises(searchidx.IndexCorrupted, match="sync --rebuild"):
            again.search("grain")
        again.sync(rebuild=True)
        assert_consistent(again)


def test_damaged_text_is_never_shown(index, tmp_path):
    index.close()
    tamper(tmp_path / "index", "UPDATE texts SET text = replace(text, 'grain', 'brain')")
    with Index.open(tmp_path / "index") as again:
        with pytest.raises(searchidx.IndexCorrupted, match=r"wheat\.md"):
            again.search("grain", k=1)
        assert any("wheat.md" in problem for problem in again.status(check=True)["problems"])


def test_export_and_add_reproduce_the_index(index, tmp_path):
    index.add(Document("from python", "an otter", metadata={"url": "x", "Title": None, "author": "", "id": 3}))
    path = tmp_path / "export.jsonl"
    path.write_text("".join(json.dumps(document.to_dict()) + "\n" for document in index.export()))
    with Index.create(tmp_path / "copy") as copy:
        assert copy.add(path).added == 5
        assert [d.to_dict() for d in copy.export()] == [d.to_dict() for d in index.export()]
        for query in ("grain", "ferry", "phone"):
            a, b = index.search(query), copy.search(query)
            assert [(h.document.doc_id, h.merged) for h in a] == [
                (h.document.doc_id, pytest.approx(h.merged)) for h in b
            ]


def test_a_moved_index_opens(index, tmp_path):
    index.close()
    (tmp_path / "index").rename(tmp_path / "moved ünd spaced")
    with Index.open(tmp_path / "moved ünd spaced") as again:
        assert_consistent(again)


def test_two_writers_one_is_told_who_the_other_is(index, tmp_path, folder):
    code = (
        "import sys, time\nfrom searchidx import Index\n"
        f"index = Index.open({str(tmp_path / 'index')!r})\n"
        "with index._writing():\n    print('locked', flush=True)\n    sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(searchidx.IndexLocked, match=rf"pid {other.pid}, since \d\d:\d\d"):
            index.add(folder)
        assert len(index.search("grain")) == 4
        other.stdin.close()
        assert index.add(folder, wait=20).unchanged == 4


@pytest.mark.parametrize("tail", [False, True], ids=["committed at once", "with a tail"])
def test_readers_answer_during_a_write_and_see_whole_articles(tmp_path, monkeypatch, tail):
    if tail:
        monkeypatch.setattr(lexical, "SMALL", 0)
        monkeypatch.setattr(lexical, "TAIL_LIMIT", 4)
    with Index.create(tmp_path / "i") as writing:
        writing.add(Document("seed", "apple " * 50))
        reading = Index.open(tmp_path / "i")
        stop, problems = threading.Event(), []

        def read():
            seen = 0
            while not stop.is_set():
                try:
                    hits = reading.search("apple", k=500, group=False, mode="lexical")
                    counts = len({hit.document.doc_id for hit in hits})
                    if counts < seen or any("apple" not in hit.passage.text for hit in hits):
                        problems.append((seen, counts))
                    seen = counts
                except Exception as error:
                    problems.append(error)

        threads = [threading.Thread(target=read) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            for i in range(25):
                writing.add(Document(f"d{i}", "apple pie " * 30))
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        assert problems == []
        assert len(reading.search("apple", k=100)) == 26
        reading.close()


@pytest.fixture
def large(tmp_path):
    """An index with so many passages that its newest are not in tantivy."""
    with Index.create(tmp_path / "large") as index:
        index.add(*(Document(f"d{i}", f"The court ruled on trade case number {i}.") for i in range(1100)))
        yield index


def test_a_reader_finds_an_acknowledged_article_at_once_by_both_legs_without_the_right_to_write(large):
    with Index.open(large.folder) as reader:
        assert reader.search("okapi", mode="lexical") == []
        for number in range(3):
            large.add(Document(f"new{number}", f"An okapi, {number}, was seen in the forest."))
            with large._writing():  # who needed the lock would be refused it
                for mode in ("dense", "lexical", "hybrid"):
                    assert f"new{number}" in ids(reader.search(f"okapi {number}", k=3, mode=mode))
                assert len(reader.search("okapi", mode="lexical")) == number + 1
        large.remove("new0", "d7")
        assert sorted(ids(reader.search("okapi", mode="lexical"))) == ["new1", "new2"]
        assert reader.search("okapi", mode="lexical", where=["doc_id=new2"])[0].document.doc_id == "new2"
        for some in (reader, large):
            status = some.status(check=True)
            assert status["problems"] == []
            assert status["lexical"]["tail"] == 5
    with Index.open(large.folder) as again:
        assert sorted(ids(again.search("okapi", mode="lexical"))) == ["new1", "new2"]


KILLED = """
import os, signal, sys
from searchidx import Document, Index
from searchidx.storage import lexical
with Index.open(sys.argv[1]) as index:
    index.add(Document("first", "An okapi."))
    lexical.TAIL_LIMIT = int(sys.argv[2])
    kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    exec(sys.argv[3] + " = kill")
    index.add(Document("second", "An okapi and an otter."))
"""


@pytest.mark.parametrize(
    ("limit", "moment"),
    [(100, "lexical.LexicalIndex.apply"), (0, "lexical.LexicalIndex._write"), (0, "lexical.sync_folder")],
    ids=["before the tail", "before the commit", "after the commit"],
)
def test_a_writer_killed_with_a_tail_loses_nothing(large, limit, moment):
    large.close()
    command = [sys.executable, "-c", KILLED, str(large.folder), str(limit), moment]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    with Index.open(large.folder) as index:
        assert sorted(ids(index.search("okapi", mode="lexical"))) == ["first", "second"]
        status = index.status(check=True)
        assert (status["documents"], status["problems"]) == (1102, [])


def test_the_log_is_folded_into_the_file_when_the_index_is_closed(large):
    log = large.folder / "store.db-wal"
    large.add(Document("new", "An okapi."))
    assert log.stat().st_size > 0
    large.close()
    assert not log.exists() or log.stat().st_size == 0


def test_32_threads_share_one_index(index):
    expected = ids(index.search("grain ships"))
    found, errors = [], []

    def ask():
        try:
            found.extend(ids(index.search("grain ships")) == expected for _ in range(5))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(found)
    assert len(found) == 160


def in_read_only(folder, code):
    """Run Python where ``folder`` cannot be written: by permissions, or for root, whom they do not stop, by a mount."""
    python = [sys.executable, "-c", code]
    if os.getuid() == 0:
        path = shlex.quote(str(folder))
        mount = f"mount --bind {path} {path} && mount -o remount,bind,ro {path} && exec " + shlex.join(python)
        return subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, check=False)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        return subprocess.run(python, capture_output=True, text=True, check=False)
    finally:
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755)


READ = (
    "from searchidx import Index\n"
    "with Index.open({!r}) as index:\n"
    "    print([h.document.doc_id for h in index.search('grain ships', k=1)], len(index.search('coffee')))\n"
    "    print(index.status(check=True)['problems'])\n"
    "    try: index.remove('articles/ferry.txt')\n"
    "    except Exception as error: print(type(error).__name__, error)\n"
)


@pytest.mark.parametrize("left", ["closed", "a log that was not folded in", "no arrangements"])
def test_an_index_opens_from_a_read_only_folder(index, tmp_path, left):
    folder = tmp_path / "index"
    if left.startswith("a log"):
        copy = tmp_path / "copy"
        with index._writing() as writer:  # a writer that was killed: its log holds what is not in the file
            with writer.transaction():
                writer.remove(["articles/ferry.txt"])
            shutil.copytree(folder, copy)
        folder, expected = copy, 3
    else:
        expected = 4
    index.close()
    if left == "no arrangements":
        for name in ("dense", "lexical"):
            shutil.rmtree(folder / name, ignore_errors=True)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    run = in_read_only(folder, READ.format(str(folder)))
    assert run.stdout.splitlines()[:2] == [f"['articles/wheat.md'] {expected}", "[]"], run.stderr
    assert run.stdout.splitlines()[2].startswith("StorageError")
    assert "write permission" in run.stdout
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_source_that_is_broken_on_every_line_is_told_in_short(tmp_path):
    (tmp_path / "broken.jsonl").write_text("{broken\n" * 5000 + '{"id": "a", "text": "otters"}\n')
    with Index.create(tmp_path / "i") as index:
        report = index.add(tmp_path / "broken.jsonl")
        assert report.added == 1
        assert len(report.failed) == 101
        assert report.failed[-1].reason == "4900 more of its articles could not be read"


def test_what_was_acknowledged_is_found_though_the_lexical_leg_cannot_be_written(index, tmp_path, monkeypatch):
    from searchidx.storage.lexical import LexicalIndex

    with index._writing() as writer, writer.transaction():  # a writer that was killed before the legs caught up
        writer.remove(["articles/ferry.txt"])
    index.close()

    def full(self, state, changes):
        if not self.mirrored:
            raise OSError(28, "No space left on device")
        return write(self, state, changes)

    write = LexicalIndex._write
    monkeypatch.setattr(LexicalIndex, "_write", full)
    with Index.open(tmp_path / "index") as again:
        assert again.search("tide", mode="lexical") == []
        assert len(again.search("grain", mode="lexical")) == 1
        assert again.status(check=True)["problems"] == []


ON_TOPIC = {
    "american-carriers-drop-huawei-phones",
    "china-telecom-americas-licence",
    "chip-rule-cuts-off-huawei",
    "decade-of-measures-against-huawei-zte",
    "fcc-equipment-authorisations",
    "house-panel-huawei-zte",
    "huawei-entity-list",
    "rip-and-replace",
    "zte-denial-order",
}


def test_the_demo_question_has_articles_on_its_topic_in_the_first_three_places(tmp_path):
    samples = Path(searchidx.__file__).parent / "samples"
    with Index.create(tmp_path / "i") as index:
        assert index.add(str(samples / "*.md")).added == 46
        hits = index.search("US restrictions on Chinese telecoms", k=3)
        assert {Path(hit.document.uri).stem for hit in hits} <= ON_TOPIC


def test_a_source_that_is_named_twice_or_by_two_roots_is_read_once(index, folder):
    report = index.add(folder / "ferry.txt", folder)
    assert (report.added, report.unchanged, report.failed) == (0, 4, ())
    (folder / "ferry.txt").write_text("The ferry sank near the lighthouse.")
    (folder / "wheat.md").write_text("Wheat is cheap again, and so is bread.")
    report = index.add(folder / "wheat.md", folder / "wheat.md", folder)
    assert (report.updated, report.unchanged, report.failed) == (2, 2, ())
    (folder / "ferry.txt").write_text("The ferry was raised.")
    report = index.sync()
    assert (report.updated, report.unchanged, report.removed, report.failed) == (1, 3, 0, ())
    assert_consistent(index)


def test_files_of_the_same_name_in_folders_of_the_same_name_do_not_replace_each_other(tmp_path):
    for year in ("2023", "2024"):
        (tmp_path / year / "news").mkdir(parents=True)
        (tmp_path / year / "news" / "1.txt").write_text(f"Otters of {year}.")
        (tmp_path / year / "news" / "2.jsonl").write_text(json.dumps({"text": f"Zebras of {year}."}))
    with Index.create(tmp_path / "one by one") as index:
        for year in ("2023", "2024"):
            report = index.add(tmp_path / year / "news")
            assert (report.added, report.updated, report.failed) == (2, 0, ())
        assert len(index.search("otters")) == len(index.search("zebras")) == 4
        assert index.sync().unchanged == 4
        (tmp_path / "2024" / "news" / "1.txt").write_text("Okapis of 2024.")
        report = index.sync()
        assert (report.added, report.updated, report.removed) == (0, 1, 0)
    with Index.create(tmp_path / "at once") as index:
        report = index.add(tmp_path / "2023" / "news", tmp_path / "2024" / "news")
        assert (report.added, report.failed) == (4, ())


def test_an_article_keeps_its_id_when_its_file_is_added_alone_and_when_its_folder_has_moved(index, folder):
    before = [document.doc_id for document in index.list()]
    (folder / "wheat.md").write_text("Wheat is cheap again, and so is bread.")
    report = index.add(folder / "wheat.md")
    assert (report.added, report.updated, report.removed) == (0, 1, 0)
    assert sorted(document.doc_id for document in index.list()) == sorted(before)
    folder.parent.joinpath("elsewhere").mkdir()
    folder.rename(folder.parent / "elsewhere" / folder.name)
    report = index.add(folder.parent / "elsewhere" / folder.name)
    assert (report.added, report.updated) == (0, 4)
    assert sorted(document.doc_id for document in index.list()) == sorted(before)
