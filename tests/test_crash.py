"""kill -9 at random moments: what was acknowledged is found by both legs exactly once, and nothing is half there."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from crash_worker import text_of

from searchidx import Document, Index
from searchidx.storage import lexical

WORKER = Path(__file__).with_name("crash_worker.py")
KILLS = int(os.environ.get("SEARCHIDX_TEST_KILLS", "200"))


def killed_run(index, folder, seed, seconds, *options):
    """Let a worker run for a random time after it is ready, kill it, and return what it said."""
    command = [sys.executable, str(WORKER), str(index), str(folder), str(seed), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=WORKER.parents[1]) as worker:
        first = worker.stdout.readline()
        assert json.loads(first) == ["ready", None]
        time.sleep(seconds)
        worker.send_signal(signal.SIGKILL)
        return [json.loads(line) for line in worker.stdout.read().splitlines()]


def states_after(said, before):
    """For each article the versions that may be there: the acknowledged one, and that of an operation under way."""
    acknowledged, pending = dict(before), {}
    for kind, value in said:
        if kind == "begin":
            pending = value
        else:
            acknowledged |= pending
            pending = {}
    return {
        name: {acknowledged.get(name), pending.get(name, acknowledged.get(name))} for name in acknowledged | pending
    }


def name_in_index(name):
    return f"files/{name}.txt" if name.startswith("f") else name


def version_in(index, name):
    document = index.get(name_in_index(name))
    return None if document is None else document.text.split("x", 1)[1].split("y", 1)[0]


def assert_whole(index, allowed):
    """Each article is one of its allowed versions, whole, and found exactly once by both legs."""
    present = {}
    for name, versions in allowed.items():
        version = version_in(index, name)
        assert version in versions, (name, version, versions)
        present[name] = version
    found = {name for name, version in present.items() if version is not None}
    assert {document.doc_id for document in index.list()} == {name_in_index(name) for name in found}
    status = index.status(check=True)
    assert status["problems"] == []
    for name in found:
        text = text_of(name, present[name]).strip()
        assert index.get(name_in_index(name)).text == text
        word = f"word{name}x{present[name]}y1"
        hits = index.search(word, k=5, mode="lexical", group=False)
        assert [word in hit.passage.text.split() for hit in hits] == [True] + [False] * (len(hits) - 1)
        assert hits[0].document.doc_id == name_in_index(name)
        hits = index.search(
            hits[0].passage.text, k=2, mode="dense", group=False, where=[f"doc_id={name_in_index(name)}"]
        )
        assert sum(word in hit.passage.text for hit in hits) == 1
    return present


@pytest.mark.slow
@pytest.mark.parametrize("tail", [(), ("40",)], ids=["committed at once", "with a tail"])
def test_kills_at_random_moments_lose_nothing_that_was_acknowledged(tmp_path, monkeypatch, tail):
    if tail:
        monkeypatch.setattr(lexical, "SMALL", 0)
        monkeypatch.setattr(lexical, "TAIL_LIMIT", int(tail[0]))
    rng = random.Random(20)
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "f0.txt").write_text(text_of("f0", "0"))
    with Index.create(tmp_path / "index") as index:
        index.add(folder, Document("p0", text_of("p0", "0")))
    state, acknowledged = {"f0": "0", "p0": "0"}, 0
    for kill in range(KILLS // 2):
        said = killed_run(tmp_path / "index", folder, kill, rng.uniform(0.0, 0.4), *tail)
        acknowledged += sum(kind == "done" for kind, _ in said)
        allowed = states_after(said, state)
        with Index.open(tmp_path / "index") as index:
            state = assert_whole(index, allowed)
    assert acknowledged > KILLS // 8, "too few to tell anything; a busy machine comes to a quarter"


def test_a_process_killed_during_creation_leaves_no_half_index(tmp_path):
    code = (
        "import os, signal, searchidx.storage.writer as w\n"
        "from searchidx import Index\n"
        "w.StoreWriter.set = lambda *a, **k: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"Index.create({str(tmp_path / 'index')!r})\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "index").exists()
    with Index.create(tmp_path / "index") as index:
        assert index.status()["documents"] == 0
