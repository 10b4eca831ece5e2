"""Ways to merge the rankings of several legs into one."""

from __future__ import annotations

from collections.abc import Mapping

from searchidx.types import Ranking

RRF_K = 60
"""The constant of reciprocal rank fusion in its paper."""


def weighted(rankings: Mapping[str, Ranking], weights: Mapping[str, float]) -> Ranking:
    """Weighted sum of scores, each as a share of the best that its leg gave: 0 to 1.

    A score below 0 counts as 0, and so does a passage that a leg has no score for. Unlike with the scores of the worst
    candidates as the floor (min-max), the sum does not depend on how many candidates there are.

    Source: the theoretical min-max normalisation of Bruch, Gai and Ingber, "An Analysis of Fusion Functions for Hybrid
    Retrieval" (ACM TOIS 42, 2023), with 0 as the least score of either leg; docs/decisions/009-fusion.md has the
    figures.
    """
    total = sum(weights[leg] for leg in rankings) or 1.0
    merged: dict[int, float] = {}
    for leg, ranking in rankings.items():
        best = max((score for _, score in ranking), default=0.0)
        weight = weights[leg] / total
        for passage_id, score in ranking:
            share = score / best if score > 0 else 0.0
            merged[passage_id] = merged.get(passage_id, 0.0) + weight * share
    return _sorted(merged)


def reciprocal_rank(rankings: Mapping[str, Ranking], k: int = RRF_K) -> Ranking:
    """Sum of ``1 / (k + rank)`` over the legs.

    Source: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet" (SIGIR 2009).
    """
    merged: dict[int, float] = {}
    for ranking in rankings.values():
        for rank, (passage_id, _) in enumerate(ranking, 1):
            merged[passage_id] = merged.get(passage_id, 0.0) + 1.0 / (k + rank)
    return _sorted(merged)


def _sorted(scores: Mapping[int, float]) -> Ranking:
    return sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))
