"""Members of ZIP and tar archives as sources, one at a time; bombs, links and names that lead out are refused.

Nothing is unpacked under a name that an archive gives: a member is copied to one file, which the next one replaces.
"""

from __future__ import annotations

import lzma
import os
import re
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, cast

from searchidx.articles.isolation import MAX_MEMBER
from searchidx.articles.jsonl import decompressed
from searchidx.articles.sniffing import BINARY_SUFFIXES, MEDIA_TYPES, suffix_of
from searchidx.articles.sources import largest, too_large
from searchidx.errors import ExtractError
from searchidx.types import Document, Failure, Source

MAX_RATIO = 200
"""Bytes that one packed byte may stand for. Text packs to a tenth, bombs pack to a thousandth."""
MIN_UNPACKED = 256 * 2**20
"""Bytes that any archive may unpack to in all, however small it is."""
MAX_ENTRIES = 200_000
MAX_PART = 128 * 2**20
"""Largest file within a DOCX or EPUB, in bytes."""
MAX_DEPTH = 3
"""Archives within each other."""
_PIECE = 2**20
_SMALL = 10 * 2**20
_INSTEAD = "unpack what you trust of it, and add the folder"
_OUTSIDE = re.compile(r"[/\\]|[A-Za-z]:")
_PACKED_ERRORS = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError)


class Bomb(ExtractError):
    """An archive that unpacks to more than can be meant: nothing more of it is read, of no archive around it either."""


@dataclass(frozen=True, slots=True)
class Part:
    """A member of an archive: a file to read, or why it is none.

    ``number`` counts the parts of the outermost archive. ``uri`` and ``metadata`` are what the archive knows of the
    document; its address replaces the one that the document gives.
    """

    item: Source | Failure
    number: int = 0
    uri: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def adapt(self, document: Document) -> Document:
        """The document with what the archive knows of it."""
        return replace(document, uri=self.uri or document.uri, metadata={**document.metadata, **self.metadata})


class Budget:
    """What an archive may still cost, with all the archives in it.

    Args:
        source: the outermost archive.
        progress: told the bytes of it that have been read.
    """

    def __init__(self, source: Source, progress: Callable[[int], None]) -> None:
        self._uri = source.uri
        self._entries = MAX_ENTRIES
        self._done = 0
        size = os.path.getsize(source.path) if source.path.exists() else 0
        self._bytes = max(MIN_UNPACKED, MAX_RATIO * size)
        self._progress = progress

    def enter(self, uri: str, depth: int) -> None:
        """Open an archive within ``depth`` others."""
        if depth >= MAX_DEPTH:
            raise ExtractError(uri, f"an archive within {depth} others: {_INSTEAD}")

    def entry(self) -> None:
        """Meet one more member."""
        self._entries -= 1
        if self._entries < 0:
            raise Bomb(self._uri, f"more than {MAX_ENTRIES:,} files are in it: {_INSTEAD}")

    def spend(self, count: int, source: Source, done: int) -> None:
        """Unpack so many bytes more of an archive, of which ``done`` bytes have been read."""
        self._bytes -= count
        if self._bytes < 0:
            raise Bomb(self._uri, f"it unpacks to more than {MAX_RATIO} times its size, as bombs do: {_INSTEAD}")
        if source.uri == self._uri:
            self._done = done
        self._progress(self._done)


def zip_members(source: Source, place: Path, budget: Budget) -> Iterator[Part]:
    """The members of a ZIP file that may be articles, each copied to ``place`` when its turn comes.

    Raises:
        ExtractError: it is damaged.
        Bomb: it unpacks to too much, or has too many members.
    """
    left_out, met, locked = Counter[str](), 0, 0
    with opened_zip(source) as archive:
        for info in archive.infolist():
            budget.entry()
            if info.is_dir():
                continue
            if info.flag_bits & 1:
                locked += 1
                continue
            linked = "link" if stat.S_ISLNK(info.external_attr >> 16) else ""
            item = judge(source, place, info.filename, info.file_size, linked)
            if isinstance(item, Source):
                item = _copy_zipped(archive, info, source, item, budget)
            if isinstance(item, str):
                left_out[item] += 1
            else:
                met += 1
                yield Part(item)
    if locked:
        reason = f"{locked} of its files are protected by a password: unpack it and add the folder"
        yield Part(Failure(source.uri, reason))
    elif not met:
        yield _nothing(source, left_out)


