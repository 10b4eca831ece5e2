"""What may be on a disk after a power loss, from a record of what a process did (``record_writes.c``).

The model is stricter than real file systems: data is on the disk only once its file is synced, a name, a new name or a
removal only once its folder is. What was not synced may be missing, there in part and in any order, or torn.
"""

import os
import struct
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

SOURCE = Path(__file__).with_name("record_writes.c")


def build(folder):
    """The recorder, compiled."""
    library = folder / "record_writes.so"
    subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"], check=True)
    return library


def events(log):
    """(kind, path, number, data) in the order in which they happened; a record cut off by a kill is left out."""
    raw, at = log.read_bytes(), 0
    while at + 5 <= len(raw):
        kind, length = raw[at : at + 1].decode(), struct.unpack_from("<I", raw, at + 1)[0]
        path = raw[at + 5 : at + 5 + length].decode()
        head = at + 5 + length
        number, size = struct.unpack_from("<QI", raw, head)
        if head + 12 + size > len(raw):
            return
        yield kind, path, number, raw[head + 12 : head + 12 + size]
        at = head + 12 + size


@dataclass
class File:
    """What of a file is on the disk, and the changes that are not."""

    content: bytearray = field(default_factory=bytearray)
    pending: list = field(default_factory=list)

    def sync(self):
        for change in self.pending:
            changed(self.content, *change)
        self.pending = []

    def after_loss(self, rng, mode):
        """The content after a power loss that takes what is pending, or leaves some of it, the last of it torn."""
        content = bytearray(self.content)
        kept = [] if mode == "dropped" else list(self.pending)
        if mode == "some":
            kept = [change for change in kept if rng.random() < 0.5]
        for place, data in kept[:-1] if mode != "all" else kept:
            changed(content, place, data)
        if kept and mode != "all":
            place, data = kept[-1]
            changed(content, place, data[: rng.randrange(len(data))] if data else data)
        return content


def changed(content, place, data):
    """Write data at a place, or with None cut there."""
    if data is None:
        del content[place:]
        content.extend(bytes(place - len(content)))
    else:
        content.extend(bytes(max(0, place - len(content))))
        content[place : place + len(data)] = data


class Disk:
    """The names on the disk, those that processes see, and how the first become the second."""

    def __init__(self, root):
        self.root = str(root)
        self.now, self.durable, self.pending = {self.root: None}, {self.root: None}, []

    def happen(self, kind, path, number, data):
        if kind == "w":  # a file may have been there before
            self.now.setdefault(path, File()).pending.append((number, data))
        elif kind == "t":
            self.now[path].pending.append((number, None))
        elif kind == "s" and self.now[path]:
            self.now[path].sync()
        elif kind == "s":
            of_folder = [change for change in self.pending if path in map(os.path.dirname, change[1:3])]
            self.pending = [change for change in self.pending if change not in of_folder]
            for change in of_folder:
                renamed(self.durable, *change)
        else:
            entry = None if kind in "md" else File() if kind == "c" else self.now[path]
            change = (kind, path, data.decode() if kind == "r" else path, entry)
            renamed(self.now, *change)
            if kind == "r" and entry is None:  # a folder takes along what is not on the disk of it
                self.pending = [
                    (kind, inside(old, path, change[2]), inside(new, path, change[2]), of)
                    for kind, old, new, of in self.pending
                ]
            self.pending.append(change)

    def after_loss(self, target, rng, mode):
        """Write what is left into a folder."""
        names = dict(self.durable)
        count = {"dropped": 0, "some": rng.randint(0, len(self.pending))}.get(mode, len(self.pending))
        for change in self.pending[:count]:  # a journal keeps the order
            renamed(names, *change)
        for path in sorted(names):
            if path == self.root or os.path.dirname(path) in names:
                place = Path(target + path.removeprefix(self.root))
                if names[path] is None:
                    place.mkdir()
                else:
                    place.write_bytes(names[path].after_loss(rng, mode))


def inside(name, path, target):
    """A name, where it lies in a folder that is called otherwise from now on."""
    return target + name.removeprefix(path) if name.startswith(f"{path}/") else name


def renamed(names, kind, path, target, entry):
    """One change of names; a folder takes along what is in it."""
    if kind in "cm":
        names[path] = entry
    elif kind in "ud":
        names.pop(path, None)
    else:
        moved = {name: names.pop(name) for name in list(names) if name == path or name.startswith(f"{path}/")}
        names |= {target + name.removeprefix(path): value for name, value in moved.items()}
