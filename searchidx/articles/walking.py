"""The files below a folder, or those that match a pattern, one folder at a time and in order."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from glob import has_magic
from typing import NamedTuple

Parts = tuple[str, ...]


class Entry(NamedTuple):
    """Something met on the way.

    ``kind`` is ``file``, ``failed`` (with the reason), or why it is left out: ``hidden``, ``special``, ``linked``.
    """

    path: str
    kind: str
    size: int = 0
    reason: str = ""


def split_pattern(place: str) -> tuple[str, Parts]:
    """The folder at which an absolute pattern starts, and the parts to match below; no parts where it is a path.

    A part that exists as it is written is no pattern, so that ``draft[1]/*.md`` finds what is in ``draft[1]``.
    """
    base, parts = os.sep, [part for part in place.split(os.sep) if part]
    while parts and (not has_magic(parts[0]) or os.path.lexists(os.path.join(base, parts[0]))):
        base = os.path.join(base, parts.pop(0))
    return base, tuple(parts)


def walk(place: str) -> Iterator[Entry]:
    """Files below the folder, or below the base of the pattern and matching it, sorted within each folder.

    Symbolic links to folders are not followed, so it ends. Memory holds the names of one folder for each level.
    """
    base, parts = split_pattern(place)
    dotted = any(part.startswith(".") for part in parts)
    levels = [_listing(base)]
    while levels:
        met = next(levels[-1], None)
        if met is None:
            levels.pop()
        elif isinstance(met, Entry):
            yield met
        else:
            names = tuple(met.path.removeprefix(base).strip(os.sep).split(os.sep)) if parts else ()
            enters = met.is_dir(follow_symlinks=False)
            if not (_reaches(names, parts) if enters else _covers(names, parts)):
                continue
            if met.name.startswith(".") and not dotted:
                yield Entry(met.path, "hidden")
            elif enters:
                levels.append(_listing(met.path))
            else:
                yield examine(met.path)


def _listing(folder: str) -> Iterator[os.DirEntry[str] | Entry]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        yield Entry(folder, "failed", reason=f"this folder cannot be opened: {error.strerror}")
        return
    yield from found


def examine(path: str) -> Entry:
    """What lies at a path; links to files are followed."""
    try:
        status = os.stat(path)
    except OSError as error:
        if os.path.islink(path):
            return Entry(path, "failed", reason=f"a broken link to {os.readlink(path)!r}: mend or remove it")
        return Entry(path, "failed", reason=f"cannot be read: {error.strerror}")
    if stat.S_ISREG(status.st_mode):
        return Entry(path, "file", status.st_size)
    return Entry(path, "linked" if stat.S_ISDIR(status.st_mode) else "special")


def _covers(names: Parts, parts: Parts) -> bool:
    """Whether a path, or a folder above it, matches; everything matches no parts."""
    return not parts or any(_matches(names[:depth], parts) for depth in range(1, len(names) + 1))


def _reaches(names: Parts, parts: Parts) -> bool:
    """Whether something below a folder can match."""
    return _covers(names, parts) or _begins(names, parts)


def _begins(names: Parts, parts: Parts) -> bool:
    if not names or not parts or parts[0] == "**":
        return bool(parts)
    return fnmatchcase(names[0], parts[0]) and _begins(names[1:], parts[1:])


def _matches(names: Parts, parts: Parts) -> bool:
    if not parts:
        return not names
    if parts[0] == "**":
        return _matches(names, parts[1:]) or (bool(names) and _matches(names[1:], parts))
    return bool(names) and fnmatchcase(names[0], parts[0]) and _matches(names[1:], parts[1:])
