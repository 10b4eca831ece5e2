"""Runs each operation on a small disk that fills up, or in a folder that becomes read-only, and does it again after.

Usage: python fault_worker.py full DISK WHOLE FILES OPERATION FREE...   (DISK is a tmpfs; FREE are bytes left free)
       python fault_worker.py refused DISK WHOLE FILES OPERATION WHEN...  (the number of the progress call that does it)

Prints a JSON line for each: [operation, number, what the error said or null].
"""

import json
import os
import shutil
import sys
from pathlib import Path

from crash_worker import Turned, bundled, encoder_of, limit_tails, text_of

from searchidx import Document, Index, StorageError

OPERATIONS = {
    "create": lambda index, told: Index.create(index.folder.with_name("other")).close(),
    "add": lambda index, told: index.add(*(Document(f"n{i}", text_of(f"n{i}", "1")) for i in range(60)), progress=told),
    "replace": lambda index, told: index.add(
        *(Document(f"p{i}", text_of(f"p{i}", "2")) for i in range(40)), progress=told
    ),
    "sync": lambda index, told: index.sync(progress=told),
    "remove": lambda index, told: index.remove(*(f"p{i}" for i in range(0, 40, 2))),
    "encode": lambda index, told: index.sync(encoder=Turned(bundled(), 1), progress=told),
    "rebuild": lambda index, told: index.sync(rebuild=True, progress=told),
    "backup": lambda index, told: index.backup(index.folder.with_name("backup"), progress=told),
    "salvage": lambda index, told: write_out(index.folder),
}


def write_out(folder):
    from searchidx.cli.output import write_json_lines
    from searchidx.storage.files import storage_errors

    with storage_errors(folder):
        write_json_lines(folder.parent / "saved.jsonl", (d.to_dict() for d in Index.salvage(folder)))


def make(path, files):
    """An index with both arrangements on the disk, several segments, and files that a sync will read."""
    with Index.create(path, encoder=Turned(bundled(), 0)) as index:
        for start in range(0, 40, 8):
            index.add(*(Document(f"p{i}", text_of(f"p{i}", "1")) for i in range(start, start + 8)))
        (files / "f0.txt").write_text(text_of("f0", "1"))
        index.add(files)
        for i in range(60):
            (files / f"f{i}.txt").write_text(text_of(f"f{i}", "1"))


def assert_consistent(index):
    """Readable, sound, and each article whole and found once by both legs."""
    status = index.status(check=True)
    assert status["problems"] == [], status["problems"]
    for document in list(index.list())[::15]:
        text = index.get(document.doc_id).text
        word = text.split()[0]
        (hit,) = [h for h in index.search(word, k=3, mode="lexical", group=False) if word in h.passage.text.split()]
        assert hit.document.doc_id == document.doc_id
        asked = {"k": 50, "group": False, "where": [f"doc_id={document.doc_id}"]}
        places = [[h.passage.start for h in index.search(text, mode=mode, **asked)] for mode in ("dense", "lexical")]
        assert sorted(places[0]) == sorted(places[1]) == sorted({*places[0]})


def attempt(operation, index, told):
    try:
        OPERATIONS[operation](index, told)
    except StorageError as error:
        return str(error)


def once(kind, disk, whole, files, operation, number):
    """One fault in one operation."""
    give_back(disk)
    for path in disk.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(whole, disk / "index")
    calls = []

    def told(_):
        calls.append(1)
        if kind == "refused" and len(calls) == number:
            refuse(disk)

    # opened, for Turned is no name; the first search makes it read what it needs
    with Index.open(disk / "index", encoder=Turned(bundled(), 0)) as index:
        index.search("report")
        before = {document.doc_id: document for document in index.export()}
        if kind == "full":
            fill(disk, number)
        elif number == 0:
            refuse(disk)
        said = attempt(operation, index, told)
        left = index.search("report", k=5)  # from what is there, on a full disk
        assert left
    give_back(disk)
    with Index.open(disk / "index", encoder=encoder_of(disk / "index")) as index:
        assert_consistent(index)
        after = {document.doc_id: document for document in index.export()}
        if operation in ("create", "encode", "rebuild", "backup", "salvage", "add"):
            assert before.items() <= after.items()
        if said:
            assert attempt(operation, index, lambda _: None) is None
        assert_consistent(index)
    if operation == "backup":
        with Index.open(disk / "backup", encoder=Turned(bundled(), 0)) as copy:
            assert_consistent(copy)
    known = ["index", "other", "backup", "saved.jsonl"]
    known += [".backup.partial"] if kind == "refused" else []  # that could not be removed either
    left_over = [path.name for path in disk.iterdir() if path.name not in known]
    assert left_over == [], left_over
    return said


def fill(disk, free):
    """Leave so many bytes free."""
    room = os.statvfs(disk)
    with open(disk / "filler", "wb") as file:
        size = max(0, room.f_bavail * room.f_frsize - free)
        while size > 0:
            size -= file.write(bytes(min(size, 1 << 20)))


def refuse(disk):
    for path in (*disk.rglob("*"), disk):
        path.chmod(0o555 if path.is_dir() else 0o444)


def give_back(disk):
    (disk / "filler").unlink(missing_ok=True)
    disk.chmod(0o755)
    for path in disk.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def main(kind, disk, whole, files, operation, *numbers):
    disk, whole, files = Path(disk), Path(whole), Path(files)
    limit_tails(20)
    if not whole.exists():
        make(whole, files)
    for number in map(int, numbers):
        said = once(kind, disk, whole, files, operation, number)
        sys.stdout.write(json.dumps([operation, number, said]) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
