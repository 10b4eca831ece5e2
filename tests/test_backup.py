"""Backups, copies and moves: a whole index comes out, whatever is written meanwhile."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import shutil
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import pytest
from cli_tools import ROOT, run  # noqa: F401
from test_many_processes import board, finished, started  # noqa: F401
from update_worker import NAMES, text_of, version_of

from searchidx import Document, Index, StorageError
from searchidx.storage.store import Store


@pytest.fixture
def index(tmp_path):
    with Index.create(tmp_path / "index") as index:
        index.add(*(Document(f"a{i}", f"Otter number {i}. " * 40, metadata={"n": i, "t": ["x"]}) for i in range(30)))
        yield index


def contents(index):
    return {document.doc_id: document for document in index.export()}


def vectors(folder):
    """Vectors by article and place, whatever numbers the passages have."""
    store = Store(folder)
    try:
        ids, matrix = next(store.all_vectors(store.setting("generation")))
        found = store.passages(ids.tolist())
        return {(found[i][1].doc_id, found[i][0].start): row for i, row in zip(ids.tolist(), matrix, strict=True)}
    finally:
        store.close()


def assert_same(folder, index):
    with Index.open(folder) as copy:
        assert copy.status(check=True)["problems"] == []
        assert contents(copy) == contents(index)
        asked = [[(h.document.doc_id, h.passage.start) for h in i.search("otter number 7", k=5)] for i in (copy, index)]
        assert asked[0] == asked[1]
    ours, theirs = vectors(folder), vectors(index.folder)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[key], theirs[key]) for key in ours)


def test_a_backup_is_the_same_index_and_says_how_far_it_is(index, tmp_path):
    told = []
    index.backup(tmp_path / "deep" / "copy", progress=told.append)
    assert (told[-1].stage, told[-1].done) == ("copy", told[-1].total)
    assert_same(tmp_path / "deep" / "copy", index)
    assert {path.name for path in (tmp_path / "deep").iterdir()} == {"copy"}


def test_a_backup_can_be_written_to_and_leaves_the_first_as_it_was(index, tmp_path):
    before = contents(index)
    index.backup(tmp_path / "copy")
    with Index.open(tmp_path / "copy") as copy:
        copy.remove("a1")
        copy.add(Document("new", "A newt."))
        assert copy.search("newt")[0].document.doc_id == "new"
        assert copy.status(check=True)["problems"] == []
    assert contents(index) == before


@pytest.mark.parametrize("kind", ["index", "file", "link to nothing"])
def test_a_backup_replaces_nothing(index, tmp_path, kind):
    place = tmp_path / "there"
    if kind == "index":
        index.backup(place)
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StorageError, match="exists: a backup never replaces anything"):
        index.backup(place)
    assert kind != "file" or place.read_text() == "mine"


def test_a_backup_that_fails_or_is_interrupted_leaves_nothing(index, tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    (tmp_path / "place").mkdir()
    with pytest.raises(KeyboardInterrupt):
        index.backup(tmp_path / "place" / "copy", progress=stop)
    assert list((tmp_path / "place").iterdir()) == []


def test_a_backup_takes_the_place_of_what_a_killed_one_left_and_not_of_one_under_way(index, tmp_path):
    code = (
        "import os, signal\nfrom searchidx import Index\n"
        f"with Index.open({str(index.folder)!r}) as index:\n"
        f"    index.backup({str(tmp_path / 'copy')!r}, progress=lambda _: PLACE)\n"
    )
    kill = code.replace("PLACE", "os.kill(os.getpid(), signal.SIGKILL)")
    assert subprocess.run([sys.executable, "-c", kill], check=False).returncode == -signal.SIGKILL
    assert (tmp_path / ".copy.partial").exists()
    stay = code.replace("PLACE", "(print('copying', flush=True), input())")
    with subprocess.Popen([sys.executable, "-c", stay], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"copying\n"
        with pytest.raises(StorageError, match=r"another backup to .* is under way"):
            index.backup(tmp_path / "copy")
        other.kill()
    index.backup(tmp_path / "copy")
    assert not (tmp_path / ".copy.partial").exists()
    assert_same(tmp_path / "copy", index)


def test_backups_taken_while_another_process_writes_are_whole_and_hold_what_was_acknowledged(memory, board):
    writer = started("writer", memory, 6)
    for number in range(5):
        known = board.acknowledged()
        with Index.open(memory / "index") as source:
            source.backup(memory / f"copy{number}")
        with Index.open(memory / f"copy{number}") as copy:
            assert copy.status(check=True)["problems"] == []
            texts = {name: copy.get(name).text for name in NAMES}
            (version,) = {version_of(text) for text in texts.values()}
            assert version >= known
            assert texts == {name: text_of(name, version).strip() for name in NAMES}
            for mode in ("dense", "lexical"):
                hits = copy.search("pulse council", k=20, mode=mode, group=False)
                assert sum("pulse" in hit.passage.text for hit in hits) == 3 * len(NAMES)
    assert finished(writer)[0]["versions"] > 5


def test_a_plain_copy_taken_between_two_writes_opens_with_everything(index, tmp_path):
    for number in range(5):
        index.add(Document(f"late{number}", f"A late report, number {number}, on herons."))
        assert (index.folder / "store.db-wal").stat().st_size
        shutil.copytree(index.folder, tmp_path / f"copy{number}")
        with Index.open(tmp_path / f"copy{number}") as copy:
            assert copy.status(check=True)["problems"] == []
            assert contents(copy) == contents(index)
            assert copy.search("late report herons", mode="lexical")[0].document.doc_id.startswith("late")


def test_what_is_exported_and_added_again_is_the_same_to_the_last_bit_of_a_vector(index, tmp_path, run):
    assert run("export", "-i", index.folder, "-o", tmp_path / "all.jsonl", "-q")[0] == 0
    with Index.create(tmp_path / "again") as again:
        again.add(tmp_path / "all.jsonl")
    assert_same(tmp_path / "again", index)


def test_the_command_copies_and_says_what_it_did(index, tmp_path, run):
    status, out, err = run("backup", tmp_path / "copy", "-i", index.folder)
    assert (status, err) == (0, "")
    assert out.startswith(f"{tmp_path / 'copy'}: ")
    assert run("check", "-i", tmp_path / "copy")[0] == 0
    status, _, err = run("backup", tmp_path / "copy", "-i", index.folder)
    assert (status, "exists" in err) == (1, True)


def test_an_old_format_is_backed_up_as_it_is(tmp_path):
    shutil.copytree(ROOT / "tests" / "fixtures" / "format-1", tmp_path / "old")
    with Index.open(tmp_path / "old") as index:
        index.backup(tmp_path / "copy")
        assert contents(index).keys() == {"a", "b", "c"}
    connection = sqlite3.connect(tmp_path / "copy" / "store.db")
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()
    with Index.open(tmp_path / "copy") as copy:
        assert copy.status(check=True)["problems"] == []
