"""The dense leg: FAISS over the passage vectors, and an exact tail over those that its file does not hold yet.

The file is an arrangement of the store's vectors. It is mapped, never read into memory and never changed: its size and
XXH3-128 are checked before FAISS sees a byte (a third of damaged files load without a word otherwise), a new one is
written beside it and swapped in. Whatever changed since the file was written is scanned exactly in numpy, so adding one
article costs nothing here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xxhash

from searchidx.errors import StorageError
from searchidx.storage.files import HashingFile, replace_durably, storage_errors
from searchidx.storage.store import Store
from searchidx.types import Change, Query, Ranking

if TYPE_CHECKING:
    import faiss

    from searchidx.types import IdSet, Matrix

MANIFEST = "manifest.json"
TAIL_LIMIT = 4096
"""Changes kept outside the file: a cold start reads them from SQLite (13 ms full), a query scans them (0.2 ms)."""
FLAT_LIMIT = 1_000_000
"""Passages up to which the file is flat and exact: 2.4 ms a query per 100,000 passages. Beyond it an IVF index."""
RECALL_TARGET = 0.99
"""Recall@10 against exact search that the number of probed lists is chosen for when an IVF index is built."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the FAISS file must be, else it is rebuilt."""

    file: str
    size: int
    xxh3: str
    store_id: str
    generation: int
    position: int
    count: int
    last_id: int
    nprobe: int = 0
    recall: float = 1.0


@dataclass(frozen=True)
class _State:
    """One moment of the leg. Never changed: a newer one replaces it, while searches go on with theirs."""

    position: int
    index: faiss.Index | None = None
    last_id: int = 0  # highest passage id in ``index``
    mapped: Any = None  # keeps the memory under ``index`` alive
    manifest: Manifest | None = None
    dropped: frozenset[int] = frozenset()  # in the file, and no longer in the store
    tail_ids: IdSet = field(default_factory=lambda: np.empty(0, np.int64))
    tail: Matrix = field(default_factory=lambda: np.empty((0, 0), np.float32))

    @property
    def outside(self) -> int:
        """Number of changes that the file does not hold."""
        return len(self.tail_ids) + len(self.dropped)

    def extended(self, changes: Sequence[Change], ids: IdSet, vectors: Matrix) -> _State:
        """The state after some changes; ``ids`` and ``vectors`` are those put by them that still exist."""
        put = {change.passage_id for change in changes if change.put}
        gone = {change.passage_id for change in changes if not change.put}
        kept = ~np.isin(self.tail_ids, list(gone))
        tails = [tail for tail in (self.tail[kept], vectors) if len(tail)]
        return replace(
            self,
            position=changes[-1].seq,
            dropped=self.dropped | (gone - put - set(self.tail_ids.tolist())),
            tail_ids=np.concatenate([self.tail_ids[kept], ids]),
            tail=np.concatenate(tails) if tails else self.tail[:0],
        )