@contextmanager
def opened_zip(source: Source) -> Iterator[zipfile.ZipFile]:
    """The ZIP file of a source; what is wrong with it, then or later, is an ExtractError."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            yield archive
    except (*_PACKED_ERRORS, ValueError, RuntimeError) as error:
        if isinstance(error, RecursionError):
            raise
        raise damaged(source, error) from None


def read_member(archive: zipfile.ZipFile, name: str, source: Source) -> bytes | None:
    """The bytes of a member that is part of one article; None where there is none of that name.

    Raises:
        ExtractError: it is protected or a bomb.
    """
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    if info.flag_bits & 1:
        raise ExtractError(source.uri, "protected by a password: save a copy without it and add that")
    if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size) or info.file_size > MAX_PART:
        raise ExtractError(source.uri, f"{name!r:.80} in it unpacks to {info.file_size >> 20:,} MiB, as bombs do")
    return archive.read(info)


def _copy_zipped(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, source: Source, member: Source, budget: Budget
) -> Source | Failure:
    if info.file_size > max(_SMALL, MAX_RATIO * info.compress_size):
        ratio = info.file_size // max(info.compress_size, 1)
        return Failure(member.uri, f"it unpacks to {ratio:,} times its size, as bombs do: {_INSTEAD}")
    try:
        with archive.open(info) as packed:
            _copy(packed, member, info.file_size, lambda count: budget.spend(count, source, info.header_offset))
    except (*_PACKED_ERRORS, ValueError, RuntimeError) as error:
        return Failure(member.uri, damaged(member, error).reason)
    return member


def tar_members(source: Source, place: Path, budget: Budget) -> Iterator[Part]:
    """The members of a tar file, compressed or not, that may be articles, each copied to ``place`` in its turn.

    Raises:
        ExtractError: it is damaged or cut off; what came before has been given.
        Bomb: it unpacks to too much, or has too many members.
    """
    left_out, met = Counter[str](), 0
    try:
        with open(source.path, "rb") as raw, decompressed(raw) as plain:
            stream = cast(IO[bytes], _Counted(plain, raw, source, budget))
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                while (info := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # else it remembers them all
                    budget.entry()
                    if info.isdir():
                        continue
                    special = "" if info.isreg() else "link" if info.issym() or info.islnk() else "device or pipe"
                    item = judge(source, place, info.name, info.size, special)
                    if isinstance(item, Source) and (packed := archive.extractfile(info)):
                        _copy(packed, item, info.size)
                    if isinstance(item, str):
                        left_out[item] += 1
                    else:
                        met += 1
                        yield Part(item)
    except (*_PACKED_ERRORS, OSError, ValueError, tarfile.StreamError) as error:
        raise damaged(source, error) from None
    if not met:
        yield _nothing(source, left_out)


class _Counted:
    """A stream that is paid for as it is read."""

    def __init__(self, plain: IO[bytes], raw: IO[bytes], source: Source, budget: Budget) -> None:
        self._plain, self._raw, self._source, self._budget = plain, raw, source, budget

    def read(self, size: int) -> bytes:
        piece = self._plain.read(size)
        self._budget.spend(len(piece), self._source, self._raw.tell())
        return piece


def _copy(packed: IO[bytes], member: Source, size: int, spend: Callable[[int], None] = lambda _: None) -> None:
    """Copy a member to its place."""
    with open(member.path, "wb") as copy:
        while piece := packed.read(_PIECE):
            spend(len(piece))
            copy.write(piece)
            size -= len(piece)
    if size:
        raise tarfile.ReadError("its last member is incomplete")


def judge(source: Source, place: Path, name: str, size: int, special: str) -> Source | Failure | str:
    """A member as a source, why it is refused, or why it is left out as it would be in a folder."""
    steps = [step for step in re.split(r"[/\\]", name) if step not in ("", ".")]
    inner = "/".join(steps).encode(errors="backslashreplace").decode()
    uri = f"{source.uri}/{inner}"
    if _OUTSIDE.match(name) or ".." in steps:
        return Failure(uri, f"its name {name!r:.200} leads out of the archive: {_INSTEAD}")
    if special:
        return Failure(uri, f"a {special}, not a file: {_INSTEAD}")
    if any(step.startswith(".") for step in steps) or steps[:1] == ["__MACOSX"]:
        return "hidden"
    suffix = suffix_of(inner)
    media_type = MEDIA_TYPES.get(suffix)
    if media_type is None:
        return "binary" if suffix in BINARY_SUFFIXES else "unsupported"
    if not size:
        return "empty"
    if size > (limit := min(largest(media_type), MAX_MEMBER)):
        return Failure(uri, too_large(size, limit))
    return Source(uri, source.root, f"{source.label}/{inner}", media_type, place)


def _nothing(source: Source, left_out: Counter[str]) -> Part:
    counts = ", ".join(f"{count} {kind}" for kind, count in left_out.items())
    return Part(Failure(source.uri, f"there is no article in this archive{f' (left out: {counts})' if counts else ''}"))


def damaged(source: Source, error: Exception) -> ExtractError:
    """What to say of a file that ends too early or makes no sense."""
    said = str(error)[:80] or type(error).__name__
    return ExtractError(source.uri, f"it is damaged or cut off ({said}): pack or download it again")
