"""Several evaluations side by side: means over collections, and which runs differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from searchidx.evaluation.measures import Scores, calculate, parse_measures
from searchidx.evaluation.significance import Comparison, compare

if TYPE_CHECKING:
    from searchidx.evaluation import Collection, Evaluation, Run

LATENCY = "ms"
"""Name of the median time of a query beside the measures."""
LEGS = ("lexical", "dense")
"""What hybrid is compared with."""
System: TypeAlias = tuple[str, str]
"""An encoder and a mode."""


@dataclass(frozen=True)
class Summary:
    """What was measured with several collections and encoders, in the same modes.

    Attributes:
        evaluations: of each collection with each encoder, in this order.
        collections: what they were measured with.
        measures: their names.
        other: a run from elsewhere to compare with, for the one collection there is then.
        other_name: the file it came from.
    """

    evaluations: Sequence[Evaluation]
    collections: Sequence[Collection]
    measures: Sequence[str]
    other: Run | None = None
    other_name: str = ""

    @property
    def encoders(self) -> list[str]:
        """Names of the encoders, in the order they were measured."""
        return [evaluation.encoder for evaluation in self.evaluations[: self._width]]

    @property
    def _width(self) -> int:
        return len(self.evaluations) // len(self.collections)

    @property
    def systems(self) -> list[System]:
        """Each encoder with each mode."""
        return [(encoder, mode) for encoder in self.encoders for mode in self.evaluations[0].runs]

    def of(self, collection: int, encoder: str) -> Evaluation:
        """The evaluation of a collection, by its number, with an encoder."""
        return self.evaluations[collection * self._width + self.encoders.index(encoder)]

    def value(self, collection: int, system: System, measure: str) -> float:
        """A mean over the queries of a collection, or the latency."""
        evaluation = self.of(collection, system[0])
        return evaluation.latency[system[1]] if measure == LATENCY else evaluation.scores[system[1]].mean[measure]

    def mean(self, system: System, measure: str) -> float:
        """The mean over the collections, each counting the same."""
        values = [self.value(number, system, measure) for number in range(len(self.collections))]
        return sum(values) / len(values)

    @cached_property
    def other_scores(self) -> Scores | None:
        """What the run from elsewhere is worth."""
        if self.other is None:
            return None
        return calculate(parse_measures(self.measures), self.collections[0].qrels, self.other)

    def comparisons(self, evaluation: Evaluation, measure: str) -> Iterator[tuple[str, str, Comparison]]:
        """Of one evaluation: hybrid against each leg, and each mode against the run from elsewhere."""
        scores = evaluation.scores
        for leg in LEGS:
            if leg in scores and "hybrid" in scores:
                yield "hybrid", leg, compare(scores["hybrid"], scores[leg], measure)
        if self.other_scores is not None:
            for mode in scores:
                yield mode, self.other_name, compare(scores[mode], self.other_scores, measure)

    def to_dict(self, *, per_query: bool) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        values: dict[str, Any] = {"measures": list(self.measures), "evaluations": []}
        for evaluation in self.evaluations:
            compared = [
                {"mode": mode, "against": against, "measure": measure, **comparison.to_dict()}
                for measure in self.measures
                for mode, against, comparison in self.comparisons(evaluation, measure)
            ]
            values["evaluations"].append({**evaluation.to_dict(per_query=per_query), "comparisons": compared})
        names = [*self.measures, LATENCY]
        values["means"] = [
            {"encoder": system[0], "mode": system[1], **{name: self.mean(system, name) for name in names}}
            for system in self.systems
        ]
        if self.other_scores is not None:
            values["compared_with"] = {"run": self.other_name, **self.other_scores.mean}
        return values