class DenseIndex:
    """FAISS arrangement of the passage vectors of one store.

    Args:
        folder: where its files lie; it is made when something is written.
        store: the truth to catch up with.
        writable: False to leave the folder alone: everything not in the file is then kept in memory.

    Attributes:
        generation: of the vectors that it holds.
    """

    def __init__(self, folder: Path, store: Store, *, writable: bool = False, flat_limit: int = FLAT_LIMIT) -> None:
        self.folder = folder
        self._store = store
        self.writable = writable
        self._flat_limit = flat_limit
        self._lock = threading.Lock()
        self.generation: int = store.setting("generation")
        self._state = self._load() or _State(position=0)

    def position(self) -> int:
        """Number of the last change that it contains."""
        return self._state.position

    def count(self) -> int:
        """Number of passages that it holds."""
        state = self._state
        in_file = int(state.index.ntotal) if state.index else 0
        return in_file - len(state.dropped) + len(state.tail_ids)

    def ids(self) -> IdSet:
        """Ids of all passages that it holds."""
        import faiss

        state, kept = self._state, np.empty(0, np.int64)
        if state.index and state.manifest and state.manifest.nprobe:
            lists = faiss.extract_index_ivf(state.index).invlists
            sizes = [lists.list_size(i) for i in range(lists.nlist)]
            parts = [faiss.rev_swig_ptr(lists.get_ids(i), size) for i, size in enumerate(sizes) if size]
            kept = np.concatenate([kept, *parts])
        elif state.index:
            kept = faiss.vector_to_array(state.index.id_map)
        return np.concatenate([kept[~np.isin(kept, list(state.dropped))], state.tail_ids])

    def status(self) -> dict[str, Any]:
        """Kind of file, its recall against exact search as measured when it was built, and what lies outside it."""
        manifest = self._state.manifest
        return {
            "kind": "none" if not manifest else "ivf" if manifest.nprobe else "flat",
            "recall@10": manifest.recall if manifest else 1.0,
            "bytes": manifest.size if manifest else 0,
            "tail": self._state.outside,
            "position": self._state.position,
        }

    # catching up

    def apply(self, changes: Iterable[Change]) -> None:
        """Put and drop passages; the writer rewrites the file once more than TAIL_LIMIT changes lie outside it."""
        with self._lock:
            new = (change for change in changes if change.seq > self._state.position)
            some = list(islice(new, TAIL_LIMIT + 1))
            if self.writable and len(some) + self._state.outside > TAIL_LIMIT:
                self._rebuild()
            elif some:
                self._extend([*some, *new])

    def _extend(self, changes: list[Change]) -> None:
        if len(changes) > TAIL_LIMIT and (newer := self._load()):
            self._state = newer
            changes = [change for change in changes if change.seq > newer.position]
        if changes:
            put = [change.passage_id for change in changes if change.put]
            self._state = self._state.extended(changes, *self._store.vectors(put, self.generation))

    def rebuild(self) -> None:
        """Write the file anew from the store's vectors; a reader holds the result in memory instead."""
        with self._lock:
            self._rebuild()

    def _rebuild(self) -> None:
        with self._store.snapshot():
            position, last_id = self._store.position(), self._store.last_passage_id()
            index, nprobe, recall = self._build()
        if not self.writable:
            self._state = _State(position, index, last_id)
            return
        with storage_errors(self.folder):
            manifest = self._write(index, position, last_id, nprobe, recall)
        loaded = self._load()
        if loaded is None:
            raise StorageError(f"{self.folder / manifest.file} does not read back as written: check the disk")
        self._state = loaded

    def _build(self) -> tuple[faiss.Index, int, float]:
        """An index over all vectors of the store, the number of lists to probe, and the recall that gives."""
        dim = int(self._store.setting("encoder")["dim"])
        count = self._store.counts()["passages"]
        if count > self._flat_limit:
            from searchidx.storage.inverted import build_inverted

            return build_inverted(self._store, self.generation, dim, count, RECALL_TARGET)
        import faiss

        flat = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        index = faiss.IndexIDMap(flat)
        for ids, vectors in self._store.all_vectors(self.generation):
            index.add_with_ids(vectors, ids)
        return index, 0, 1.0

    # files

    def _write(self, index: faiss.Index, position: int, last_id: int, nprobe: int, recall: float) -> Manifest:
        import faiss

        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"passages-{self.generation}-{position}.faiss"

        def write(file: HashingFile) -> None:
            faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))

        size, checksum = replace_durably(self.folder / name, write)
        store_id = self._store.setting("store_id")
        manifest = Manifest(
            name, size, checksum, store_id, self.generation, position, int(index.ntotal), last_id, nprobe, recall
        )
        text = json.dumps(asdict(manifest), indent=1).encode()
        replace_durably(self.folder / MANIFEST, lambda file: file.write(text))
        for old in self.folder.iterdir():
            if old.name not in (name, MANIFEST):
                with suppress(OSError):
                    old.unlink()
        return manifest

    def _load(self) -> _State | None:
        """The file as a state, or None where there is none that can be trusted. Tried again while a writer swaps it."""
        for _ in range(5):
            manifest = self._read_manifest()
            if manifest is None:
                return None
            with suppress(FileNotFoundError):
                return self._map(manifest)
        return None

    def _read_manifest(self) -> Manifest | None:
        try:
            manifest = Manifest(**json.loads((self.folder / MANIFEST).read_bytes()))
        except (OSError, ValueError, TypeError):
            return None
        mine = manifest.store_id == self._store.setting("store_id") and manifest.generation == self.generation
        plain = Path(manifest.file).name == manifest.file
        return manifest if mine and plain and manifest.position <= self._store.position() else None

    def _map(self, manifest: Manifest) -> _State | None:
        path = self.folder / manifest.file
        if path.stat().st_size != manifest.size:
            return None
        mapped = np.memmap(path, dtype=np.uint8, mode="r")
        if xxhash.xxh3_128_hexdigest(mapped.data) != manifest.xxh3:
            return None
        import faiss

        index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(mapped), mapped.size))
        if index.ntotal != manifest.count:
            return None
        if manifest.nprobe:
            faiss.extract_index_ivf(index).nprobe = manifest.nprobe
        return _State(manifest.position, index, manifest.last_id, mapped, manifest)

    # searching

    def search(self, query: Query, k: int, allowed: IdSet | None) -> Ranking:
        """The best ``k`` passages by cosine among ``allowed`` (None: all): exact where the file is flat."""
        if query.vector is None or k < 1:
            return []
        state = self._state
        vector = np.ascontiguousarray(query.vector, dtype=np.float32).reshape(1, -1)
        ids, scores = _search_file(state, vector, k, allowed)
        tail_ids, tail_scores = _search_tail(state, vector, k, allowed)
        ids, scores = np.concatenate([ids, tail_ids]), np.concatenate([scores, tail_scores])
        order = np.lexsort((ids, -scores))[:k]
        return [(int(ids[i]), float(scores[i])) for i in order]

    def scores(self, query: Query, ids: IdSet) -> Ranking:
        """Cosines of these passages, from the store's vectors."""
        if query.vector is None or not len(ids):
            return []
        known, vectors = self._store.vectors(ids.tolist(), self.generation)
        if not len(known):  # damage, which the check tells
            return []
        ranking = list(zip(known.tolist(), (vectors @ query.vector).tolist(), strict=True))
        return sorted(ranking, key=lambda hit: (-hit[1], hit[0]))

    def ceiling(self, query: Query) -> float:
        """The cosine of equal vectors."""
        return 0.0 if query.vector is None else 1.0


