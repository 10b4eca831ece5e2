"""Files of the dense leg: inverted lists of float16 vectors that are written once, mapped, and never changed.

A file is what FAISS writes for ``IndexIVFScalarQuantizer``, written list by list, so that its making needs no more
memory than one list; behind it stand two XXH3-64 for each list. The head (what FAISS reads first) and these checksums
are checked when a file is opened, a list before it is first searched: a million vectors are 510 MB, which no cold
search could read, and a third of damaged files load without a word. Small files are checked whole.
"""

from __future__ import annotations

import os
import struct
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xxhash

from searchidx.storage.files import HashingFile, replace_durably

if TYPE_CHECKING:
    import faiss

    from searchidx.types import IdSet, Matrix

    Halves = npt.NDArray[np.float16]

SMALL = 32_000_000
"""Bytes up to which a file is checked whole when it is opened (3 ms)."""
_ID, _HASH = np.dtype("<i8"), np.dtype("<u8")


class Damaged(Exception):
    """A file is not what was written: the leg is made anew from the store."""


@dataclass(frozen=True, slots=True)
class Record:
    """What a file must be: its size, the length of its head, the XXH3-128 of head and checksums, what it holds."""

    file: str
    size: int
    head: int
    xxh3: str
    lists: int
    count: int


class Segment:
    """One file, open for searching. Safe to share between threads.

    Raises:
        Damaged: it is not as recorded.
        FileNotFoundError: a writer has deleted it.
    """

    def __init__(self, folder: Path, record: Record) -> None:
        self.record = record
        self._descriptor = os.open(folder / record.file, os.O_RDONLY)
        weakref.finalize(self, os.close, self._descriptor)
        if os.fstat(self._descriptor).st_size != record.size:
            raise Damaged(f"{record.file} does not have {record.size} bytes")
        head = os.pread(self._descriptor, record.head, 0)
        length = 2 * record.lists * _HASH.itemsize
        checksums = os.pread(self._descriptor, length, max(0, record.size - length))
        if _hash_of(head, checksums) != record.xxh3:
            raise Damaged(f"the head of {record.file} is not what was written")
        self._hashes = np.frombuffer(checksums, _HASH).reshape(2, record.lists)
        self.index = _read(folder / record.file, record)
        self._width = self.index.code_size
        self.sizes = np.frombuffer(head[record.head - record.lists * 8 :], _HASH).astype(np.int64)
        self._starts = record.head + np.concatenate([[0], np.cumsum(self.sizes)[:-1]]) * (self._width + _ID.itemsize)
        if self._starts[-1] + self.sizes[-1] * (self._width + _ID.itemsize) + length != record.size:
            raise Damaged(f"{record.file} holds other lists than it says")
        self._sound = np.zeros(record.lists, bool)
        self._ids: IdSet | None = None
        if record.size <= SMALL:
            self.check(np.arange(record.lists))

    def check(self, lists: npt.NDArray[np.int64]) -> None:
        """Check those of these lists that were not checked before, as FAISS has mapped them."""
        import faiss

        for number in lists[~self._sound[lists] & (self.sizes[lists] > 0)].tolist():
            size, mapped = int(self.sizes[number]), self.index.invlists
            codes = faiss.rev_swig_ptr(mapped.get_codes(number), size * self._width)
            parts = codes, faiss.rev_swig_ptr(mapped.get_ids(number), size)
            if [xxhash.xxh3_64_intdigest(part.data) for part in parts] != self._hashes[:, number].tolist():
                raise Damaged(f"list {number} of {self.record.file} is not what was written")
            self._sound[number] = True

    def ids(self) -> IdSet:
        """The ids of all lists, one after the other; read and checked when first asked for."""
        if self._ids is None:
            parts = [
                self._read(number, first=int(self.sizes[number]) * self._width) for number in range(len(self.sizes))
            ]
            if any(xxhash.xxh3_64_intdigest(p) != h for p, h in zip(parts, self._hashes[1].tolist(), strict=True)):
                raise Damaged(f"the ids in {self.record.file} are not what was written")
            self._ids = np.frombuffer(b"".join(parts), _ID).astype(np.int64, copy=False)
        return self._ids

    def _read(self, number: int, first: int = 0) -> bytes:
        """A list from its byte ``first``: read and not mapped, so that merging needs no memory for the whole file."""
        length = int(self.sizes[number]) * (self._width + _ID.itemsize) - first
        return os.pread(self._descriptor, length, int(self._starts[number]) + first)

    def by_list(self, flags: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        """How many ids of each list are flagged; ``flags`` has one for every id."""
        totals = np.concatenate([[0], np.cumsum(flags[self.ids()])])
        ends = np.cumsum(self.sizes)
        return np.asarray(totals[ends] - totals[ends - self.sizes], np.int64)

    def read(self, number: int) -> tuple[IdSet, Halves]:
        """The ids and vectors of one list, checked."""
        count, data = int(self.sizes[number]), self._read(number)
        codes, ids = data[: count * self._width], data[count * self._width :]
        if [xxhash.xxh3_64_intdigest(codes), xxhash.xxh3_64_intdigest(ids)] != self._hashes[:, number].tolist():
            raise Damaged(f"list {number} of {self.record.file} is not what was written")
        return np.frombuffer(ids, _ID), np.frombuffer(codes, "<f2").reshape(count, self._width // 2)

    def search(
        self, vector: Matrix, k: int, lists: npt.NDArray[np.int64], selector: faiss.IDSelector | None
    ) -> tuple[IdSet, npt.NDArray[np.float32]]:
        """The best ``k`` of some lists by inner product: (ids, scores), unordered."""
        import faiss

        lists = lists[self.sizes[lists] > 0]
        if not len(lists):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        self.check(lists)
        k = min(k, self.record.count)
        scores, ids = np.empty((1, k), np.float32), np.empty((1, k), np.int64)
        chosen, unused = np.ascontiguousarray(lists), np.zeros(len(lists), np.float32)
        parameters = faiss.SearchParametersIVF(sel=selector, nprobe=len(lists))
        pointers = (faiss.swig_ptr(array) for array in (chosen, unused, scores, ids))
        self.index.search_preassigned_c(1, faiss.swig_ptr(vector), k, *pointers, False, parameters)
        found = ids[0] >= 0
        return ids[0][found], scores[0][found]


def _read(path: Path, record: Record) -> Any:
    """The file as FAISS maps it, which takes no time; its reader for memory makes room for every list before.

    Raises:
        Damaged: FAISS refuses it, or it holds something else.
        FileNotFoundError: a writer has deleted it.
    """
    import faiss

    try:
        index = faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP)
    except RuntimeError as error:
        path.stat()
        raise Damaged(f"{record.file}: {error}") from error
    if index.ntotal != record.count or index.nlist != record.lists:
        raise Damaged(f"{record.file} holds {index.ntotal} vectors instead of {record.count}")
    return index


def write_segment(
    path: Path, means: Matrix, sizes: npt.NDArray[np.int64], read: Callable[[int], tuple[IdSet, Halves]]
) -> Record:
    """Write a file durably.

    Args:
        path: where; it is replaced.
        means: float32 [lists, dim], by which lists are chosen.
        sizes: vectors in each list.
        read: gives the ids and vectors of a list by number.
    """
    head = _head(means, sizes)
    hashes = np.zeros((2, len(means)), _HASH)

    def write(file: HashingFile) -> None:
        file.write(head)
        for number in np.flatnonzero(sizes).tolist():
            ids, codes = read(number)
            if len(ids) != sizes[number]:
                raise Damaged(f"list {number} has {len(ids)} vectors instead of {sizes[number]}")
            for row, part in enumerate((codes.astype("<f2", copy=False).tobytes(), ids.astype(_ID).tobytes())):
                hashes[row, number] = xxhash.xxh3_64_intdigest(part)
                file.write(part)
        hashes[:, sizes == 0] = xxhash.xxh3_64_intdigest(b"")
        file.write(hashes.tobytes())

    size, _ = replace_durably(path, write)
    checksum = _hash_of(head, hashes.tobytes())
    return Record(path.name, size, len(head), checksum, len(means), int(sizes.sum()))


def merge_segments(path: Path, means: Matrix, segments: Sequence[Segment], gone: npt.NDArray[np.bool_]) -> Record:
    """Write several files as one, list by list, without the ids that are flagged in ``gone``."""
    sizes = np.sum([segment.by_list(~gone) for segment in segments], axis=0)

    def read(number: int) -> tuple[IdSet, Halves]:
        parts = [segment.read(number) for segment in segments]
        ids, codes = np.concatenate([ids for ids, _ in parts]), np.concatenate([codes for _, codes in parts])
        kept = ~gone[ids]
        return ids[kept], codes[kept]

    return write_segment(path, means, sizes, read)


def _head(means: Matrix, sizes: npt.NDArray[np.int64]) -> bytes:
    """All that FAISS writes before the first list."""
    import faiss

    lists, dim = means.shape
    quantizer = faiss.IndexFlatIP(dim)
    quantizer.add(means)
    kind = faiss.ScalarQuantizer.QT_fp16
    index = faiss.IndexIVFScalarQuantizer(quantizer, dim, lists, kind, faiss.METRIC_INNER_PRODUCT, False)
    index.is_trained, index.ntotal = True, int(sizes.sum())
    data: bytes = faiss.serialize_index(index).tobytes()
    empty = struct.pack("<4sQQ4sQ", b"ilar", lists, index.code_size, b"sprs", 0)
    if not data.endswith(empty):
        raise RuntimeError("this version of FAISS writes inverted lists in another form: install faiss-cpu 1.15")
    full = struct.pack("<4sQQ4sQ", b"ilar", lists, index.code_size, b"full", lists)
    return data[: -len(empty)] + full + sizes.astype(_HASH).tobytes()


def _hash_of(*parts: Any) -> str:
    hashing = xxhash.xxh3_128()
    for part in parts:
        hashing.update(part)
    return hashing.hexdigest()
