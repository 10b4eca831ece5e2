"""Full disks, interruptions, old formats, files that are not what they seem."""

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from conftest import DIM, vectors_of

import searchidx
from searchidx import Document, Index
from searchidx.storage.dense import DenseIndex
from searchidx.storage.lexical import LexicalIndex
from searchidx.storage.schema import FORMAT
from searchidx.storage.store import Store
from searchidx.types import Query

FIXTURES = Path(__file__).parent / "fixtures"

FULL_DISK = """
import os, sys
from searchidx import Document, Index, StorageError
text = lambda i: (f"word{i} " + "the harbour master closed the port " * 40 + "\\n\\n") * 6
with Index.create("disk/index") as index:
    index.add(Document("first", text("first")))
    kept, message = 0, None
    try:
        for step in range(10_000):
            index.add(*(Document(f"d{step}x{i}", text(f"{step}x{i}")) for i in range(20)))
            kept += 20
    except StorageError as error:
        message = str(error)
    print(message)
    assert index.search("port", k=3), "answers from what is there"
os.unlink("disk/filler")
with Index.open("disk/index") as index:
    documents = index.status()["documents"]
    assert documents >= 1 + kept, (documents, kept)
    index.sync()
    index.add(Document("later", text("later")))
    status = index.status(check=True)
    assert status["problems"] == [], status["problems"]
    for i in ("first", "later", *(f"{s}x3" for s in range(kept // 20))):
        assert index.search(f"word{i}", mode="lexical")[0].document.doc_id in (i, f"d{i}")
print("recovered")
"""


@pytest.mark.parametrize("megabytes", [5, 7, 11])
def test_a_full_disk_is_one_clear_error_and_nothing_that_was_acknowledged_is_lost(tmp_path, megabytes):
    if os.getuid() != 0 or not shutil.which("unshare"):
        pytest.skip("mounting a small disk needs root")
    (tmp_path / "disk").mkdir()
    mount = (
        f"mount -t tmpfs -o size={megabytes}m none disk && head -c 2000000 /dev/zero > disk/filler && exec "
        + f"{sys.executable} -c '{FULL_DISK.replace(chr(39), chr(34))}'"
    )
    run = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert run.returncode == 0, run.stderr
    message, last = run.stdout.strip().splitlines()
    assert message.startswith("no space left on the disk")
    assert "what was finished is kept" in message
    assert last == "recovered"


def test_ctrl_c_in_the_middle_keeps_what_was_finished_and_exits_with_130(tmp_path):
    rows = (json.dumps({"id": f"a{i}", "text": f"word{i} " + "The court ruled on trade. " * 200}) for i in range(8000))
    (tmp_path / "many.jsonl").write_text("\n".join(rows))
    command = [sys.executable, "-m", "searchidx", "add", "many.jsonl", "-i", str(tmp_path / "i")]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and not documents_in(tmp_path / "i" / "store.db"):
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        errors = process.stderr.read()
        assert process.wait(30) == 130, errors
    assert "Traceback" not in errors
    with Index.open(tmp_path / "i") as index:
        kept = index.status(check=True)
        assert 0 < kept["documents"] < 8000
        assert kept["problems"] == []
        assert index.search("word0", mode="lexical")[0].document.doc_id == "a0"
        assert index.add(tmp_path / "many.jsonl").unchanged == kept["documents"]


def test_too_little_memory_loses_nothing_that_was_finished_and_the_same_command_goes_on(tmp_path):
    rows = (json.dumps({"id": f"a{i}", "text": f"word{i} " + "The court ruled on trade. " * 100}) for i in range(2000))
    (tmp_path / "many.jsonl").write_text("\n".join(rows))
    command, failed = [sys.executable, "-m", "searchidx", "add", "many.jsonl", "-i", str(tmp_path / "i")], []
    for megabytes in (250, 450, 650):  # of addresses, which is more than what is used
        limit = partial(resource.setrlimit, resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, preexec_fn=limit, check=False)
        assert "Traceback" not in run.stderr
        if run.returncode > 0:  # below zero a library has ended the process, which is as good as a kill
            assert "not enough memory" in run.stderr
        failed.append(run.returncode != 0)
        if kept := documents_in(tmp_path / "i" / "store.db"):
            with Index.open(tmp_path / "i") as index:
                status = index.status(check=True)
                assert (status["problems"], status["documents"]) == ([], kept)
    assert failed[0], "250 MB were enough"
    with Index.open(tmp_path / "i") if (tmp_path / "i").exists() else Index.create(tmp_path / "i") as index:
        index.add(tmp_path / "many.jsonl")
        assert (index.status()["documents"], index.status(check=True)["problems"]) == (2000, [])


def documents_in(path):
    if not path.exists():
        return 0
    try:
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        try:
            return connection.execute("SELECT count(*) FROM documents").fetchone()[0]
        finally:
            connection.close()
    except sqlite3.Error:
        return 0


