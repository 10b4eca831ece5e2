"""Measures of effectiveness, as ir_measures names and calculates them."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from searchidx.errors import BadMeasure, MissingExtra

if TYPE_CHECKING:
    from ir_measures import Measure

    from searchidx.evaluation.runs import Run

DEFAULT_MEASURES = "nDCG@10 R@100 RR@10 P@5"
_EXAMPLES = "nDCG@10, R@100, RR@10, P@5, AP, Success@5, ERR@20, nDCG(dcg='exp-log2')@10"


@dataclass(frozen=True, slots=True)
class Scores:
    """What a run is worth.

    Attributes:
        mean: by measure, the mean over all queries.
        per_query: by measure and query id; a query for which nothing was found counts 0.
    """

    mean: Mapping[str, float]
    per_query: Mapping[str, Mapping[str, float]]


def require_extra(*modules: str) -> None:
    """Raise MissingExtra where a library of the extra ``eval`` is not installed."""
    if not all(map(find_spec, modules)):
        raise MissingExtra('evaluation needs an extra: pip install "searchidx[eval]"')


def parse_measures(text: str | Iterable[str]) -> list[Measure]:
    """Read measures such as ``nDCG@10 R@100``; ``str`` of each gives its name back.

    Args:
        text: names with blanks or commas between them, or a sequence of names.

    Raises:
        BadMeasure: one is not known; the message shows examples.
        MissingExtra: the extra ``eval`` is not installed.
    """
    require_extra("ir_measures", "scipy")
    names = re.split(r"[\s,]+(?![^()]*\))", text.strip()) if isinstance(text, str) else list(text)
    if not any(names):
        raise BadMeasure(f"no measure is named: expected some of {_EXAMPLES}")
    return list(dict.fromkeys(map(_parse, filter(None, names))))


def _parse(name: str) -> Measure:
    import ir_measures

    try:
        with warnings.catch_warnings():  # its parser uses names of ast that Python 3.12 and 3.13 warn of
            warnings.simplefilter("ignore", DeprecationWarning)
            measure = ir_measures.parse_measure(name)
        if ir_measures.DefaultPipeline.supports(measure):
            return measure
        reason = "it needs more than ir_measures and searchidx[eval] install"
    except NameError:
        reason = "no measure has this name"
    except (ValueError, AssertionError, TypeError, SyntaxError):
        reason = "expected NAME, NAME@CUTOFF or NAME(PARAMETER=VALUE)@CUTOFF"
    raise BadMeasure(f"measure {name!r}: {reason}; examples: {_EXAMPLES}")


def deepest(measures: Sequence[Measure]) -> int:
    """The deepest cutoff among measures, in documents; 0 where none has one."""
    return max((int(measure.params.get("cutoff", 0)) for measure in measures), default=0)


def calculate(measures: Sequence[Measure], qrels: Mapping[str, Mapping[str, int]], run: Run) -> Scores:
    """The value of each measure for each judged query.

    Args:
        measures: from ``parse_measures``.
        qrels: relevance by query id and document id; above 0 is relevant. Unjudged documents count as not relevant.
        run: its order is what counts; queries that ``qrels`` lacks are ignored.
    """
    import ir_measures

    # places instead of scores: equal scores would be sorted anew, by id
    ranked = {
        query_id: {doc_id: float(-place) for place, (doc_id, _) in enumerate(run[query_id])}
        for query_id in qrels
        if run.get(query_id)
    }
    judged = {query_id: dict(grades) for query_id, grades in qrels.items()}
    result = ir_measures.calc(measures, judged, ranked)
    per_query: dict[str, dict[str, float]] = {str(measure): dict.fromkeys(qrels, 0.0) for measure in measures}
    for metric in result.per_query:
        per_query[str(metric.measure)][metric.query_id] = float(metric.value)
    return Scores({str(measure): float(result.aggregated[measure]) for measure in measures}, per_query)
