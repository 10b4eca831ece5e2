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


def test_two_writers_take_turns_when_they_are_told_to_wait(memory, board):
    first, second = (started("writer", memory, SECONDS / 4) for _ in range(2))
    assert finished(first)[0]["versions"] > 1
    assert finished(second)[0]["versions"] > 1
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
