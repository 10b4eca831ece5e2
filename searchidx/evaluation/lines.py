"""Lines of the files that collections come in, compressed or not; every fault names its file and line."""

from __future__ import annotations

import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from searchidx.articles.jsonl import decompressed, read_lines
from searchidx.errors import BadCollection
from searchidx.types import Failure, Source


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, unpacked where it is gzip, bzip2 or xz.

    Raises:
        BadCollection: it cannot be opened, or is damaged.
    """
    try:
        with open(path, "rb") as raw, decompressed(raw) as file:
            yield file
    except (EOFError, lzma.LZMAError, zlib.error) as error:
        raise BadCollection(f"{path}: the compressed file is damaged or cut off ({error}): fetch it anew") from error
    except OSError as error:
        raise BadCollection(f"{path}: cannot be read: {error.strerror or error}") from error


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, without its end."""
    with opened(path) as file:
        for number, line in enumerate(file, 1):
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                raise BadCollection(f"{path}:{number}: not UTF-8: convert the file, or remove the line") from error
            if text.strip():
                yield number, text


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line that is not blank."""
    place = os.fspath(path)
    try:
        for number, value in read_lines(Source(place, place, path.name, "application/jsonl", path), lambda _: None):
            if isinstance(value, Failure):
                raise BadCollection(f"{value.uri}: {value.reason}")
            if not isinstance(value, dict):
                raise BadCollection(f"{path}:{number}: this line holds no JSON object: expected {{...}}")
            yield number, value
    except OSError as error:
        raise BadCollection(f"{path}: cannot be read: {error.strerror or error}") from error


def head(path: Path, size: int = 4096) -> bytes:
    """The first bytes of a file, unpacked, without a byte order mark and leading blanks."""
    with opened(path) as file:
        return file.read(size).removeprefix(b"\xef\xbb\xbf").lstrip()
