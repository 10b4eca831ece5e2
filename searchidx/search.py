"""Journey 2: a query becomes ranked, citable hits.

Read ``answer`` from top to bottom: filter, encode, ask the legs, merge, let the store decide, fold, say how relevant,
highlight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from searchidx.articles.pages import pages_of
from searchidx.ranking import calibration, fusion
from searchidx.ranking.filters import compile_filters
from searchidx.ranking.grouping import fold
from searchidx.ranking.highlight import best_sentences, query_terms, sentences
from searchidx.storage.analysis import analysis, pieces
from searchidx.types import Citation, Document, Encoder, Hit, Leg, Mode, Passage, PassageIndex, Query, Ranking, Where

if TYPE_CHECKING:
    from searchidx.storage.store import Store

MAX_OTHERS = 5
"""Further passages of the same article that are listed with a hit."""
LEXICAL_WEIGHT = {"static": 0.65, "st": 0.4}
"""Weight of BM25 in hybrid search, by kind of encoder; chosen in docs/decisions/009-fusion.md."""


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: the text and every option of a search; a ValueError where one of them is impossible."""

    text: str
    k: int = 10
    mode: Mode = "hybrid"
    where: Where = ()
    after: str | None = None
    before: str | None = None
    sources: Sequence[str] = ()
    group: bool = True
    fusion: str = "weighted"
    lexical_weight: float | None = None
    min_score: float = 0.0

    def __post_init__(self) -> None:
        modes, fusions = ("hybrid", "dense", "lexical"), ("weighted", "rrf")
        if self.mode not in modes or self.fusion not in fusions or self.k < 1:
            raise ValueError("k must be 1 or more, mode hybrid, dense or lexical, fusion weighted or rrf")
        if not 0 <= self.min_score <= 1:
            raise ValueError("min_score must be between 0 and 1")


def answer(question: Question, store: Store, legs: Mapping[str, PassageIndex], encoder: Encoder | None) -> list[Hit]:
    """Find the best passages.

    Args:
        question: the query and its options.
        store: the truth.
        legs: the arrangements to ask, by name (``dense``, ``lexical``).
        encoder: encodes the query; None where no dense leg is asked.

    Returns:
        At most ``question.k`` hits, best first: one per article, or one per passage without grouping. Fewer only where
        fewer passages pass the filter and match, or are as relevant as ``question.min_score`` asks.
    """
    found = _candidates(question, store, legs, encoder)
    return _hits(found, store, encoder)


def rank(
    question: Question, store: Store, legs: Mapping[str, PassageIndex], encoder: Encoder | None
) -> list[tuple[str, float]]:
    """Ids of the best articles with the score of their best passage, in the order of ``answer``; reads no text."""
    groups = _candidates(question, store, legs, encoder).groups
    names = store.doc_ids_of([group[0][0] for group in groups])
    return [(names[passage_id], score) for (passage_id, score), *_ in groups if passage_id in names]


@dataclass(frozen=True, slots=True)
class _Found:
    """The candidates of a query.

    Attributes:
        query: as the legs were asked.
        legs: what each leg says of each candidate, by passage id.
        groups: candidates and their merged scores by article, best first; no more than were asked for.
        parts: what the relevance of each group was calculated from.
        relevance: of each group.
    """

    query: Query
    legs: Mapping[str, Mapping[int, Leg]]
    groups: Sequence[Sequence[tuple[int, float]]]
    parts: Sequence[Mapping[str, float]]
    relevance: Sequence[float]


def _candidates(question: Question, store: Store, legs: Mapping[str, PassageIndex], encoder: Encoder | None) -> _Found:
    """At least ``k`` articles where there are so many, with every score that the merging takes into account."""
    known = store.fields() if question.where else ()
    condition = compile_filters(
        question.where, after=question.after, before=question.before, sources=question.sources, known=known
    )
    allowed = store.matching(condition.sql, condition.parameters) if condition else None
    vector = encoder.encode_queries([question.text])[0] if encoder else None
    query = Query(question.text, vector)
    depth = max(100, 5 * question.k)
    while True:
        rankings = {name: leg.search(query, depth, allowed) for name, leg in legs.items()}
        completed = _completed(rankings, query, legs)
        merged = _merge(rankings, completed, question, encoder)
        groups = _groups(merged, question, store)
        if len(groups) >= question.k or all(len(ranking) < depth for ranking in rankings.values()):
            break
        depth *= 4  # few articles hold many of the candidates: look deeper, so that k are found where k exist
    said = {
        name: {passage_id: Leg(rank, score) for rank, (passage_id, score) in enumerate(ranking, 1)}
        | {passage_id: Leg(None, score) for passage_id, score in completed[name][len(ranking) :]}
        for name, ranking in rankings.items()
    }
    by_share = len(rankings) > 1 and question.fusion == "weighted"
    shares = dict(merged if by_share else fusion.weighted(completed, _weights(question, encoder)))
    whole = calibration.query_parts(said, legs["lexical"].ceiling(query) if "lexical" in legs else 0.0)
    parts = [{"share": shares[group[0][0]], **whole} for group in groups[: question.k]]
    relevance = calibration.relevance(parts, calibration.weights_of(question.mode, _kind(encoder)))
    kept = sum(value >= question.min_score for value in relevance)  # they never increase
    return _Found(query, said, groups[:kept], parts[:kept], relevance[:kept])