def _search_file(state: _State, vector: Matrix, k: int, allowed: IdSet | None) -> tuple[IdSet, npt.NDArray[np.float32]]:
    """The best of the file: (ids, scores)."""
    import faiss

    if state.index is None or not state.index.ntotal:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    parameters = None
    if allowed is not None or state.dropped:
        bitmap = _bitmap(allowed, state.dropped, state.last_id)
        selector = faiss.IDSelectorBitmap(bitmap)
        parameters = faiss.SearchParameters(sel=selector)
        if state.manifest and state.manifest.nprobe:
            # a few lists may hold none of the allowed passages: with a filter all are scanned, which is exact
            lists = faiss.extract_index_ivf(state.index).nlist
            probes = state.manifest.nprobe if allowed is None else lists
            parameters = faiss.SearchParametersIVF(sel=selector, nprobe=probes)
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)  # one query gains nothing from a second thread, and could wait 20 ms for it
    try:
        scores, ids = state.index.search(vector, min(k, state.index.ntotal), params=parameters)
    finally:
        faiss.omp_set_num_threads(threads)
    found = ids[0] >= 0
    return ids[0][found], scores[0][found]


def _search_tail(state: _State, vector: Matrix, k: int, allowed: IdSet | None) -> tuple[IdSet, npt.NDArray[np.float32]]:
    if not len(state.tail_ids):
        return np.empty(0, np.int64), np.empty(0, np.float32)
    ids, scores = state.tail_ids, state.tail @ vector[0]
    if allowed is not None:
        inside = np.isin(ids, allowed, assume_unique=True)
        ids, scores = ids[inside], scores[inside]
    best = np.argsort(-scores, kind="stable")[:k]
    return ids[best], scores[best]


def _bitmap(allowed: IdSet | None, dropped: frozenset[int], last_id: int) -> npt.NDArray[np.uint8]:
    """One bit per passage id up to ``last_id``, set where a search may return it."""
    if allowed is None:
        flags = np.ones(last_id + 1, dtype=bool)
    else:
        flags = np.zeros(last_id + 1, dtype=bool)
        flags[allowed[allowed <= last_id]] = True
    if dropped:
        flags[[i for i in dropped if i <= last_id]] = False
    return np.packbits(flags, bitorder="little")
