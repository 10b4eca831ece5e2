"""What a user names into files to read: files, folders, glob patterns and standard input."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from math import inf
from pathlib import Path
from typing import BinaryIO

import xxhash

from searchidx.articles import addresses
from searchidx.articles.decoding import is_binary
from searchidx.articles.jsonl import is_compressed
from searchidx.articles.sniffing import (
    BINARY_SUFFIXES,
    DOCX,
    EPUB,
    MEDIA_TYPES,
    NOT_TEXT,
    PDF,
    SAMPLE,
    TAR,
    WARC,
    ZIP,
    sniff,
    suffix_of,
)
from searchidx.articles.walking import Entry, examine, split_pattern, walk
from searchidx.errors import FetchError
from searchidx.types import Failure, Source

MAX_ARTICLE_BYTES = 64 * 2**20
"""Largest file that holds one article; what is larger is a mistake, or many articles."""
MAX_BOOK_BYTES = 512 * 2**20
"""The same for PDF, DOCX and EPUB, most of which is pictures that are never read."""
_LARGEST = dict.fromkeys((PDF, DOCX, EPUB), MAX_BOOK_BYTES) | dict.fromkeys(("application/jsonl", ZIP, TAR, WARC), inf)
STDIN = "stdin"
"""Address and root of what comes from standard input."""
_PIECE = 2**20
_SIBLINGS = 5000
_READ = f"files that are read: {' '.join(MEDIA_TYPES)}"
_SENTENCES = {
    "empty": "it is empty",
    "binary": "a binary file, not text: export it as text, Markdown or HTML",
}


def find(spec: str, skipped: Counter[str], *, stdin: BinaryIO | None = None) -> Iterator[Source | Failure]:
    """The sources that ``spec`` names, in the order of their names within each folder; raises nothing.

    Args:
        spec: a file, a folder, a glob pattern (``**`` for any folders; a folder that matches is read whole, as if the
            shell had expanded the pattern), or ``-`` for standard input. A path that exists is never a pattern.
        skipped: counts what is left out of folders: ``hidden``, ``binary``, ``unsupported``, ``empty``, ``special``
            (pipes, sockets, devices) and ``linked`` (symbolic links to folders, which are not followed).
        stdin: read in place of standard input; its copy on disk is deleted when the iterator goes on.
    """
    place = os.path.abspath(spec)
    if spec == "-":
        yield from _standard_input(stdin or getattr(sys.stdin, "buffer", None))
    elif addresses.is_address(spec):
        yield Failure(spec, "web addresses are fetched by searchidx add and sync only")
    elif not spec.strip() or "\0" in spec:
        yield Failure(spec, "not a path: name a file, a folder, a pattern, or - for standard input")
    elif _text(place) != place:
        yield Failure(_text(place), "its name is not valid UTF-8, so that sync could not find it again: rename it")
    elif os.path.isdir(place) or (not os.path.lexists(place) and split_pattern(place)[1]):
        yield from _folder(place, skipped)
    elif os.path.lexists(place):
        yield _named(place)
    else:
        yield Failure(place, f"no such file or folder{_guess(place)}")


def root(spec: str) -> str:
    """The address that ``sync`` visits again: an absolute path or pattern, a web address, or ``stdin``."""
    if addresses.is_address(spec):
        try:
            return str(addresses.parse(spec))
        except FetchError as error:
            return error.uri
    return STDIN if spec == "-" else _text(os.path.abspath(spec))


def exists(root: str) -> bool:
    """Whether there is something at a root: a path, or the folder at which a pattern starts."""
    base, parts = split_pattern(root)
    return root != STDIN and (os.path.isdir(base) if parts else os.path.lexists(root))


def size(spec: str) -> int:
    """Bytes of the files that ``find`` would name, without opening them; 0 where it cannot be known."""
    if spec == "-" or addresses.is_address(spec) or "\0" in spec:
        return 0
    place = os.path.abspath(spec)
    entries = [examine(place)] if os.path.isfile(place) else walk(place)
    return sum(entry.size for entry in entries if entry.kind == "file" and _may_be_read(entry.path, place))


def digest(source: Source) -> str:
    """XXH3-128 of the bytes of a source, in hexadecimal; memory does not grow with the file.

    Raises:
        OSError: it cannot be read.
    """
    state = xxhash.xxh3_128()
    with open(source.path, "rb") as file:
        while piece := file.read(_PIECE):
            state.update(piece)
    return state.hexdigest()


def largest(media_type: str) -> float:
    """Bytes that a file of this type may have: no limit where it holds many articles."""
    return _LARGEST.get(media_type, MAX_ARTICLE_BYTES)


def too_large(size: int, limit: float = MAX_ARTICLE_BYTES) -> str:
    """Why a file of so many bytes is not read."""
    advice = "split it, or write it as JSONL, one article a line"
    return f"{size / 2**20:,.0f} MiB, where an article has {int(limit) >> 20} MiB at most: {advice}"


def _folder(place: str, skipped: Counter[str]) -> Iterator[Source | Failure]:
    """What is in a folder or matches a pattern; one Failure where that is nothing."""
    left_out = Counter[str]()
    base, pattern = split_pattern(place)
    empty = True
    for entry in walk(place):
        found = _member(entry, base, place) if entry.kind in ("file", "failed") else entry.kind
        if isinstance(found, str):
            left_out[found] += 1
            skipped[found] += 1
        else:
            empty = False
            yield found
    if empty:
        what = "no file matches this pattern" if pattern else "there is no article in this folder"
        counts = ", ".join(f"{count} {kind}" for kind, count in left_out.items())
        yield Failure(place, f"{what}{f' (left out: {counts})' if counts else ''}; {_READ}")


def _member(entry: Entry, base: str, place: str) -> Source | Failure | str:
    """A file of a folder as a source, or why it is left out."""
    if entry.kind == "failed":
        return Failure(_text(entry.path), entry.reason)
    if not _may_be_read(entry.path, place):
        return "binary" if suffix_of(entry.path) in BINARY_SUFFIXES else "unsupported"
    try:
        media_type, why = _judge(entry)
    except OSError as error:
        return Failure(_text(entry.path), f"cannot be read: {error.strerror}")
    if why in ("empty", "binary"):
        return why
    return Failure(_text(entry.path), why) if why else _source(entry.path, base, place, media_type)


def _may_be_read(path: str, place: str) -> bool:
    """Whether a file is of a kind that is read, or its suffix was asked for by its name or by the end of a pattern."""
    suffix = suffix_of(path)
    return suffix in MEDIA_TYPES or place == path or (suffix != "" and place.lower().endswith(suffix))


def _named(place: str) -> Source | Failure:
    """A file that the user named: read whatever its suffix."""
    entry = examine(place)
    if entry.kind == "failed":
        return Failure(place, entry.reason)
    if entry.kind == "special":
        return Failure(place, "a pipe, socket or device, not a file: give its content on standard input, and - as path")
    try:
        media_type, why = _judge(entry)
    except OSError as error:
        return Failure(place, f"cannot be read: {error.strerror}")
    return Failure(place, _SENTENCES.get(why, why)) if why else _source(place, place, place, media_type)


def _judge(entry: Entry) -> tuple[str, str]:
    """Media type of a file, or why it is not read: ``empty``, ``binary``, or a sentence."""
    if not entry.size:
        return "", "empty"
    with open(entry.path, "rb") as file:
        head = file.read(SAMPLE)
    media_type = MEDIA_TYPES.get(suffix_of(entry.path)) or sniff(head)
    if media_type == "application/jsonl" and is_compressed(head):
        return media_type, ""
    if media_type not in NOT_TEXT and is_binary(head):
        return "", "binary"
    if entry.size > (limit := largest(media_type)):
        return "", too_large(entry.size, limit)
    return media_type, ""


def _source(path: str, base: str, place: str, media_type: str) -> Source:
    above = os.path.dirname(base).rstrip(os.sep) + os.sep
    return Source(_text(path), place, _text(path.removeprefix(above)), media_type, Path(path))


def _standard_input(stream: BinaryIO | None) -> Iterator[Source | Failure]:
    """A copy on disk, since what is read may be longer than memory and is read twice."""
    with tempfile.NamedTemporaryFile(prefix="searchidx-") as copy:
        try:
            if stream is not None:
                shutil.copyfileobj(stream, copy, _PIECE)
            copy.flush()
            media_type, why = _judge(Entry(copy.name, "file", copy.tell()))
        except OSError as error:
            media_type, why = "", f"cannot be read: {error.strerror or error}"
        if why:
            yield Failure(STDIN, _SENTENCES.get(why, why))
        else:
            yield Source(STDIN, STDIN, STDIN, media_type, Path(copy.name))


def _text(path: str) -> str:
    r"""A path that can be stored: bytes that are no UTF-8 are written as ``\xff``."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _guess(place: str) -> str:
    """What may have been meant by a path that is not there."""
    folder, name = os.path.split(place)
    if not os.path.isdir(folder):
        return f": there is no folder {folder}"
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _SIBLINGS)]
    except OSError:
        return ""
    close = get_close_matches(name, names, 1)
    return f"; did you mean {_text(os.path.join(folder, close[0]))}?" if close else ""
