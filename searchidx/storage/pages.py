"""What the pages of an SQLite file hold, read without SQLite: all that is left of a database that it refuses.

Only ``salvage.py`` needs it. Nothing in the file is trusted: a page or a row that makes no sense is passed over, and
what is read is to be verified by who asked. The layout is that of https://www.sqlite.org/fileformat.html.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

PAGE = 4096
"""Bytes of a page; SQLite's default, which every store has."""
LEAF, INDEX, INNER_INDEX = 13, 10, 2
"""Kinds of pages that hold rows: of tables, and of their indexes."""
FRAME = PAGE + 24
"""Bytes of a page in the write-ahead log."""
_LARGE = {LEAF: PAGE - 35, INDEX: (PAGE - 12) * 64 // 255 - 23, INNER_INDEX: (PAGE - 12) * 64 // 255 - 23}
_LEAST = (PAGE - 12) * 32 // 255 - 23
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
UNREADABLE = (IndexError, ValueError, struct.error)
"""What comes of reading damaged pages."""
Value: TypeAlias = int | float | str | bytes | None


@dataclass(frozen=True, slots=True)
class Row:
    """Where a row lies, and of what types its columns are.

    Attributes:
        kind: LEAF, INDEX or INNER_INDEX.
        rowid: of a row of a table; 0 in an index.
        types: SQLite's code of each column: 0 null, 1 to 9 numbers, even from 12 bytes, odd from 13 text.
        page: its number.
        place: of the row on the page.
    """

    kind: int
    rowid: int
    types: Sequence[int]
    page: int
    place: int


class Pages:
    """The pages of a database, those in its write-ahead log first; a context manager."""

    def __init__(self, path: Path) -> None:
        self._files = ExitStack()
        self._file = self._files.enter_context(path.open("rb"))
        self._count = -(-os.fstat(self._file.fileno()).st_size // PAGE)
        log = path.with_name(f"{path.name}-wal")
        self._log = self._files.enter_context(log.open("rb")) if log.exists() else None
        self._newer = _committed(self._log) if self._log else {}
        self._count = max(self._count, max(self._newer, default=0))

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *_: object) -> None:
        self._files.close()

    def page(self, number: int) -> bytes:
        """A page, counted from 1; shorter where the file ends."""
        if self._log and number in self._newer:
            return os.pread(self._log.fileno(), PAGE, self._newer[number])
        return os.pread(self._file.fileno(), PAGE, (number - 1) * PAGE) if 0 < number <= self._count else b""

    def rows(self) -> Iterator[Row]:
        """Every row of every table and index that can be made out, of pages in use."""
        free = self._free()
        for number in range(1, self._count + 1):
            if number not in free:
                page = self.page(number)
                start = 100 if number == 1 else 0
                if len(page) > start + 8 and page[start] in _LARGE:
                    yield from self._rows_of(page, number, start)

    def _rows_of(self, page: bytes, number: int, start: int) -> Iterator[Row]:
        kind = page[start]
        first = start + (12 if kind == INNER_INDEX else 8)
        for index in range(int.from_bytes(page[start + 3 : start + 5])):
            pointer = page[first + 2 * index : first + 2 * index + 2]
            place = int.from_bytes(pointer)
            if len(pointer) < 2 or place < first:
                return
            try:
                _, rowid, body = _head(page, kind, place)
                yield Row(kind, rowid, _types(page, body)[0], number, place)
            except UNREADABLE:
                continue

    def values(self, row: Row) -> list[Value]:
        """The columns of a row.

        Raises:
            UNREADABLE: it cannot be read.
        """
        payload = self._payload(row)
        types, at = _types(payload, 0)
        values = []
        for code in types:
            value, at = _value(payload, code, at)
            values.append(value)
        return values

    def _payload(self, row: Row) -> bytes:
        """The bytes of a row, those on overflow pages too."""
        page = self.page(row.page)
        size, _, body = _head(page, row.kind, row.place)
        local = size
        if size > _LARGE[row.kind]:
            local = _LEAST + (size - _LEAST) % (PAGE - 4)
            local = local if local <= _LARGE[row.kind] else _LEAST
        parts, left = [page[body : body + local]], size - local
        if left and left > self._count * PAGE:
            raise ValueError("longer than the file")
        following = int.from_bytes(page[body + local : body + local + 4]) if left else 0
        while left > 0:
            page = self.page(following)
            if len(page) < min(PAGE, left + 4):
                raise ValueError("a page is missing")
            parts.append(page[4 : 4 + left])
            left -= PAGE - 4
            following = int.from_bytes(page[:4])
        whole = b"".join(parts)
        if len(whole) != size:
            raise ValueError("cut short")
        return whole

    def _free(self) -> set[int]:
        """Pages that SQLite keeps for later, where what was removed may stand; none where their list is damaged."""
        head = self.page(1)
        trunk, count = int.from_bytes(head[32:36]), int.from_bytes(head[36:40])
        free: set[int] = set()
        while trunk and trunk not in free:
            page = self.page(trunk)
            size = int.from_bytes(page[4:8])
            if len(page) < PAGE or size > PAGE // 4 - 2:
                return set()
            free |= {trunk, *struct.unpack_from(f">{size}I", page, 8)}
            trunk = int.from_bytes(page[:4])
        return free if len(free) == count else set()


def _committed(log: BinaryIO) -> dict[int, int]:
    """Where the newest committed version of each page lies in a write-ahead log, up to its first damage."""
    head = log.read(32)
    if len(head) < 32:
        return {}
    magic, _, size = struct.unpack_from(">3I", head)
    order = ">" if magic == 0x377F0683 else "<"
    sums = _sums(head[:24], order, (0, 0))
    if magic not in (0x377F0682, 0x377F0683) or size != PAGE or sums != struct.unpack_from(">2I", head, 24):
        return {}
    newest: dict[int, int] = {}
    pending: dict[int, int] = {}
    while len(frame := log.read(FRAME)) == FRAME and frame[8:16] == head[16:24]:
        sums = _sums(frame[24:], order, _sums(frame[:8], order, sums))
        number, committed = struct.unpack_from(">2I", frame)
        if sums != struct.unpack_from(">2I", frame, 16):
            break
        pending[number] = log.tell() - PAGE
        if committed:
            newest |= pending
            pending = {}
    return newest


def _sums(data: bytes, order: str, sums: tuple[int, int]) -> tuple[int, int]:
    """The checksum of the write-ahead log, continued."""
    first, second = sums
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for i in range(0, len(words), 2):
        first = (first + words[i] + second) & 0xFFFFFFFF
        second = (second + words[i + 1] + first) & 0xFFFFFFFF
    return first, second


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends."""
    value = 0
    for i in range(8):
        byte = data[at + i]
        value = value << 7 | byte & 127
        if byte < 128:
            return value, at + i + 1
    return value << 8 | data[at + 8], at + 9


def _head(page: bytes, kind: int, place: int) -> tuple[int, int, int]:
    """Size of a row in bytes, its rowid, and where it begins."""
    size, at = _varint(page, place + (4 if kind == INNER_INDEX else 0))
    rowid, at = _varint(page, at) if kind == LEAF else (0, at)
    return size, rowid, at


def _types(data: bytes, at: int) -> tuple[list[int], int]:
    """The types of the columns of a row that begins at ``at``, and where their values begin."""
    size, place = _varint(data, at)
    end, types = at + size, []
    if not 1 < size < 256:
        raise ValueError("no row of a store")
    while place < end:
        code, place = _varint(data, place)
        types.append(code)
    return types, end


def _value(data: bytes, code: int, at: int) -> tuple[Value, int]:
    if code in (0, 8, 9):
        return {0: None, 8: 0, 9: 1}[code], at
    if code in _INTEGERS:
        end = at + _INTEGERS[code]
        return int.from_bytes(data[at:end], signed=True), end
    if code == 7:
        return float(struct.unpack_from(">d", data, at)[0]), at + 8
    end = at + (code - 12) // 2
    if code < 12 or end > len(data):
        raise ValueError("no value")
    return (data[at:end].decode() if code % 2 else data[at:end]), end
