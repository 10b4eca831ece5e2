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
    import tantivy

    from searchidx.types import IdSet

MAX_WORDS = 256
"""Distinct words of a query that count; 100,000 take 1.7 s."""
MAX_TERM_SET = 4096
"""Allowed ids up to which they become part of the query (6 ms for 2,000); beyond, the ranking is read until enough."""


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
    if len(allowed) <= MAX_TERM_SET:
        return _ranking(searcher, _restricted(query, allowed), k)
    return _filtered(searcher, query, k, allowed)


def _ranking(searcher: tantivy.Searcher, query: tantivy.Query, k: int) -> Ranking:
    hits = searcher.search(query, limit=k, count=False).hits
    ids = searcher.fast_field_values("id", [address for _, address in hits])
    scored = [(int(passage_id or 0), float(score)) for passage_id, (score, _) in zip(ids, hits, strict=True)]
    return sorted(scored, key=lambda hit: (-hit[1], hit[0]))


def _restricted(query: tantivy.Query, allowed: IdSet) -> tantivy.Query:
    from tantivy import Occur
    from tantivy import Query as Q

    inside = Q.const_score_query(Q.term_set_query(schema(), "id", allowed.tolist()), 0.0)
    return Q.boolean_query([(Occur.Must, query), (Occur.Must, inside)])


def _filtered(searcher: tantivy.Searcher, query: tantivy.Query, k: int, allowed: IdSet) -> Ranking:
    """Read the ranking to twice the depth that should hold ``k`` allowed passages, and deeper until it does."""
    total = int(searcher.num_docs)
    depth = min(total, 2 * k * total // len(allowed) + k)
    while True:
        ranking = _ranking(searcher, query, depth)
        inside = np.isin([passage_id for passage_id, _ in ranking], allowed)
        if len(ranking) < depth or depth == total or inside.sum() >= k:
            return [hit for hit, keep in zip(ranking, inside, strict=True) if keep][:k]
        depth = min(total, depth * 4)
