"""One moment of the dense leg: files, what was dropped from them, and the vectors that are in none of them yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from searchidx.storage.inverted import nearest_lists
from searchidx.storage.segments import Record, Segment
from searchidx.types import Change, Ranking

if TYPE_CHECKING:
    import faiss

    from searchidx.types import IdSet, Matrix

    Scores = npt.NDArray[np.float32]

MANY = 0.4
"""Share of the passages from which on those that a filter leaves out are taken from the result, not skipped."""
_MASKS = 16
"""Filters that are remembered: a service asks the same few again and again."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the files must be, else they are made anew.

    Attributes:
        gone: file, size and XXH3-128 of the ids that were dropped and are still in the segments.
        nprobe: lists that a query reads.
        recall: recall@10 against exact search with so many lists.
        measured: passages there were when it was measured.
        trained: passages there were when the lists were made; 0 where there is one list.
    """

    store_id: str
    generation: int
    position: int
    last_id: int
    segments: tuple[Record, ...]
    gone: tuple[str, int, str]
    nprobe: int = 1
    recall: float = 1.0
    measured: int = 0
    trained: int = 0


@dataclass(frozen=True)
class _Mask:
    """What a search may return: a flag for each id, and what follows from it."""

    flags: npt.NDArray[np.bool_]
    share: float  # of the ids that are set
    selector: faiss.IDSelector
    bits: npt.NDArray[np.uint8]  # keeps the memory under ``selector`` alive
    by_list: npt.NDArray[np.int64] | None  # how many of each list; None without a filter, or with one list


@dataclass(frozen=True)
class State:
    """One moment of the leg. Never changed: a newer one replaces it, while searches go on with theirs."""

    position: int
    manifest: Manifest | None = None
    segments: tuple[Segment, ...] = ()
    means: Matrix = field(default_factory=lambda: np.zeros((1, 0), np.float32))
    gone: IdSet = field(default_factory=lambda: np.empty(0, np.int64))  # in the files, and no longer in the store
    dropped: frozenset[int] = frozenset()  # the same, since the files were written
    tail_ids: IdSet = field(default_factory=lambda: np.empty(0, np.int64))
    tail: Matrix = field(default_factory=lambda: np.empty((0, 0), np.float32))
    lost: bool = False  # the files were damaged: until everything is caught up with, the store answers
    masks: dict[int, tuple[IdSet | None, _Mask]] = field(default_factory=dict)

    @property
    def outside(self) -> int:
        """Number of changes that the files do not hold."""
        return self.position - (self.manifest.position if self.manifest else 0)

    @property
    def last_id(self) -> int:
        """Highest passage id that the files can hold."""
        return self.manifest.last_id if self.manifest else 0

    @property
    def held(self) -> int:
        """Number of vectors in the files, dropped ones too."""
        return sum(segment.record.count for segment in self.segments)

    def extended(self, changes: Sequence[Change], ids: IdSet, vectors: Matrix) -> State:
        """The state after some changes; ``ids`` and ``vectors`` are those put by them that still exist."""
        gone = {change.passage_id for change in changes if not change.put}
        kept = ~np.isin(self.tail_ids, list(gone))
        tails = [tail for tail in (self.tail[kept], vectors) if len(tail)]
        return replace(
            self,
            position=changes[-1].seq,
            dropped=self.dropped | {i for i in gone if i <= self.last_id},  # ids only grow: others are in no file
            tail_ids=np.concatenate([self.tail_ids[kept], ids]),
            tail=np.concatenate(tails) if tails else self.tail[:0],
            lost=False,
            masks={},
        )

    def flags(self, last_id: int) -> npt.NDArray[np.bool_]:
        """For each id up to ``last_id`` whether it was dropped."""
        flags = np.zeros(last_id + 1, bool)
        flags[self.gone] = True
        flags[list(self.dropped)] = True
        return flags

    def mask(self, allowed: IdSet | None) -> _Mask | None:
        """What a filter and the drops leave; made once for an array that cannot change."""
        if allowed is None and not len(self.gone) and not self.dropped:
            return None
        known = self.masks.get(id(allowed))
        if known and known[0] is allowed:
            return known[1]
        mask = self._mask(allowed)
        if allowed is None or not allowed.flags.writeable:
            if len(self.masks) >= _MASKS:
                self.masks.clear()
            self.masks[id(allowed)] = allowed, mask
        return mask

    def _mask(self, allowed: IdSet | None) -> _Mask:
        import faiss

        flags = ~self.flags(self.last_id)
        if allowed is not None:
            passing = np.zeros_like(flags)
            passing[allowed[allowed <= self.last_id]] = True
            flags &= passing
        bits = np.packbits(flags, bitorder="little")
        counted = allowed is not None and len(self.means) > 1
        by_list = np.sum([segment.by_list(flags) for segment in self.segments], axis=0) if counted else None
        return _Mask(flags, flags.sum() / max(self.held, 1), faiss.IDSelectorBitmap(bits), bits, by_list)


def state_of(manifest: Manifest, segments: tuple[Segment, ...], gone: IdSet) -> State:
    """The state of files that were just opened; ``gone`` are ids in them that were dropped."""
    index = segments[0].index if segments else None
    means = index.quantizer.reconstruct_n(0, index.nlist) if index else State(0).means
    return State(manifest.position, manifest, segments, means, gone)


def search_files(state: State, vector: Matrix, k: int, allowed: IdSet | None) -> tuple[IdSet, Scores]:
    """The best of the files: (ids, scores), unordered."""
    if not state.manifest or not state.segments:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    mask = state.mask(allowed)
    by_list = mask.by_list if mask else None
    lists = nearest_lists(vector, state.means, state.manifest.nprobe, by_list, state.held)
    if mask is None:
        return _read_lists(state, vector, k, lists, None)
    if mask.share < MANY:
        return _read_lists(state, vector, k, lists, mask.selector)
    depth = int(1.2 * k / mask.share) + 20
    while True:  # to leave out afterwards is faster than to ask for each id
        ids, scores = _read_lists(state, vector, depth, lists, None)
        kept = mask.flags[ids]
        if kept.sum() >= k or len(ids) < depth:
            return ids[kept], scores[kept]
        depth *= 4


def _read_lists(
    state: State, vector: Matrix, k: int, lists: npt.NDArray[np.int64], selector: faiss.IDSelector | None
) -> tuple[IdSet, Scores]:
    """The best ``k`` of some lists of all files."""
    with _one_thread():
        found = [segment.search(vector, k, lists, selector) for segment in state.segments]
    ids, scores = (np.concatenate(some) for some in zip(*found, strict=True))
    if len(ids) > k:
        best = np.argpartition(-scores, k - 1)[:k]
        ids, scores = ids[best], scores[best]
    return ids, scores


@contextmanager
def _one_thread() -> Iterator[None]:
    """One query gains nothing from a second thread, and could wait 20 ms for it."""
    import faiss

    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def best_of(ids: IdSet, vectors: Matrix, vector: Matrix, k: int, allowed: IdSet | None) -> tuple[IdSet, Scores]:
    """Exact search in memory: (ids, scores), best first."""
    if not len(ids):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    scores = vectors @ vector[0]
    if allowed is not None:
        inside = np.isin(ids, allowed, assume_unique=True)
        ids, scores = ids[inside], scores[inside]
    best = np.argsort(-scores, kind="stable")[:k]
    return ids[best], scores[best]


def ranking_of(ids: IdSet, scores: Scores, k: int) -> Ranking:
    """The best ``k``, ties by id."""
    order = np.lexsort((ids, -scores))[:k]
    return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))
