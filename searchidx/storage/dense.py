"""The dense leg: files of vectors that FAISS searches, and an exact tail over those that no file holds yet.

The files (``segments.py``) are an arrangement of the store's vectors; they are mapped and never changed. The newest
changes are scanned exactly in numpy. When there are more than TAIL_LIMIT of them, the writer puts them into a new file,
together with the files before it that are not much larger, so that there are few files and each vector is written a few
times in its life; what was dropped is a mask until a merge leaves it out. The manifest names the files, and is
replaced in one step: a reader has the old ones or the new ones. Up to FLAT_LIMIT passages all vectors are in one list
and search is exact; beyond it only the lists nearest to a query are read (``inverted.py``).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import xxhash

from searchidx.errors import StorageError
from searchidx.storage.dense_state import Manifest, State, best_of, ranking_of, search_files, state_of
from searchidx.storage.files import replace_durably, storage_errors
from searchidx.storage.inverted import PER_LIST, assign, lists_for, measure, questions, train
from searchidx.storage.segments import Damaged, Record, Segment, merge_segments, write_segment
from searchidx.storage.store import Store
from searchidx.types import Change, Query, Ranking

if TYPE_CHECKING:
    from searchidx.types import IdSet, Matrix

MANIFEST = "manifest.json"
TAIL_LIMIT = 1024
"""Changes kept outside the files: a cold start reads them from SQLite, a query scans them."""
FLAT_LIMIT = 200_000
"""Passages up to which search is exact (docs/decisions/023-scale.md)."""
RECALL_TARGET = 0.99
"""Recall@10 against exact search that the number of lists to read is chosen for."""
CHUNK = 100_000
"""Vectors that are held in memory while files are made: 51 MB."""
RATIO = 4
"""A file is merged with newer ones once it is not larger than this many times all of them."""
LOST = 0.25
"""Share of dropped vectors in the files above which all of them are written anew without those."""
GROWN, OUTGROWN = 1.5, 4
"""How many times the passages there were when it was last done: then recall is measured, lists are trained again."""
_QUESTIONED = 2_000


class DenseIndex:
    """FAISS arrangement of the passage vectors of one store.

    Args:
        folder: where its files lie; it is made when something is written.
        store: the truth to catch up with.
        writable: False to leave the folder alone: everything not in the files is then kept in memory.
        generation: of the vectors; by default those that the index uses.
        flat_limit: passages up to which search is exact.
        chunk: vectors held in memory while files are made.

    Attributes:
        generation: of the vectors that it holds.
    """

    def __init__(
        self,
        folder: Path,
        store: Store,
        *,
        writable: bool = False,
        generation: int | None = None,
        flat_limit: int = FLAT_LIMIT,
        chunk: int = CHUNK,
    ) -> None:
        self.folder = folder
        self._store = store
        self.writable = writable
        self._flat_limit, self._chunk = flat_limit, chunk
        self._lock = threading.Lock()
        self._damaged: set[str] = set()  # files that turned out not to be what was written
        self.generation: int = generation or store.setting("generation")
        self._state = State(position=0)
        self._state = self._load() or self._state

    def position(self) -> int:
        """Number of the last change that it contains."""
        return self._state.position

    def count(self) -> int:
        """Number of passages that it holds."""
        state = self._state
        return state.held - len(state.gone) - len(state.dropped) + len(state.tail_ids)

    def ids(self) -> IdSet:
        """Ids of all passages that it holds."""
        state = self._state
        held = np.concatenate([np.empty(0, np.int64), *(segment.ids() for segment in state.segments)])
        gone = np.concatenate([state.gone, np.array([*state.dropped], np.int64)])
        return np.concatenate([held[~np.isin(held, gone)], state.tail_ids])

    def status(self) -> dict[str, Any]:
        """Kind of search, its recall against exact search as last measured, files, and what lies outside them."""
        state, manifest = self._state, self._state.manifest
        return {
            "kind": "none" if not manifest else "ivf" if manifest.trained else "flat",
            "recall@10": manifest.recall if manifest else 1.0,
            "bytes": sum(segment.record.size for segment in state.segments),
            "files": len(state.segments),
            "lists": f"{manifest.nprobe} of {len(state.means)}" if manifest and manifest.trained else "",
            "tail": state.outside,
            "position": state.position,
        }

    def problems(self) -> list[str]:
        """Read all files; one sentence for each that is not what was written."""
        found = []
        for segment in self._state.segments:
            try:
                segment.check(np.arange(segment.record.lists))
            except Damaged as error:
                found.append(f"dense: {error}: rebuild it with: searchidx sync --rebuild")
        return found

    # catching up

    def apply(self, changes: Iterable[Change]) -> None:
        """Put and drop passages; the writer writes a file once more than TAIL_LIMIT changes lie outside.

        Who only reads looks then whether another has written one, even where there are no changes.
        """
        with self._lock:
            new = (change for change in changes if change.seq > self._state.position)
            some = list(islice(new, TAIL_LIMIT + 1))
            if self.writable and len(some) + self._state.outside > TAIL_LIMIT:
                with self._sweeping():
                    self._write_out(chain(some, new))
            elif some or self._state.outside > TAIL_LIMIT:
                self._extend([*some, *new])

    def _extend(self, changes: list[Change]) -> None:
        newer = self._load() if len(changes) + self._state.outside > TAIL_LIMIT else None
        if newer and newer.position >= self._state.position:
            self._state = newer
            changes = [change for change in changes if change.seq > newer.position]
        if changes:
            self._state = self._extended(self._state, changes)

    def _extended(self, state: State, changes: Sequence[Change]) -> State:
        put = [change.passage_id for change in changes if change.put]
        return state.extended(changes, *self._store.vectors(put, self.generation))

    def _write_out(self, changes: Iterator[Change]) -> None:
        """Put the tail and these changes into files."""
        if self._read_manifest() != self._state.manifest:  # another process has replaced the files
            self._state = State(position=0)
            self._state = self._load() or self._state
            changes = self._store.changes(self._state.position)
        total = self._store.counts()["passages"]
        manifest = self._state.manifest
        outgrown = manifest is not None and total > max(self._flat_limit, OUTGROWN * manifest.trained)
        if not self._state.segments or outgrown:
            self._rebuild()
            return
        try:
            while some := list(islice(changes, max(1, self._chunk // 4))):  # they are held in several forms
                self._state = self._extended(self._state, some)
                self._flush()
        except Damaged:
            self._rebuild()

    def _flush(self) -> None:
        """Write the tail as a file, and merge."""
        state, manifest = self._state, self._state.manifest
        assert manifest
        last_id = max(state.last_id, int(state.tail_ids.max(initial=0)))
        with storage_errors(self.folder):
            segments = list(state.segments)
            if len(state.tail_ids):
                segments.append(self._segment([(state.tail_ids, state.tail)], state.means, state.position))
            flags = state.flags(last_id)
            segments = self._merged(segments, flags, state.means, state.position)
            nprobe, recall, measured = manifest.nprobe, manifest.recall, manifest.measured
            count = sum(segment.record.count for segment in segments)
            if manifest.trained and count > GROWN * measured:
                asked = questions(self._sample(_QUESTIONED))
                nprobe, recall = measure(segments, state.means, flags, asked, RECALL_TARGET)
                measured = count
            quality = nprobe, recall, measured, manifest.trained
            self._publish(segments, flags, state.position, last_id, quality)

    def _merged(
        self, segments: list[Segment], gone: npt.NDArray[np.bool_], means: Matrix, position: int
    ) -> list[Segment]:
        """The files after a merge of the newest that are about as large as each other, where there are such."""
        counts = [segment.record.count for segment in segments]
        first = max(0, len(segments) - 1)
        while first and counts[first - 1] <= RATIO * sum(counts[first:]):
            first -= 1
        if gone.sum() > LOST * sum(counts):
            first = 0
        elif first >= len(segments) - 1:
            return segments
        path = self.folder / f"vectors-{self.generation}-{position}-merged.faiss"
        merged = Segment(self.folder, merge_segments(path, means, segments[first:], gone))
        return [*segments[:first], *([merged] if merged.record.count else [])]

    def _segment(self, batches: Iterable[tuple[IdSet, Matrix]], means: Matrix, name: object) -> Segment:
        """Write some vectors as a file."""
        parts = [(ids, vectors.astype("<f2"), assign(vectors, means)) for ids, vectors in batches]
        ids, codes, lists = (np.concatenate(some) for some in zip(*parts, strict=True))
        order, sizes = np.argsort(lists, kind="stable"), np.bincount(lists, minlength=len(means))
        ends = np.cumsum(sizes)

        def read(number: int) -> tuple[IdSet, npt.NDArray[np.float16]]:
            rows = order[ends[number] - sizes[number] : ends[number]]
            return ids[rows], codes[rows]

        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"vectors-{self.generation}-{name}.faiss"
        return self._opened(write_segment(path, means, sizes, read))

    def _opened(self, record: Record) -> Segment:
        try:
            return Segment(self.folder, record)
        except Damaged as error:
            message = f"{self.folder / record.file} does not read back as written: check the disk"
            raise StorageError(message) from error

    def rebuild(self) -> None:
        """Write all files anew from the store's vectors; a reader holds everything in memory instead."""
        with self._lock, self._sweeping():
            self._rebuild()

    def _rebuild(self) -> None:
        if not self.writable:
            changes = list(self._store.present())
            self._state = self._extended(State(position=0), changes) if changes else State(position=0)
            return
        with self._store.snapshot(), storage_errors(self.folder):
            position, last_id = self._store.position(), self._store.last_passage_id()
            count = self._store.counts()["passages"]
            means, asked = self._lists(count)
            batches = self._store.all_vectors(self.generation, batch=min(20_000, self._chunk))
            segments: list[Segment] = []
            for batch in batches:
                rest = islice(batches, max(0, self._chunk // len(batch[0]) - 1))
                segments.append(self._segment(chain([batch], rest), means, f"{position}-{len(segments)}"))
            nothing = np.zeros(last_id + 1, bool)
            if len(segments) > 1:
                path = self.folder / f"vectors-{self.generation}-{position}.faiss"
                segments = [self._opened(merge_segments(path, means, segments, nothing))]
            quality = 1, 1.0, count, 0
            if asked is not None:
                quality = (*measure(segments, means, nothing, asked, RECALL_TARGET), count, count)
            self._publish(segments, nothing, position, last_id, quality)

    def _lists(self, count: int) -> tuple[Matrix, Matrix | None]:
        """Means of the lists for so many passages, and questions to measure recall with where there are several."""
        if count <= self._flat_limit:
            used = self.generation == self._store.setting("generation")
            made_by = self._store.setting("encoder" if used else "pending")
            return np.zeros((1, int(made_by["dim"])), np.float32), None
        lists = lists_for(count)
        sample = self._sample(lists * PER_LIST)
        return train(sample, lists), questions(sample)

    def _sample(self, size: int) -> Matrix:
        """About ``size`` vectors from all over the store."""
        count, last_id = self._store.counts()["passages"], self._store.last_passage_id()
        drawn = np.random.default_rng(0).random(last_id) < size / max(count, 1)
        ids = np.flatnonzero(drawn) + 1
        parts = (ids[first : first + 5000].tolist() for first in range(0, len(ids), 5000))
        return np.concatenate([self._store.vectors(part, self.generation)[1] for part in parts])

    # files

    def _publish(
        self,
        segments: Sequence[Segment],
        gone: npt.NDArray[np.bool_],
        position: int,
        last_id: int,
        quality: tuple[int, float, int, int],
    ) -> None:
        """Name these files in the manifest, go on with them, and delete all others."""
        self.folder.mkdir(parents=True, exist_ok=True)
        ids = np.sort(np.concatenate([np.empty(0, np.int64), *(s.ids()[gone[s.ids()]] for s in segments)]))
        name = f"gone-{self.generation}-{position}.ids"
        size, checksum = replace_durably(self.folder / name, lambda file: file.write(ids.astype("<i8").tobytes()))
        records, store_id = tuple(segment.record for segment in segments), self._store.setting("store_id")
        kept = (name, size, checksum)
        manifest = Manifest(store_id, self.generation, position, last_id, records, kept, *quality)
        text = json.dumps(asdict(manifest), indent=1).encode()
        replace_durably(self.folder / MANIFEST, lambda file: file.write(text))
        self._state = state_of(manifest, tuple(segments), ids)
        self._sweep(manifest)

    @contextmanager
    def _sweeping(self) -> Iterator[None]:
        """Leave no unfinished files where something fails, least of all on a full disk."""
        try:
            yield
        except BaseException:
            if self.writable and (named := self._read_manifest()):
                self._sweep(named)
            raise

    def _sweep(self, manifest: Manifest) -> None:
        """Delete all but the files of a manifest."""
        named = {MANIFEST, manifest.gone[0], *(record.file for record in manifest.segments)}
        for old in self.folder.iterdir():
            if old.name not in named:
                with suppress(OSError):
                    old.unlink()

    def _load(self) -> State | None:
        """The files as a state, or None where there are none, none to be trusted or no others than this state has.

        Tried again while a writer swaps them.
        """
        for _ in range(5):
            manifest = self._read_manifest()
            if manifest is None or manifest == self._state.manifest:
                return None
            with suppress(FileNotFoundError):
                try:
                    return self._open(manifest)
                except Damaged:
                    return None
        return None

    def _read_manifest(self) -> Manifest | None:
        try:
            values = json.loads((self.folder / MANIFEST).read_bytes())
            records = tuple(Record(**record) for record in values.pop("segments"))
            name, size, checksum = values.pop("gone")
            manifest = Manifest(segments=records, gone=(str(name), int(size), str(checksum)), **values)
            files = [name, *(record.file for record in records)]
            plain = all(Path(file).name == file and file not in self._damaged for file in files)
            mine = manifest.store_id == self._store.setting("store_id") and manifest.generation == self.generation
            return manifest if mine and plain and manifest.position <= self._store.position() else None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def _open(self, manifest: Manifest) -> State:
        """Open what is not open yet."""
        name, size, checksum = manifest.gone
        data = (self.folder / name).read_bytes()
        if len(data) != size or xxhash.xxh3_128_hexdigest(data) != checksum:
            raise Damaged(f"{name} is not what was written")
        open_already = {segment.record: segment for segment in self._state.segments}
        segments = tuple(open_already.get(record) or Segment(self.folder, record) for record in manifest.segments)
        return state_of(manifest, segments, np.frombuffer(data, "<i8").astype(np.int64))

    # searching

    def search(self, query: Query, k: int, allowed: IdSet | None) -> Ranking:
        """The best ``k`` passages by cosine among ``allowed`` (None: all): exact up to FLAT_LIMIT passages."""
        if query.vector is None or k < 1:
            return []
        state = self._state
        vector = np.ascontiguousarray(query.vector, dtype=np.float32).reshape(1, -1)
        try:
            ids, scores = search_files(state, vector, k, allowed)
        except Damaged:
            self._abandon(state)
            state = State(position=0, lost=True)
        if state.lost:
            return self._search_store(vector, k, allowed)
        tail_ids, tail_scores = best_of(state.tail_ids, state.tail, vector, k, allowed)
        return ranking_of(np.concatenate([ids, tail_ids]), np.concatenate([scores, tail_scores]), k)

    def _abandon(self, state: State) -> None:
        """Use these files no more: what comes next begins anew from the store."""
        with self._lock:
            self._damaged |= {segment.record.file for segment in state.segments}
            if self._state.segments == state.segments:
                self._state = State(position=0, lost=True)

    def _search_store(self, vector: Matrix, k: int, allowed: IdSet | None) -> Ranking:
        """Exact search through the vectors of the store: seconds for a million, and right."""
        ids, scores = np.empty(0, np.int64), np.empty(0, np.float32)
        for some, vectors in self._store.all_vectors(self.generation):
            best = best_of(some, vectors, vector, k, allowed)
            ids, scores = np.concatenate([ids, best[0]]), np.concatenate([scores, best[1]])
        return ranking_of(ids, scores, k)

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
