"""Changes an index at random until it is killed, and says on stdout what it is about to do and what is done.

Usage: python crash_worker.py INDEX FOLDER SEED [TAIL [STEPS]]
       python crash_worker.py < LINES, one JSON line [INDEX, FOLDER, SEED, TAIL, SECONDS] each

With TAIL, that many changes may lie outside the arrangements however small the index is. It ends after STEPS
operations. The second form forks a process for each line, kills it SECONDS after it is ready, and prints what it said.
"""

import json
import os
import random
import signal
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np

import searchidx
from searchidx import Document, Index, reencode
from searchidx.storage import dense, lexical
from searchidx.storage.store import Store


def text_of(name, version):
    """Several passages, each with a word that no other article or version has, and a story that others have too."""
    own = [f"word{name}x{version}y{part} " + f"The {name} report, part {part}. " * 9 for part in range(3)]
    story = int(name[1:]) % 7
    return "\n\n".join([*own, " ".join(f"told{story}n{n}" for n in range(200))])


def version_on_disk(file):
    """The version that a sync will find, or None; a kill may have left an empty or half-written file, which is none."""
    name = file.stem
    words = file.read_text().split() if file.exists() else []
    version = words[0].removeprefix(f"word{name}x").split("y")[0] if words else None
    return version if version and file.read_text() == text_of(name, version) else None


def say(kind, value, operation=""):
    sys.stdout.write(json.dumps([kind, value, operation]) + "\n")
    sys.stdout.flush()


class Turned:
    """The bundled encoder with its dimensions in another order: other vectors, the same distances."""

    def __init__(self, bundled, turns):
        self.name = f"turned{turns}" if turns else bundled.name
        self.fingerprint = f"static:turned{turns}" if turns else bundled.fingerprint
        self.dim, self.max_tokens, self.bundled, self.turns = bundled.dim, bundled.max_tokens, bundled, turns

    def encode_passages(self, texts):
        return np.roll(self.bundled.encode_passages(texts), self.turns, axis=1)

    def encode_queries(self, texts):
        return np.roll(self.bundled.encode_queries(texts), self.turns, axis=1)

    def count_tokens(self, texts):
        return self.bundled.count_tokens(texts)


@cache
def bundled():
    return searchidx.load_encoder("bundled-en")


def encoder_of(path):
    """The encoder that an index was last switched to."""
    store = Store(path)
    try:
        return Turned(bundled(), int(store.setting("encoder")["name"].partition("turned")[2] or 0))
    finally:
        store.close()


def step(index, folder, rng, version):
    """One operation at random."""
    kind = rng.choice(["add", "add", "add", "remove", "sync", "rebuild", "encode"])
    if kind == "add":
        names = rng.sample([f"p{i}" for i in range(40)], rng.choice([1, 3, 20]))
        say("begin", dict.fromkeys(names, version), kind)
        index.add(*(Document(name, text_of(name, version)) for name in names))
    elif kind == "remove":
        names = rng.sample([f"p{i}" for i in range(40)], 5)
        say("begin", dict.fromkeys(names), kind)
        index.remove(*names)
    else:
        for i in rng.sample(range(30), rng.choice([1, 8]) if kind != "encode" else 0):
            file = folder / f"f{i}.txt"
            file.unlink(missing_ok=True)
            if rng.random() < 0.7:
                file.write_text(text_of(f"f{i}", version))
        say("begin", {f"f{i}": version_on_disk(folder / f"f{i}.txt") for i in range(30)}, kind)
        encoder = Turned(bundled(), rng.randrange(4)) if kind == "encode" else None
        index.sync(rebuild=kind == "rebuild", encoder=encoder)
    say("done", None)


def main(path, folder, seed, steps):
    rng = random.Random(seed)
    if not path.exists():
        Index.create(path).close()
        say("done", None)
        with Index.open(path) as index:
            say("begin", {"p0": "0", "f0": version_on_disk(folder / "f0.txt")}, "add")
            index.add(folder, Document("p0", text_of("p0", "0")))
            say("done", None)
    with Index.open(path, encoder=encoder_of(path)) as index:
        say("ready", None)
        for number in range(steps):
            step(index, folder, rng, f"{seed}s{number}")


def limit_tails(limit):
    """Let many changes lie outside tantivy and FAISS however small the index is; both are then written often."""
    lexical.AHEAD = limit
    lexical.SMALL, lexical.TAIL_LIMIT, dense.TAIL_LIMIT, reencode.BATCH = 0, limit, limit + 20, 30


def kill_one(path, folder, seed, tail, seconds):
    """Fork a process that works, kill it, and return what it said."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.dup2(theirs, 1)
        os.close(ours)
        if tail:
            limit_tails(tail)
        main(Path(path), Path(folder), seed, 10_000)
    os.close(theirs)
    with open(ours, encoding="utf-8") as told:
        lines = [told.readline()]
        assert json.loads(lines[0])[0] == "ready"
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        lines += told.readlines()
    os.waitpid(child, 0)
    return [json.loads(line) for line in lines]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        if len(sys.argv) > 4:
            limit_tails(int(sys.argv[4]))
        main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[5]) if len(sys.argv) > 5 else 10_000)
    else:
        bundled()
        for line in sys.stdin:
            sys.stdout.write(json.dumps(kill_one(*json.loads(line))) + "\n")
            sys.stdout.flush()
