"""The FAISS index for more vectors than a flat scan answers in time: inverted lists, with their recall measured."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from searchidx.storage.store import Store

if TYPE_CHECKING:
    import faiss

    from searchidx.types import Matrix

PROBES = 200
"""Stored vectors that serve as queries when recall is measured; the standard error at 0.99 is then 0.002."""


def build_inverted(
    store: Store, generation: int, dim: int, count: int, target: float
) -> tuple[faiss.Index, int, float]:
    """Train and fill an IVF index with float16 codes.

    Returns:
        The index, the smallest power-of-two number of probed lists whose recall@10 reaches ``target``, and that recall.
    """
    import faiss

    lists = max(1, min(int(4 * math.sqrt(count)), count // 39))
    sample = _sample(store, generation, count, lists * 64)
    index = faiss.index_factory(dim, f"IVF{lists},SQfp16", faiss.METRIC_INNER_PRODUCT)
    faiss.downcast_index(index).by_residual = False  # the codes are then the store's own float16 values
    index.train(sample)
    for ids, vectors in store.all_vectors(generation):
        index.add_with_ids(vectors, ids)
    queries = sample[np.linspace(0, len(sample) - 1, min(PROBES, len(sample)), dtype=int)]
    exact = _neighbours(index, queries, lists)
    nprobe, recall = 1, _recall(_neighbours(index, queries, 1), exact)
    while recall < target and nprobe < lists:
        nprobe = min(nprobe * 2, lists)
        recall = _recall(_neighbours(index, queries, nprobe), exact)
    return index, nprobe, recall


def _sample(store: Store, generation: int, count: int, size: int) -> Matrix:
    """About ``size`` vectors spread evenly over the store."""
    step = max(1, count // size)
    parts = [vectors[::step] for _, vectors in store.all_vectors(generation)]
    return np.ascontiguousarray(np.concatenate(parts))


def _neighbours(index: faiss.Index, queries: Matrix, nprobe: int) -> list[set[int]]:
    """The ten nearest besides the query itself; probing every list is exact search."""
    import faiss

    _, ids = index.search(queries, 11, params=faiss.SearchParametersIVF(nprobe=nprobe))
    return [set(row[1:].tolist()) for row in ids]


def _recall(found: list[set[int]], exact: list[set[int]]) -> float:
    return sum(len(a & b) for a, b in zip(found, exact, strict=True)) / sum(map(len, exact))
