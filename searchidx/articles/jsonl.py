"""Lines of JSON from a file of any size, compressed or not."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, cast

from searchidx.types import Failure, Source

MAX_LINE_BYTES = 64 * 2**20
"""Longest line that is read; the memory needed is a few times that at the most."""
PIECE = 2**20

DECODER = json.JSONDecoder(parse_constant=lambda _: None)
"""Reads NaN and Infinity, which JSON does not have and some programs write for missing values, as null."""
_OPENERS = ((b"\x1f\x8b", gzip.open), (b"BZh", bz2.open), (b"\xfd7zXZ\x00", lzma.open))


def is_compressed(head: bytes) -> bool:
    """Whether a file that starts with these bytes is gzip, bzip2 or xz."""
    return any(head.startswith(magic) for magic, _ in _OPENERS)


def read_lines(source: Source, progress: Callable[[int], None]) -> Iterator[tuple[int, Any]]:
    """Number and value of each line that is not blank; a Failure in place of what cannot be read.

    Holds one line at a time. ``progress`` is told the bytes read, of the compressed file where it is one.
    """
    number = 0
    with open(source.path, "rb") as raw, decompressed(raw) as file:
        try:
            for number, line in enumerate(_lines(file), 1):
                if line is None or line.strip():
                    yield number, _value(line, f"{source.uri}:{number}", number)
                progress(raw.tell())
        except (EOFError, OSError, lzma.LZMAError, zlib.error) as error:
            if file is raw:
                raise
            reason = f"the compressed file is damaged or cut off after line {number} ({error}): compress it anew"
            yield number + 1, Failure(f"{source.uri}:{number + 1}", reason)


@contextmanager
def decompressed(raw: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself, or a stream of what is packed in it."""
    head = raw.read(8)
    raw.seek(0)
    opener = next((opener for magic, opener in _OPENERS if head.startswith(magic)), None)
    if opener is None:
        yield raw
        return
    with opener(raw, "rb") as file:
        yield cast(IO[bytes], file)


def _lines(file: IO[bytes]) -> Iterator[bytes | None]:
    """Lines without the byte order mark; None for one that is too long, which is never held whole."""
    first = True
    while line := file.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            while line and not line.endswith(b"\n"):
                line = file.readline(PIECE)
            yield None
        else:
            yield line.removeprefix(b"\xef\xbb\xbf") if first else line
        first = False


def _value(line: bytes | None, place: str, number: int) -> Any:
    if line is None:
        return Failure(place, f"line {number} is longer than {MAX_LINE_BYTES >> 20} MiB; split or remove it")
    try:
        return DECODER.decode(line.decode())
    except UnicodeDecodeError:
        return Failure(place, f"line {number} is not UTF-8; convert the file, or remove the line")
    except RecursionError:
        return Failure(place, f"line {number} is nested too deeply; flatten or remove it")
    except ValueError as error:
        return Failure(place, f"line {number} is not valid JSON: {error}; mend or remove it")