@pytest.mark.parametrize("number", range(1, FORMAT + 1))
def test_an_index_of_an_older_format_is_read(tmp_path, number):
    """The fixtures were written by the first version of each format and must stay readable; see fixtures/README.md."""
    shutil.copytree(FIXTURES / f"format-{number}", tmp_path / "old")
    with Index.open(tmp_path / "old") as index:
        status = index.status(check=True)
        assert (status["format"], status["documents"], status["passages"]) == (FORMAT, 3, 6)
        assert status["problems"] == []
        assert [hit.document.doc_id for hit in index.search("zebra", mode="lexical")] == ["b"]
        assert index.get("a").title == "First"
    store = Store(tmp_path / "old")
    dense = DenseIndex(tmp_path / "old" / "dense", store)
    dense.apply(store.changes(dense.position()))  # files of another layout are left alone: the store has the vectors
    assert dense.count() == 6
    assert dense.search(Query("", vectors_of(["the second part of b"])[0]), 1, None)[0][1] == pytest.approx(1, abs=1e-3)
    assert store.setting("encoder")["dim"] == DIM
    store.close()


def test_a_newer_format_is_refused_with_the_way_out(tmp_path):
    shutil.copytree(FIXTURES / "format-1", tmp_path / "new")
    connection = sqlite3.connect(tmp_path / "new" / "store.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(
        searchidx.IndexIncompatible, match=r"has format 99, this version reads up to \d+: upgrade searchidx"
    ):
        Index.open(tmp_path / "new")


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\x00" + bytes(500)])
def test_a_store_that_is_no_database_is_refused(tmp_path, content):
    shutil.copytree(FIXTURES / "format-1", tmp_path / "bad")
    (tmp_path / "bad" / "store.db").write_bytes(content)
    with pytest.raises(searchidx.IndexCorrupted):
        Index.open(tmp_path / "bad")


def test_damage_that_sqlite_quotes_in_its_message_is_told_as_damage(tmp_path):
    with Index.create(tmp_path / "i") as index:
        index.add(Document("a", "The harbour was closed."))
    raw = (tmp_path / "i" / "store.db").read_bytes()
    assert b"CREATE TABLE" in raw
    (tmp_path / "i" / "store.db").write_bytes(raw.replace(b"CREATE TABLE", b"CREATE T\x8aBLE", 1))
    with pytest.raises(searchidx.IndexCorrupted, match=r"is damaged \(its text is no UTF-8\).*--salvage"):
        Index.open(tmp_path / "i")
    assert [document.doc_id for document in Index.salvage(tmp_path / "i")] == ["a"]


def test_a_damaged_store_is_detected_or_harmless_and_never_a_wrong_answer(tmp_path):
    """Flip bits all over the database: every answer is the right one, or an error that names the damage."""
    whole = (FIXTURES / "format-1" / "store.db").read_bytes()
    expected = answers(FIXTURES / "format-1", tmp_path / "sound")
    detected = 0
    for number, place in enumerate(range(100, len(whole), len(whole) // 150)):
        folder = tmp_path / str(number)
        shutil.copytree(FIXTURES / "format-1", folder)
        changed = bytearray(whole)
        changed[place] ^= 1 << number % 8
        (folder / "store.db").write_bytes(bytes(changed))
        try:
            assert answers(folder, None) == expected
        except searchidx.SearchIdxError:
            detected += 1
        shutil.rmtree(folder)
    assert detected >= 3


def answers(folder, copy):
    if copy:
        shutil.copytree(folder, copy)
        folder = copy
    with Index.open(folder) as index:
        lexical = [hit.passage.text for hit in index.search("zebra part", mode="lexical", group=False)]
        documents = [index.get(name) for name in "abc"]
    store = Store(folder)
    try:
        dense, words = DenseIndex(folder / "dense", store), LexicalIndex(folder / "lexical", store)
        dense.apply(store.changes(dense.position()))
        ranking = dense.search(Query("", vectors_of(["zebra"])[0]), 6, None)
        texts = [store.passages([i])[i][0].text for i, _ in ranking]
        words.close()
    finally:
        store.close()
    return lexical, documents, texts


def test_a_gigabyte_of_text_is_refused_without_being_read(tmp_path):
    with open(tmp_path / "huge.txt", "wb") as file:
        file.truncate(2**30)
    (tmp_path / "small.txt").write_text("a small article about otters")
    with Index.create(tmp_path / "i") as index:
        report = index.add(tmp_path / "huge.txt", tmp_path / "small.txt")
        assert report.added == 1
        assert "huge.txt" in report.failed[0].uri


def test_paths_with_odd_letters_work(tmp_path):
    folder = tmp_path / "a 'quoted' \"folder\" ünd 中文"
    folder.mkdir()
    (folder / "an article's name.txt").write_text("otters swim")
    with Index.create(folder / "my index") as index:
        assert index.add(folder / "an article's name.txt").added == 1
        assert index.sync().unchanged == 1
        assert len(index.search("otters")) == 1


def test_a_stale_lock_file_of_a_dead_process_does_not_lock(tmp_path):
    with Index.create(tmp_path / "i") as index:
        (tmp_path / "i" / "writer.lock").touch()
        (tmp_path / "i" / "writer.json").write_text('{"pid": 999999, "since": "10:02:00"}')
        assert index.add(Document("a", "otters")).added == 1
