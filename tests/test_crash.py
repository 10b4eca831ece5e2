"""kill -9 at random moments: what was acknowledged is found by both legs exactly once, and nothing is half there."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from crash_worker import Turned, bundled, encoder_of, limit_tails, text_of

from searchidx import Document, Index, reencode
from searchidx.storage import dense, lexical
from searchidx.storage.writer import StoreWriter

WORKER = Path(__file__).with_name("crash_worker.py")
KILLS = int(os.environ.get("SEARCHIDX_TEST_KILLS", "100"))
SOME_KILLS = 8


def states_after(said, before):
    """For each article the versions that may be there: the acknowledged one, and that of an operation under way."""
    acknowledged, pending = dict(before), {}
    for kind, value, _ in said:
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


def assert_whole(index, allowed, searched=None):
    """Each article is one of its allowed versions, whole, and found exactly once by both legs (so many of them)."""
    present = {}
    for name, versions in allowed.items():
        version = version_in(index, name)
        assert version in versions, (name, version, versions)
        present[name] = version
    found = sorted(name for name, version in present.items() if version is not None)
    assert {document.doc_id for document in index.list()} == {name_in_index(name) for name in found}
    status = index.status(check=True)
    assert status["problems"] == []
    for name in found:
        assert index.get(name_in_index(name)).text == text_of(name, present[name]).strip()
    for name in found if searched is None else random.Random(len(found)).sample(found, min(searched, len(found))):
        word = f"word{name}x{present[name]}y1"
        hits = index.search(word, k=5, mode="lexical", group=False)
        assert [word in hit.passage.text.split() for hit in hits] == [True] + [False] * (len(hits) - 1)
        assert hits[0].document.doc_id == name_in_index(name)
        hits = index.search(
            hits[0].passage.text, k=2, mode="dense", group=False, where=[f"doc_id={name_in_index(name)}"]
        )
        assert sum(word in hit.passage.text for hit in hits) == 1
    return present


@pytest.fixture
def killed(monkeypatch):
    """A process that forks workers and kills them; in this one the limits are those of the workers."""
    for module, names in (
        (lexical, ("AHEAD", "SMALL", "TAIL_LIMIT")),
        (dense, ("TAIL_LIMIT",)),
        (reencode, ("BATCH",)),
    ):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))  # to be set back
    with subprocess.Popen(
        [sys.executable, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=WORKER.parents[1]
    ) as process:

        def kill(*line):
            process.stdin.write(json.dumps(line) + "\n")
            process.stdin.flush()
            return json.loads(process.stdout.readline())

        yield kill
        process.stdin.close()


@pytest.mark.parametrize("tail", [0, 40], ids=["committed at once", "with tails"])
@pytest.mark.parametrize("kills", [SOME_KILLS, pytest.param(KILLS // 2, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_nothing_that_was_acknowledged(memory, killed, kills, tail):
    if tail:
        limit_tails(tail)
    rng = random.Random(20)
    folder = memory / "files"
    folder.mkdir()
    (folder / "f0.txt").write_text(text_of("f0", "0"))
    with Index.create(memory / "index") as index:
        index.add(folder, Document("p0", text_of("p0", "0")))
    state, acknowledged, met, longest = {"f0": "0", "p0": "0"}, 0, Counter(), 0.2
    for kill in range(kills):
        said = killed(str(memory / "index"), str(folder), kill, tail, rng.uniform(0.0, longest))
        done = sum(kind == "done" for kind, *_ in said)
        acknowledged += done
        longest = max(0.1, longest * 0.9) if done else min(3.0, longest * 1.5)  # as busy as the machine is
        met[said[-1][2] or "between two"] += 1
        with Index.open(memory / "index", encoder=encoder_of(memory / "index")) as index:
            state = assert_whole(index, states_after(said, state), searched=6)
    sys.stdout.write(f"{kills} kills, in {dict(met)}; {acknowledged} operations acknowledged\n")
    assert met.total() - met["between two"] > kills // 4
    assert acknowledged >= kills // 8, "too few to tell anything; a busy machine comes to a quarter"


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


@pytest.mark.parametrize("remedy", ["the same switch", "a rebuild"])
def test_what_is_removed_while_a_switch_of_encoders_has_stopped_leaves_no_vector_behind(memory, monkeypatch, remedy):
    monkeypatch.setattr(reencode, "BATCH", 10)
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with Index.create(memory / "index", encoder=Turned(bundled(), 0)) as index:
        index.add(*(Document(f"p{i}", text_of(f"p{i}", "1")) for i in range(20)))
        with pytest.raises(KeyboardInterrupt):
            index.sync(encoder=Turned(bundled(), 1), progress=stop)
        index.remove("p0", "p1")
        if remedy == "a rebuild":  # of an index that was switched by an earlier version, which left them
            monkeypatch.setattr(StoreWriter, "drop_orphans", lambda *_: None)
        index.sync(encoder=Turned(bundled(), 1))
        monkeypatch.undo()
        if remedy == "a rebuild":
            index.sync(rebuild=True)
        assert_whole(index, {f"p{i}": {"1" if i > 1 else None} for i in range(20)})


def test_an_index_from_which_everything_was_removed_is_sound_after_a_rebuild_too(memory):
    with Index.create(memory / "index") as index:
        index.add(Document("p0", text_of("p0", "1")))
        index.remove("p0")
        for rebuild in (False, True):
            index.sync(rebuild=rebuild)
            assert_whole(index, {"p0": {None}})
        index.add(Document("p1", text_of("p1", "2")))
        assert_whole(index, {"p0": {None}, "p1": {"2"}})
