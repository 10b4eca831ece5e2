"""Evaluation: how good is an index, by judged queries?

``evaluate`` asks an index every query of a ``Collection`` in each mode and measures the runs; the files beside it read
collections and runs, calculate measures, test differences and draw them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from searchidx.evaluation.collection import Collection, read_collection
from searchidx.evaluation.corpus import build_index
from searchidx.evaluation.measures import (
    DEFAULT_MEASURES,
    Scores,
    calculate,
    deepest,
    parse_measures,
    require_extra,
)
from searchidx.evaluation.runs import Run, read_run, write_run
from searchidx.evaluation.significance import LEVEL, Comparison, compare
from searchidx.index import Index
from searchidx.types import Mode

if TYPE_CHECKING:
    from searchidx.ingest import Progress

__all__ = [
    "DEFAULT_MEASURES",
    "LEVEL",
    "MODES",
    "Collection",
    "Comparison",
    "Evaluation",
    "Run",
    "Scores",
    "build_index",
    "calculate",
    "compare",
    "evaluate",
    "parse_measures",
    "read_collection",
    "read_run",
    "require_extra",
    "write_run",
]

MODES: tuple[Mode, ...] = ("lexical", "dense", "hybrid")
_SHOWN = 20
"""Missing documents that ``to_dict`` names."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured of one index with one collection.

    Attributes:
        collection: its name.
        counts: ``documents`` and ``passages`` of the index; ``queries`` and ``judgements`` of the collection;
            ``missing``: relevant documents that the index does not hold.
        encoder: name of the index's encoder.
        fingerprint: of that encoder.
        k: depth of the runs, in documents.
        runs: the run of each mode.
        scores: the scores of each mode.
        latency: median time of ``Index.rank`` for a query, by mode, in milliseconds.
        missing: ids of the relevant documents that the index does not hold: no ranking can find them.
        left_out: queries of the collection that do not count, by reason.
    """

    collection: str
    counts: Mapping[str, int]
    encoder: str
    fingerprint: str
    k: int
    runs: Mapping[str, Run]
    scores: Mapping[str, Scores]
    latency: Mapping[str, float]
    missing: tuple[str, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self, *, per_query: bool = False) -> dict[str, Any]:
        """Plain values, ready for JSON: means and, if wanted, the values of each query, but not the runs."""
        values: dict[str, Any] = {
            "collection": self.collection,
            "encoder": self.encoder,
            "fingerprint": self.fingerprint,
            "k": self.k,
            "counts": dict(self.counts),
            "left_out": dict(self.left_out),
            "missing": list(self.missing[:_SHOWN]),
            "scores": {mode: dict(scores.mean) for mode, scores in self.scores.items()},
            "latency_ms": {mode: round(value, 3) for mode, value in self.latency.items()},
        }
        if per_query:
            values["per_query"] = {
                mode: {measure: dict(queries) for measure, queries in scores.per_query.items()}
                for mode, scores in self.scores.items()
            }
        return values


def evaluate(
    index: Index,
    collection: Collection | str | os.PathLike[str],
    *,
    measures: str | Iterable[str] = DEFAULT_MEASURES,
    modes: Sequence[Mode] = MODES,
    k: int = 100,
    progress: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Evaluation:
    """Measure how well an index finds what was judged relevant.

    Args:
        index: holds the documents; their ids are those of the judgements.
        collection: queries and judgements, or the path of them (see ``read_collection``).
        measures: names such as ``"nDCG@10 R@100"``.
        modes: what to measure.
        k: documents in a run; at least the deepest cutoff of the measures is taken.
        progress: told of each query, in stage ``queries``.
        options: as for ``Index.search``, such as ``fusion`` and ``lexical_weight``.

    Raises:
        BadCollection: the collection cannot be read.
        BadMeasure: a measure is not known.
        MissingExtra: the extra ``eval`` is not installed.
    """
    wanted = parse_measures(measures)
    if not isinstance(collection, Collection):
        collection = read_collection(os.fspath(collection))
    depth = max(k, deepest(wanted))
    runs: dict[str, Run] = {}
    latency: dict[str, float] = {}
    for number, mode in enumerate(modes):
        done, total = number * len(collection.queries), len(modes) * len(collection.queries)
        tell = _counting(progress, done, total)
        runs[mode], latency[mode] = _ask(index, collection.queries, depth, {"mode": mode, **options}, tell)
    relevant = {doc_id for grades in collection.qrels.values() for doc_id, grade in grades.items() if grade > 0}
    missing = tuple(sorted(doc_id for doc_id in relevant if index.get(doc_id) is None))
    status = index.status()
    counts = {
        "documents": status["documents"],
        "passages": status["passages"],
        "queries": len(collection.queries),
        "judgements": sum(map(len, collection.qrels.values())),
        "missing": len(missing),
    }
    return Evaluation(
        collection.name,
        counts,
        status["encoder"]["name"],
        status["encoder"]["fingerprint"],
        depth,
        runs,
        {mode: calculate(wanted, collection.qrels, run) for mode, run in runs.items()},
        latency,
        missing,
        collection.left_out,
    )


def _counting(progress: Callable[[Progress], None] | None, done: int, total: int) -> Callable[[int], None]:
    from searchidx.ingest import Progress

    return lambda count: progress(Progress("queries", done=done + count, total=total)) if progress else None


def _ask(
    index: Index, queries: Mapping[str, str], k: int, options: Mapping[str, Any], tell: Callable[[int], None]
) -> tuple[Run, float]:
    """The run of all queries, and the median of their times in milliseconds."""
    from statistics import median

    run: dict[str, list[tuple[str, float]]] = {}
    times: list[float] = []
    index.rank(next(iter(queries.values())), k, **options)  # what is loaded at the first query does not count
    for count, (query_id, text) in enumerate(queries.items(), 1):
        began = time.perf_counter()
        run[query_id] = index.rank(text, k, **options)
        times.append(time.perf_counter() - began)
        tell(count)
    return run, 1000 * median(times)
