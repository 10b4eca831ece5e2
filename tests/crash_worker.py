"""Changes an index at random until it is killed, and says on stdout what it is about to do and what is done.

Usage: python crash_worker.py INDEX FOLDER SEED [TAIL]

With TAIL, that many changes may lie outside tantivy however small the index is.
"""

import json
import random
import sys
from pathlib import Path

from searchidx import Document, Index
from searchidx.storage import lexical


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


def say(kind, value):
    sys.stdout.write(json.dumps([kind, value]) + "\n")
    sys.stdout.flush()


def main(path, folder, seed):
    rng = random.Random(seed)
    with Index.open(path) as index:
        say("ready", None)
        for step in range(10_000):
            version = f"{seed}s{step}"
            kind = rng.choice(["add", "add", "remove", "sync", "rebuild"])
            if kind == "add":
                names = rng.sample([f"p{i}" for i in range(40)], rng.choice([1, 3, 20]))
                say("begin", dict.fromkeys(names, version))
                index.add(*(Document(name, text_of(name, version)) for name in names))
            elif kind == "remove":
                names = rng.sample([f"p{i}" for i in range(40)], 5)
                say("begin", dict.fromkeys(names))
                index.remove(*names)
            else:
                for i in rng.sample(range(30), rng.choice([1, 8])):
                    file = folder / f"f{i}.txt"
                    file.unlink(missing_ok=True)
                    if rng.random() < 0.7:
                        file.write_text(text_of(f"f{i}", version))
                say("begin", {f"f{i}": version_on_disk(folder / f"f{i}.txt") for i in range(30)})
                index.sync(rebuild=kind == "rebuild")
            say("done", None)


if __name__ == "__main__":
    if len(sys.argv) > 4:
        lexical.SMALL, lexical.TAIL_LIMIT = 0, int(sys.argv[4])
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
