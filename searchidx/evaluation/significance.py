"""Is one run better than another, or was it luck with the queries?

Fisher's paired randomisation test: each query's difference could as well have had the other sign if the runs were
equal, so the sign flips say how often chance alone gives a mean difference this large. It assumes nothing of how the
values are distributed, which the t-test does and a handful of queries with values of 0 and 1 break; where few queries
differ, every pattern of signs is tried and the p-value is exact.
Source: Smucker, Allan and Carterette, "A Comparison of Statistical Significance Tests for Information Retrieval
Evaluation" (CIKM 2007).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from searchidx.evaluation.measures import Scores

RESAMPLES = 9999
"""Patterns of signs tried; all are tried where there are no more than these, with up to 13 queries that differ."""
LEVEL = 0.05
"""p-values below it are called significant."""
_TIE = 1e-9
_BATCH = 2**22  # values held at once, 32 MiB of float64


@dataclass(frozen=True, slots=True)
class Comparison:
    """Run a against run b over the same queries.

    Attributes:
        difference: mean of a less mean of b.
        p_value: two-sided.
        wins: queries where a is better.
        losses: queries where b is better.
        ties: queries where they are equal.
        n: queries in all.
    """

    difference: float
    p_value: float
    wins: int
    losses: int
    ties: int
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


def compare(a: Scores, b: Scores, measure: str) -> Comparison:
    """Compare two runs by one measure; the same input gives the same p-value.

    Raises:
        ValueError: they were not calculated over the same queries, or not for this measure.
    """
    ours, theirs = a.per_query.get(measure), b.per_query.get(measure)
    if ours is None or theirs is None or ours.keys() != theirs.keys():
        raise ValueError(f"both runs need values of {measure} for the same queries")
    differences = [float(ours[query_id] - theirs[query_id]) for query_id in ours]
    moved = [difference for difference in differences if abs(difference) > _TIE]
    wins = sum(difference > 0 for difference in moved)
    mean = sum(moved) / len(differences) if differences else 0.0
    ties = len(differences) - len(moved)
    return Comparison(mean, _p_value(moved), wins, len(moved) - wins, ties, len(differences))


def _p_value(differences: list[float]) -> float:
    """Two-sided p-value; queries without a difference would not change it and are left out."""
    if len(differences) < 2:  # nothing differs, or its size is the same with either sign
        return 1.0
    import numpy as np
    from scipy.stats import permutation_test

    result = permutation_test(
        (np.array(differences),),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        batch=max(1, _BATCH // len(differences)),
        rng=np.random.default_rng(0),
    )
    return min(1.0, float(result.pvalue))
