"""Asking tantivy: a query of words, and the best of the passages that a filter allows.

Queries are built from analysed words, never parsed: 3,000 parentheses crash the parser, and people ask for ``AT&T`` and
``C++``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from searchidx.storage.analysis import Analysis, schema
from searchidx.storage.lexical_tail import K1, idf
from searchidx.types import Ranking

if TYPE_CHECKING:
    import numpy.typing as npt
    import tantivy

    from searchidx.types import IdSet

    Scores = npt.NDArray[np.float64]

MAX_WORDS = 256
"""Distinct words of a query that count; 100,000 take 1.7 s."""
MAX_IDS = 4096
"""Allowed ids up to which they become part of the query; beyond, the ranking is read until enough of it is allowed."""


def terms_of(text: str, analysis: Analysis) -> dict[str, float]:
    """The distinct words that a query asks for, with their weights: 1 + ln(times it says them).

    Words like "the" count only where there are no others.
    """
    counts = Counter(analysis.content_words(text) or analysis.words(text))
    return {term: 1 + math.log(count) for term, count in islice(counts.items(), MAX_WORDS)}


def any_of(terms: Mapping[str, float]) -> tantivy.Query:
    """A query for any of the words, by weight."""
    from tantivy import Occur
    from tantivy import Query as Q

    queries = ((Q.term_query(schema(), "text", term, "freq"), weight) for term, weight in terms.items())
    return Q.boolean_query([(Occur.Should, Q.boost_query(query, weight)) for query, weight in queries])


def ceiling(searcher: tantivy.Searcher, terms: Mapping[str, float]) -> float:
    """What the BM25 of any passage stays below: each word as often as it takes."""
    total = int(searcher.num_docs)
    return sum(weight * (1 + K1) * idf(searcher.doc_freq("text", term), total) for term, weight in terms.items())


def best(searcher: tantivy.Searcher, query: tantivy.Query, k: int, allowed: IdSet | None) -> Ranking:
    """The best ``k`` passages that tantivy holds among ``allowed`` (None: all)."""
    k = min(k, int(searcher.num_docs))
    if k < 1:
        return []
    if allowed is None:
        return _ranking(searcher, query, k)
    if len(allowed) <= MAX_IDS:
        return _ranking(searcher, _restricted(query, allowed), k)
    return _filtered(searcher, query, k, allowed)


def _ranking(searcher: tantivy.Searcher, query: tantivy.Query, k: int) -> Ranking:
    return _ranked(*_found(searcher, query, k))


def _found(searcher: tantivy.Searcher, query: tantivy.Query, k: int) -> tuple[IdSet, Scores]:
    """The best ``k``: (ids, scores)."""
    hits = searcher.search(query, limit=k, count=False).hits
    ids = searcher.fast_field_values("id", [address for _, address in hits])
    return np.array(ids, np.int64), np.array([score for score, _ in hits], np.float64)


def _ranked(ids: IdSet, scores: Scores) -> Ranking:
    order = np.lexsort((ids, -scores))
    return list(zip(ids[order].tolist(), scores[order].tolist(), strict=True))


def _restricted(query: tantivy.Query, allowed: IdSet) -> tantivy.Query:
    """Any of the ids, each a query of its own: a third of the time that tantivy's query for a set of terms takes."""
    from tantivy import Occur
    from tantivy import Query as Q

    ids = [(Occur.Should, Q.term_query(schema(), "id", passage_id, "basic")) for passage_id in allowed.tolist()]
    return Q.boolean_query([(Occur.Must, query), (Occur.Must, Q.const_score_query(Q.boolean_query(ids), 0.0))])


def _filtered(searcher: tantivy.Searcher, query: tantivy.Query, k: int, allowed: IdSet) -> Ranking:
    """Read the ranking to the depth that should hold ``k`` allowed passages, and deeper until it does."""
    total = int(searcher.num_docs)
    depth = min(total, int(1.3 * k * total / len(allowed)) + k)
    while True:
        ids, scores = _found(searcher, query, depth)
        inside = np.isin(ids, allowed, assume_unique=True)
        if len(ids) < depth or depth == total or inside.sum() >= k:
            return _ranked(ids[inside], scores[inside])[:k]
        depth = min(total, depth * 4)
