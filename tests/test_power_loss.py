"""Power losses: un-synced writes dropped, kept in part, and torn; what was acknowledged is there, and nothing half."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter

import power_loss
import pytest
from crash_worker import encoder_of, text_of
from test_crash import WORKER, assert_whole, states_after

from searchidx import Index

LOSSES = int(os.environ.get("SEARCHIDX_TEST_LOSSES", "16"))
LEFT_OUT = ("store.db-shm", "writer.json", "writer.lock")


@pytest.fixture(scope="module")
def recorder(tmp_path_factory):
    if not shutil.which("cc"):
        pytest.skip("recording what a process writes needs a C compiler")
    return power_loss.build(tmp_path_factory.mktemp("recorder"))


def recorded(recorder, root, log, command, said, **more):
    """Run a command and record what it does under ``root``."""
    environment = {**os.environ, "LD_PRELOAD": str(recorder), "RECORD_ROOT": str(root), "RECORD_LOG": str(log), **more}
    with open(said, "w") as out:
        run = subprocess.run(command, env=environment, stdout=out, stderr=subprocess.PIPE, cwd=WORKER.parents[1])
    return run, list(power_loss.events(log))


@pytest.fixture
def work(recorder, memory, monkeypatch):
    """A recorded run of a worker that adds, replaces, removes, syncs, encodes again and rebuilds."""
    root, folder = memory / "root", memory / "files"
    root.mkdir()
    folder.mkdir()
    (folder / "f0.txt").write_text(text_of("f0", "0"))
    steps = max(6, LOSSES // 4)
    command = [sys.executable, str(WORKER), str(root / "index"), str(folder), "5", "40", str(steps)]
    run, happened = recorded(recorder, root, memory / "log", command, root / "said")
    assert run.returncode == 0, run.stderr.decode()
    return root, happened


def said_until(disk, root):
    """What the worker had said: a terminal is no disk, and forgets nothing."""
    entry = disk.now.get(str(root / "said"))
    text = bytearray(entry.content) if entry else bytearray()
    for change in entry.pending if entry else ():
        power_loss.changed(text, *change)
    return [json.loads(line) for line in text.decode().splitlines()]


def test_the_record_of_a_run_gives_the_same_files_to_the_last_byte(work, memory):
    root, happened = work
    disk = power_loss.Disk(root)
    for event in happened:
        disk.happen(*event)
    disk.after_loss(str(memory / "all"), random.Random(0), "all")
    ours = {path.relative_to(memory / "all"): path for path in (memory / "all").rglob("*") if path.is_file()}
    theirs = {path.relative_to(root): path for path in root.rglob("*") if path.is_file()}
    compared = [name for name in theirs if name.name not in LEFT_OUT and name.name != "said"]
    assert {*compared} == {name for name in ours if name.name not in LEFT_OUT and name.name != "said"}
    assert [name for name in compared if ours[name].read_bytes() != theirs[name].read_bytes()] == []
    assert {kind for kind, *_ in happened} >= set("cwsrum")


def test_a_power_loss_at_any_moment_loses_nothing_that_was_acknowledged(work, memory):
    root, happened = work
    rng, disk, outcomes = random.Random(21), power_loss.Disk(root), Counter()
    moments = sorted(rng.sample(range(len(happened)), min(LOSSES, len(happened))))
    copy = memory / "copy"
    for number, event in enumerate(happened):
        disk.happen(*event)
        if number not in moments:
            continue
        mode = ("dropped", "some", "torn")[number % 3]
        shutil.rmtree(copy, ignore_errors=True)
        disk.after_loss(str(copy), rng, mode)
        said = said_until(disk, root)
        acknowledged = sum(kind == "done" for kind, *_ in said)
        outcomes[mode if acknowledged else f"{mode}, nothing acknowledged yet"] += 1
        if acknowledged or (copy / "index").exists():
            with Index.open(copy / "index", encoder=encoder_of(copy / "index")) as index:
                assert_whole(index, states_after(said, {}), searched=6)
    sys.stdout.write(f"{len(happened)} writes, syncs and names; power losses survived: {dict(outcomes)}\n")
    assert sum(outcomes.values()) == len(moments)


def test_the_rig_finds_what_is_lost_where_nothing_is_synced(recorder, memory, monkeypatch):
    """The same with SQLite told not to sync: a rig that passed this too would find nothing."""
    root = memory / "root"
    root.mkdir()
    code = (
        "import searchidx.storage.writer as w, searchidx.storage.store as s\n"
        "from searchidx import Document, Index\n"
        "real = w.open_database\n"
        "def lax(path, options):\n"
        "    connection = real(path, options)\n"
        "    connection.execute('PRAGMA synchronous = OFF')\n"
        "    return connection\n"
        "w.open_database = lax\n"
        f"with Index.create({str(root / 'index')!r}) as index:\n"
        "    index.add(Document('a', 'an otter'))\n"
        "    print('done', flush=True)\n"
        "    index.add(Document('b', 'a heron'))\n"
    )
    _, happened = recorded(recorder, root, memory / "log", [sys.executable, "-c", code], root / "said")
    disk, lost = power_loss.Disk(root), 0
    for number, event in enumerate(happened):
        disk.happen(*event)
        if event[0] == "w" and event[1] == str(root / "said"):
            disk.after_loss(str(memory / f"copy{number}"), random.Random(1), "dropped")
            with Index.open(memory / f"copy{number}" / "index") as index:
                lost += index._store.document("a") is None
    assert lost >= 1


FAILURES = int(os.environ.get("SEARCHIDX_TEST_FAILURES", "4"))


def test_a_write_sync_or_rename_that_fails_is_one_clear_error_and_nothing_is_lost(recorder, memory):
    """An error of the disk (EIO) or of its space (ENOSPC), once, in any of the calls that change something."""
    rng, root, folder, told = random.Random(9), memory / "root", memory / "files", Counter()
    for _ in range(FAILURES):
        for path in (root, folder):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir()
        (folder / "f0.txt").write_text(text_of("f0", "0"))
        command = [sys.executable, str(WORKER), str(root / "index"), str(folder), "5", "40", "5"]
        fault = {"RECORD_FAIL_AT": str(rng.randrange(20, 500)), "RECORD_ERRNO": str(rng.choice([5, 28]))}
        run = recorded(recorder, root, memory / "log", command, memory / "said", **fault)[0]
        last = run.stderr.decode().strip().splitlines()[-1:]
        kind = last[0].partition(":")[0].rpartition(".")[2] if last else "no error"
        assert run.returncode == 0 or kind == "StorageError", (fault, run.stderr.decode()[-3000:])
        said = [json.loads(line) for line in (memory / "said").read_text().splitlines()]
        told["went on" if run.returncode == 0 else "an error"] += 1
        if (root / "index").exists():
            with Index.open(root / "index", encoder=encoder_of(root / "index")) as index:
                assert_whole(index, states_after(said, {}), searched=4)
        else:
            assert not said
    sys.stdout.write(f"{FAILURES} failed calls: {dict(told)}\n")
