"""One writer and many readers at once: no error, nothing half there, and the next search finds what is acknowledged."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from update_worker import NAMES, Board, text_of

from searchidx import Document, Index, IndexLocked

WORKER = Path(__file__).with_name("update_worker.py")
SECONDS = float(os.environ.get("SEARCHIDX_TEST_SECONDS", "8"))
READERS = int(os.environ.get("SEARCHIDX_TEST_READERS", "4"))


@pytest.fixture
def board(memory):
    """An index with the first version of everything, and where versions are noted."""
    board = Board(memory / "board", make=True)
    with Index.create(memory / "index") as index:
        index.add(*(Document(name, text_of(name, 1)) for name in NAMES), Document("still", "An article that stays."))
    board.acknowledge(1)
    return board


def started(role, memory, seconds, *more):
    """A worker that is ready."""
    command = [sys.executable, str(WORKER), role, str(memory / "index"), str(memory / "board"), str(seconds), *more]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=WORKER.parents[1])
    assert worker.stdout.readline() == "ready\n", worker.stderr.read()
    return worker


def finished(worker):
    out, err = worker.communicate(timeout=SECONDS + 120)
    assert worker.returncode == 0, err
    return json.loads(out)


def remove_until_locked(index):
    for _ in range(2000):
        index.remove("nobody")


def assert_sound(memory):
    with Index.open(memory / "index") as index:
        assert index.status(check=True)["problems"] == []


def told(what, results):
    lags = sorted(lag for result in results for lag in result["lags"])
    searches, seen = sum(result["searches"] for result in results), max(result["seen"] for result in results)
    middle, last = lags[len(lags) // 2] * 1000, lags[-1] * 1000
    line = (
        f"{what}: {searches} searches, {seen} versions seen by one reader, lag p50 {middle:.0f} ms, max {last:.0f} ms"
    )
    sys.stdout.write(line + "\n")  # seen with -rP


def test_readers_in_many_processes_see_whole_articles_and_what_is_acknowledged(memory, board):
    readers = [started("reader", memory, SECONDS) for _ in range(READERS)]
    writer = started("writer", memory, SECONDS)
    (written,) = finished(writer)
    results = [result for reader in readers for result in finished(reader)]
    assert written["versions"] > 3
    assert all(result["searches"] > 3 for result in results)
    assert max(result["seen"] for result in results) > 1
    told(f"{READERS} readers, {written['versions']} versions", results)
    assert_sound(memory)


def test_32_threads_of_one_process_see_the_same(memory, board):
    readers, writer = started("reader", memory, SECONDS, "32"), started("writer", memory, SECONDS)
    (written,) = finished(writer)
    results = finished(readers)
    assert [result for result in results if "error" in result] == []
    assert len(results) == 32
    told(f"32 threads, {written['versions']} versions", results)


@pytest.mark.parametrize("writers", [2, 8])
def test_writers_take_turns_when_they_are_told_to_wait(memory, board, writers):
    started_ones = [started("writer", memory, SECONDS * writers / 8) for _ in range(writers)]
    assert all(finished(one)[0]["versions"] > 1 for one in started_ones)
    assert_sound(memory)


def test_the_lock_of_a_killed_writer_is_free_at_once_and_its_work_is_finished(memory, board):
    writer = started("writer", memory, 60)
    with Index.open(memory / "index") as index:
        with pytest.raises(IndexLocked, match="another process is writing"):
            remove_until_locked(index)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        index.add(Document("after", "Written after the kill."))
        known = board.acknowledged()
        assert int(index.get("first").text.split(" v", 1)[1].split("p", 1)[0]) >= known
        assert index.status(check=True)["problems"] == []


FORKED = """
import os, sys
from searchidx import Document, Index

index = Index.open(sys.argv[1])
index.search("article")
asked, told = os.pipe()
children = []
for number in range(4):
    children.append(os.fork())
    if not children[-1]:
        os.close(told)
        os.read(asked, 1)  # until the parent has written
        found = [hit.document.doc_id for hit in index.search("parent", k=1, mode="lexical")]
        own = index.add(Document(f"child{number}", f"Written by child {number}."), wait=60).added
        seen = index.search(f"child {number}", k=1, mode="lexical")[0].document.doc_id
        index.close()
        os._exit(0 if (found, own, seen) == (["parent"], 1, f"child{number}") else 1)
index.add(Document("parent", "Written by the parent."))
os.close(told)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
print(sorted(document.doc_id for document in index.list() if "child" in document.doc_id or "parent" == document.doc_id))
print(index.status(check=True)["problems"])
"""


def test_an_open_index_can_be_used_on_both_sides_of_a_fork(memory, board):
    run = subprocess.run(
        [sys.executable, "-c", FORKED, str(memory / "index")],
        capture_output=True, text=True, cwd=WORKER.parents[1], timeout=120, check=False,
    )  # fmt: skip
    assert run.stdout.splitlines() == ["[0, 0, 0, 0]", "['child0', 'child1', 'child2', 'child3', 'parent']", "[]"], (
        run.stderr
    )
