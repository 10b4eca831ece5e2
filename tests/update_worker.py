"""One writer that replaces three articles over and over, and readers that look whether what they see is whole.

Usage: python update_worker.py writer|reader INDEX BOARD SECONDS [THREADS]

BOARD is a file of doubles: the number of versions that are acknowledged, then the moment each was.
"""

import json
import mmap
import struct
import sys
import threading
import time

import searchidx
from searchidx import Document, Index

NAMES = ("first", "second", "third")
PARTS = 3
ROOM = 1_000_000


def text_of(name, version):
    """Three passages that all name the version."""
    rest = "The council met in the old town hall. " * 22
    return "\n\n".join(f"pulse {name} v{version}p{part} {rest}" for part in range(PARTS))


def version_of(text):
    return int(text.split(" v", 1)[1].split("p", 1)[0])


class Board:
    def __init__(self, path, make=False):
        with open(path, "w+b" if make else "r+b") as file:
            if make:
                file.truncate(ROOM)
            self._memory = mmap.mmap(file.fileno(), ROOM)

    def acknowledge(self, version):
        struct.pack_into("d", self._memory, 8 * version, time.time())
        struct.pack_into("d", self._memory, 0, version)

    def acknowledged(self):
        return int(struct.unpack_from("d", self._memory)[0])

    def moment(self, version):
        return struct.unpack_from("d", self._memory, 8 * version)[0]


def write(path, board, seconds):
    end, version = time.monotonic() + seconds, board.acknowledged()
    with Index.open(path) as index:
        while time.monotonic() < end:
            version += 1
            index.add(*(Document(name, text_of(name, version)) for name in NAMES), wait=30)
            board.acknowledge(version)
            if version % 10 == 0:
                index.remove(f"passing{version - 10}", wait=30)
                index.add(Document(f"passing{version}", f"passing by {version}"), wait=30)
            time.sleep(0.01)
    return {"versions": version}


def look(index, board, mode, seen):
    """One search and one get; raises where something is old, half there or mixed."""
    known = board.acknowledged()
    hits = index.search("pulse council town hall", k=30, mode=mode, group=False)
    found = {
        name: [h.passage.text for h in hits if h.document.doc_id == name and "pulse" in h.passage.text]
        for name in NAMES
    }
    for name, texts in found.items():  # none where it was replaced during the search
        versions = {version_of(text) for text in texts}
        assert len(texts) in (0, PARTS), (mode, name, texts)
        assert len(versions) <= 1, (mode, name, versions)
        assert all(version >= known for version in versions), (mode, name, versions, known)
        for version in versions - seen.keys():
            seen[version] = max(0.0, time.time() - board.moment(version)) if board.acknowledged() >= version else 0.0
    known = board.acknowledged()
    whole = index.get(NAMES[known % 3]).text
    assert version_of(whole) >= known
    assert whole == text_of(NAMES[known % 3], version_of(whole)).strip()
    assert any(hit.document.doc_id == "still" for hit in index.search("an article that stays", k=5))
    return bool(any(found.values()))


def read(path, board, seconds, index=None):
    end, seen, searches, empty = time.monotonic() + seconds, {}, 0, 0
    with index or Index.open(path) as mine:
        look(mine, board, "hybrid", seen)
        seen = dict.fromkeys(seen, 0.0)  # what was acknowledged before it began has no lag
        while time.monotonic() < end:
            whole = look(mine, board, ("hybrid", "lexical", "dense")[searches % 3], seen)
            searches, empty = searches + 1, 0 if whole else empty + 1
            assert empty < 50, "the articles are found no more"
            time.sleep(0.005)
    lags = sorted(seen.values())
    return {"searches": searches, "seen": len(seen), "lags": lags[:: max(1, len(lags) // 100)] + lags[-1:]}


def in_threads(path, board, seconds, count):
    """The same by many threads that share one index."""
    told, index = [], Index.open(path)

    def run():
        try:
            told.append(read(path, board, seconds, Shared(index)))
        except BaseException as error:
            told.append({"error": repr(error)})

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    index.close()
    return told


class Shared:
    """An index that another closes."""

    def __init__(self, index):
        self.index = index

    def __enter__(self):
        return self.index

    def __exit__(self, *_):
        pass


def main(role, path, board, seconds, threads=0):
    board = Board(board)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    if role == "writer":
        told = [write(path, board, seconds)]
    else:
        told = in_threads(path, board, seconds, threads) if threads else [read(path, board, seconds)]
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    assert searchidx.__version__
    main(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), *map(int, sys.argv[5:]))
