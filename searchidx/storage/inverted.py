"""Which lists a large dense leg has, and how many of them a query must read to find what an exact search would.

Lists are ordered by the inner product of the query with the mean of their vectors. A query is a few words and lies far
from all passages, so stored vectors, which lie in the middle of their list, are no measure: they find 99% of their
neighbours in half as many lists as real questions need. Sums of a few stored vectors are as far from all of them as
questions are (docs/decisions/023-scale.md), and are what recall is measured with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from searchidx.storage.segments import Segment

if TYPE_CHECKING:
    from searchidx.types import Matrix

PROBES = 200
"""Questions that recall is measured with; the standard error at 0.99 is then 0.002."""
MIXED = 3
"""Stored vectors that are added up to one question."""
FOUND = 10
"""Neighbours of each that must be found."""
PER_LIST = 40
"""Vectors for each list that training looks at; more make no better lists."""
ROUNDS = 8
"""Rounds of k-means."""
DEEPER = 0.8
"""With a filter, lists are read until they hold the share of passages that pass to this power, of what is read without
one: a tenth passing means 1.6 times as many lists, a hundredth 2.5 times."""
_BATCH = 20_000


def lists_for(count: int) -> int:
    """Lists for so many vectors: twice the root, so that choosing lists costs about as much as reading one of them."""
    return max(1, min(int(2 * math.sqrt(count)), count // PER_LIST))


def train(sample: Matrix, lists: int) -> Matrix:
    """Means of the clusters of some vectors, float32 [lists, dim]; the same for the same sample."""
    import faiss

    clustering = faiss.Kmeans(sample.shape[1], lists, niter=ROUNDS, spherical=True, seed=1, min_points_per_centroid=1)
    clustering.train(sample)
    centres: Matrix = clustering.centroids
    nearest = assign(sample, centres)
    sizes = np.bincount(nearest, minlength=lists)
    means = np.zeros_like(centres)
    np.add.at(means, nearest, sample)
    averages = np.where(sizes[:, None] > 0, means / np.maximum(sizes, 1)[:, None], centres)
    found: Matrix = averages.astype(np.float32)
    return found


def assign(vectors: Matrix, means: Matrix) -> npt.NDArray[np.int64]:
    """The list of each vector: that whose mean has the smallest angle to it."""
    if len(means) == 1 or not len(vectors):
        return np.zeros(len(vectors), np.int64)
    import faiss

    centres = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    parts = (vectors[first : first + _BATCH] for first in range(0, len(vectors), _BATCH))
    found = [faiss.knn(np.ascontiguousarray(part), centres, 1, metric=faiss.METRIC_INNER_PRODUCT)[1] for part in parts]
    nearest: npt.NDArray[np.int64] = np.concatenate(found)[:, 0].astype(np.int64)
    return nearest


def questions(sample: Matrix) -> Matrix:
    """Vectors that lie where those of questions do: each the direction of a sum of MIXED of the sample."""
    rng = np.random.default_rng(1)
    mixed = sample[rng.integers(len(sample), size=(PROBES, MIXED))].sum(axis=1)
    directions: Matrix = mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-12)
    return directions


def measure(
    segments: Sequence[Segment], means: Matrix, gone: npt.NDArray[np.bool_], asked: Matrix, target: float
) -> tuple[int, float]:
    """Search exactly, once, through everything.

    Args:
        segments: what is searched.
        means: of the lists.
        gone: for each id whether it is left out.
        asked: the questions.
        target: the recall@10 to reach.

    Returns:
        The smallest number of lists that reaches the target, and the recall of that.
    """
    scores = np.full((len(asked), FOUND), -np.inf, np.float32)
    holders = np.full((len(asked), FOUND), -1, np.int64)  # the list of each neighbour
    for number in range(len(means)):
        for ids, vectors in (segment.read(number) for segment in segments):
            kept = ~gone[ids]
            found = asked @ vectors[kept].astype(np.float32).T
            if found.shape[1] > FOUND:
                found = -np.partition(-found, FOUND - 1, axis=1)[:, :FOUND]
            both = np.concatenate([scores, found], axis=1)
            order = np.argsort(-both, axis=1, kind="stable")[:, :FOUND]
            lists = np.concatenate([holders, np.full(found.shape, number)], axis=1)
            scores, holders = np.take_along_axis(both, order, 1), np.take_along_axis(lists, order, 1)
    ranks = np.argsort(np.argsort(-(asked @ means.T), axis=1, kind="stable"), axis=1, kind="stable")
    needed = np.sort(np.take_along_axis(ranks, np.maximum(holders, 0), 1)[holders >= 0]) + 1
    if not len(needed):
        return 1, 1.0
    enough = int(needed[math.ceil(target * len(needed)) - 1])
    return enough, float((needed <= enough).mean())


def nearest_lists(
    vector: Matrix, means: Matrix, nprobe: int, by_list: npt.NDArray[np.int64] | None, total: int
) -> npt.NDArray[np.int64]:
    """The lists to read for a query.

    Args:
        vector: float32 [1, dim].
        means: of the lists.
        nprobe: how many, without a filter.
        by_list: with a filter, how many passages of each list it lets pass. Lists are read until they hold enough of
            those, wherever they lie: a filter may keep what lies together.
        total: number of passages.
    """
    if by_list is None and nprobe >= len(means):
        return np.arange(len(means))
    nearness = -(means @ vector[0])
    if by_list is None:
        return np.argpartition(nearness, nprobe - 1)[:nprobe]
    wanted = nprobe / len(means) * total * (by_list.sum() / total) ** DEEPER
    order = np.flatnonzero(by_list)
    order = order[np.argsort(nearness[order], kind="stable")]
    return order[: int(np.searchsorted(np.cumsum(by_list[order]), wanted)) + 1]
