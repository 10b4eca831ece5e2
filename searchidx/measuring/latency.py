"""Times of queries in a warm process, what they are made of, and whether the dense leg finds what is nearest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from searchidx.index import Index
from searchidx.ingest import Progress
from searchidx.search import Question, answer
from searchidx.storage.store import Store
from searchidx.types import Encoder, Hit, Mode, PassageIndex, Query

if TYPE_CHECKING:
    from searchidx.types import Matrix

MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
STEPS = ("encode", "dense leg", "lexical leg", "merge", "store", "highlight")
"""Of a query, in the order of its way; ``merge`` is folding and relevance too, ``highlight`` the making of hits."""
NEAREST = 10
EXACT = 1e-5
"""A passage counts as near as another where their cosines differ by less: float16 vectors are summed in two orders."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long something took each time, in milliseconds."""

    samples: tuple[float, ...]

    def percentile(self, share: float) -> float:
        """The time that ``share`` percent of the samples stay within."""
        return float(np.percentile(self.samples, share))

    def to_dict(self) -> dict[str, Any]:
        """Percentiles and the number of samples."""
        values = {f"p{share}": round(self.percentile(share), 3) for share in (50, 95, 99)}
        return {**values, "samples": len(self.samples)}


@dataclass(frozen=True, slots=True)
class Step:
    """A step of hybrid queries: milliseconds, and its share of the time of all of them."""

    name: str
    p50: float
    p95: float
    share: float


def ask(
    index: Index, queries: Sequence[str], k: int, repeat: int, progress: Callable[[Progress], None]
) -> dict[str, Times]:
    """Ask every query in every mode, in turns, so that what slows the machine down meets all modes alike."""
    times: dict[str, list[float]] = {mode: [] for mode in MODES}
    for mode in MODES:
        index.search(queries[0], k, mode=mode)  # what is loaded at the first query does not count
    for number in range(repeat * len(queries)):
        for mode in MODES:
            began = time.perf_counter()
            index.search(queries[number % len(queries)], k, mode=mode)
            times[mode].append(1000 * (time.perf_counter() - began))
        progress(Progress("queries", done=number + 1, total=repeat * len(queries)))
    return {mode: Times(tuple(samples)) for mode, samples in times.items()}


# what a query is made of


@dataclass
class _Clock:
    """Notes when calls of some objects began and ended."""

    calls: list[tuple[str, float, float]] = field(default_factory=list)

    def watching(self, inner: Any, step: str, methods: Sequence[str] = ()) -> Any:
        """The object, with its calls noted under the name of a step: those of ``methods``, or all."""
        return _Watched(self, inner, step, methods)

    def shares(self, began: float, ended: float) -> dict[str, float]:
        """Seconds of each step between two moments; the rest is merging before texts are read, highlighting after."""
        spent = dict.fromkeys(STEPS, 0.0)
        reads = [end for step, _, end in self.calls if step == "passages"]
        turn = reads[-1] if reads else ended
        spent["merge"], spent["highlight"] = turn - began, ended - turn
        for step, start, end in self.calls:
            spent["store" if step == "passages" else step] += end - start
            spent["merge" if end <= turn else "highlight"] -= end - start
        return spent


class _Watched:
    """Stands for an object whose calls are timed."""

    def __init__(self, clock: _Clock, inner: Any, step: str, methods: Sequence[str]) -> None:
        self._clock, self._inner, self._step, self._methods = clock, inner, step, methods

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value) or (self._methods and name not in self._methods):
            return value
        step = name if name == "passages" else self._step

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return value(*arguments, **options)
            finally:
                self._clock.calls.append((step, began, time.perf_counter()))

        return timed


def steps(index: Index, queries: Sequence[str], k: int, progress: Callable[[Progress], None]) -> list[Step]:
    """What the steps of a hybrid query take."""
    spent: dict[str, list[float]] = {name: [] for name in STEPS}

    def way(question: Question, store: Store, legs: Mapping[str, PassageIndex], encoder: Encoder | None) -> list[Hit]:
        clock = _Clock()
        watched = {name: clock.watching(leg, f"{name} leg") for name, leg in legs.items()}
        began = time.perf_counter()
        hits = answer(
            question,
            clock.watching(store, "store"),
            watched,
            clock.watching(encoder, "encode", ["encode_queries"]),
        )
        for name, seconds in clock.shares(began, time.perf_counter()).items():
            spent[name].append(1000 * seconds)
        return hits

    for number, text in enumerate(queries, 1):
        index._ask(way, Question(text, k))
        progress(Progress("steps", done=number, total=len(queries)))
    total = sum(map(sum, spent.values()))
    return [Step(name, _rounded(of, 50), _rounded(of, 95), round(sum(of) / total, 4)) for name, of in spent.items()]


def _rounded(samples: Sequence[float], share: float) -> float:
    return round(Times(tuple(samples)).percentile(share), 4)


# recall


def recall(index: Index, store: Store, queries: Sequence[str], progress: Callable[[Progress], None]) -> float:
    """The share of the ten nearest passages, by exact search of the store's vectors, that the dense leg finds."""
    vectors = index.encoder.encode_queries(queries)
    nearest = _nearest(store, vectors)
    wanted, found = min(NEAREST, store.counts()["passages"]), 0
    for number, (text, vector, bound) in enumerate(zip(queries, vectors, nearest, strict=True), 1):
        ranking = index._ask(_dense(Query(text, vector)), Question(text, NEAREST, "dense"))
        found += sum(score >= bound - EXACT for _, score in ranking)
        progress(Progress("recall", done=number, total=len(queries)))
    return round(found / (wanted * len(queries)), 4)


def _dense(query: Query) -> Callable[..., list[tuple[int, float]]]:
    """A way to answer: what the dense leg itself says."""
    return lambda question, store, legs, encoder: legs["dense"].search(query, question.k, None)


def _nearest(store: Store, vectors: Matrix) -> Iterator[float]:
    """The cosine of the tenth nearest passage to each query, or of the last where there are fewer."""
    best = np.empty((len(vectors), 0), np.float32)
    for _, some in store.all_vectors(store.setting("generation")):
        best = np.concatenate([best, vectors @ some.T], axis=1)
        if best.shape[1] > NEAREST:
            best = np.partition(best, -NEAREST, axis=1)[:, -NEAREST:]
    return iter(best.min(axis=1).tolist())