def _completed(
    rankings: Mapping[str, Ranking], query: Query, legs: Mapping[str, PassageIndex]
) -> Mapping[str, Ranking]:
    """Each leg's ranking, followed by its scores of the candidates that only the other leg has."""
    completed = {}
    for name, ranking in rankings.items():
        others = {passage_id for other in rankings.values() for passage_id, _ in other}
        missing = sorted(others.difference(passage_id for passage_id, _ in ranking))
        completed[name] = ranking + (legs[name].scores(query, np.array(missing, np.int64)) if missing else [])
    return completed


def _merge(
    rankings: Mapping[str, Ranking], completed: Mapping[str, Ranking], question: Question, encoder: Encoder | None
) -> Ranking:
    if len(rankings) == 1:
        return next(iter(rankings.values()))
    if question.fusion == "rrf":
        return fusion.reciprocal_rank(rankings)
    return fusion.weighted(completed, _weights(question, encoder))


def _weights(question: Question, encoder: Encoder | None) -> dict[str, float]:
    """What each leg weighs; one that is asked alone weighs all the same."""
    if question.mode != "hybrid":
        return {question.mode: 1.0}
    chosen = question.lexical_weight
    lexical = LEXICAL_WEIGHT.get(_kind(encoder), 0.5) if chosen is None else chosen
    return {"lexical": lexical, "dense": 1 - lexical}


def _kind(encoder: Encoder | None) -> str:
    """``static``, ``st`` or another kind of encoder, as its fingerprint says."""
    return encoder.fingerprint.partition(":")[0] if encoder else ""


def _groups(merged: Ranking, question: Question, store: Store) -> list[list[tuple[int, float]]]:
    """Candidates the store still knows, by article; each alone where no grouping is asked."""
    owners = store.owners([passage_id for passage_id, _ in merged])
    if not question.group:
        owners = {passage_id: passage_id for passage_id in owners}
    return fold(merged, owners)


def _hits(found: _Found, store: Store, encoder: Encoder | None) -> list[Hit]:
    shown = [[passage_id for passage_id, _ in group[: MAX_OTHERS + 1]] for group in found.groups]
    passages = store.passages([passage_id for group in shown for passage_id in group])
    hits: list[Hit] = []
    for ids, group, parts, score in zip(shown, found.groups, found.parts, found.relevance, strict=True):
        if ids[0] not in passages:  # dropped by a writer since the legs were asked
            continue
        passage, document = passages[ids[0]]
        legs = {name: said[ids[0]] for name, said in found.legs.items() if ids[0] in said}
        others = tuple(passages[i][0] for i in ids[1:] if i in passages)
        citation = cite(passage, document)
        rank, merged = len(hits) + 1, group[0][1]
        hits.append(Hit(rank, score, merged, passage, document, legs, citation, others=others, parts=parts))
    return _highlighted(hits, found.query, encoder, store.setting("language"))


def cite(passage: Passage, document: Document) -> Citation:
    """The exact place of a passage."""
    return Citation(
        document.doc_id,
        document.title,
        document.source,
        document.published,
        document.uri,
        passage.start,
        passage.end,
        pages_of(document.metadata, passage.start, passage.end),
    )


@lru_cache(maxsize=65_536)
def _forms(language: str | None, word: str) -> list[str]:
    """Analysed forms of one word: texts repeat their words, and a sixth of highlighting was analysing them."""
    return analysis(language).content_words(word)


def _highlighted(hits: Sequence[Hit], query: Query, encoder: Encoder | None, language: str | None) -> list[Hit]:
    """Mark words and best sentences; sentences are compared by vectors where the encoder is fast enough for it."""
    wanted = set(analysis(language).content_words(query.text))
    spans = [sentences(hit.passage.text, hit.document.language) for hit in hits]
    texts = [hit.passage.text[start:end] for hit, some in zip(hits, spans, strict=True) for start, end in some]
    cosines = None
    if encoder and query.vector is not None and encoder.fingerprint.startswith("static:") and texts:
        cosines = iter((encoder.encode_passages(texts) @ query.vector).tolist())
    marked, known = [], dict[str, bool]()
    for hit, some in zip(hits, spans, strict=True):
        terms = query_terms(wanted, pieces(hit.passage.text), partial(_forms, language), known)
        similarity = [next(cosines) for _ in some] if cosines else None
        marked.append(replace(hit, terms=terms, highlights=best_sentences(some, terms, len(wanted), similarity)))
    return marked
