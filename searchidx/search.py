"""Journey 2: a query becomes ranked, citable hits.

Read ``answer`` from top to bottom: filter, encode, ask the legs, merge, let the store decide, fold, say how relevant,
highlight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np

from searchidx.articles.pages import pages_of
from searchidx.ranking import calibration, fusion, recency
from searchidx.ranking.filters import Condition, compile_filters
from searchidx.ranking.grouping import fold, without_copies
from searchidx.ranking.highlight import best_sentences, query_terms, sentences
from searchidx.storage.analysis import analysis, pieces
from searchidx.types import (
    Citation,
    Copy,
    Document,
    Encoder,
    Hit,
    Leg,
    Mode,
    Passage,
    PassageIndex,
    Query,
    Ranking,
    Sort,
    Where,
)

if TYPE_CHECKING:
    from searchidx.storage.store import Store

MAX_OTHERS = 5
"""Further passages of the same article that are listed with a hit."""
MAX_COPIES = 50
"""Copies of an article that are listed with a hit."""
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
    sort: Sort = "relevance"
    half_life: str | float | None = None
    as_of: str | datetime | None = None
    undated: bool = False
    """Whether articles without a date pass filters by date."""
    all_copies: bool = False

    def __post_init__(self) -> None:
        modes, fusions = ("hybrid", "dense", "lexical"), ("weighted", "rrf")
        if self.mode not in modes or self.fusion not in fusions or self.k < 1:
            raise ValueError("k must be 1 or more, mode hybrid, dense or lexical, fusion weighted or rrf")
        if not 0 <= self.min_score <= 1:
            raise ValueError("min_score must be between 0 and 1")
        recency.check(self.sort, self.half_life, self.as_of)

    @property
    def dated(self) -> bool:
        """Whether dates take part in the order of the hits."""
        return self.sort == "date" or self.half_life is not None


def answer(question: Question, store: Store, legs: Mapping[str, PassageIndex], encoder: Encoder | None) -> list[Hit]:
    """Find the best passages.

    Args:
        question: the query and its options.
        store: the truth.
        legs: the arrangements to ask, by name (``dense``, ``lexical``).
        encoder: encodes the query; None where no dense leg is asked.

    Returns:
        At most ``question.k`` hits, best first: one per story, which is an article and its copies, or one per passage
        of it without grouping. Fewer only where fewer pass the filter and match, or are as relevant as
        ``question.min_score`` asks.
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
        condition: what articles must meet, or None.
        stories: of candidates whose articles have copies, which are to be listed with a hit; by passage id.
    """

    query: Query
    legs: Mapping[str, Mapping[int, Leg]]
    groups: Sequence[Sequence[tuple[int, float]]]
    parts: Sequence[Mapping[str, float]]
    relevance: Sequence[float]
    condition: Condition | None
    stories: Mapping[int, int]


def _candidates(question: Question, store: Store, legs: Mapping[str, PassageIndex], encoder: Encoder | None) -> _Found:
    """At least ``k`` articles where there are so many, with every score that the merging takes into account."""
    condition = _condition(question, store)
    allowed = store.matching(condition.sql, condition.parameters) if condition else None
    vector = encoder.encode_queries([question.text])[0] if encoder else None
    query = Query(question.text, vector)
    depth = max(recency.POOL if question.dated else 100, 5 * question.k)
    while True:
        rankings = {name: leg.search(query, depth, allowed) for name, leg in legs.items()}
        completed = _completed(rankings, query, legs)
        merged = _merge(rankings, completed, question, encoder)
        groups, stories = _groups(merged, question, store)
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
    parts = [{"share": shares[group[0][0]], **whole} for group in groups[: None if question.dated else question.k]]
    relevance = calibration.relevance(parts, calibration.weights_of(question.mode, _kind(encoder)))
    kept = sum(value >= question.min_score for value in relevance)  # they never increase
    found = _Found(query, said, groups[:kept], parts[:kept], relevance[:kept], condition, stories)
    return _by_date(found, question, store) if question.dated else found


def undated_beside(question: Question, store: Store) -> set[str]:
    """Ids of the articles that the filters leave out for no other reason than that they have no date."""
    strict, lenient = (_condition(replace(question, undated=undated), store) for undated in (False, True))
    if strict is None or lenient is None or strict == lenient:
        return set()
    sql = f"({lenient.sql}) AND NOT coalesce(({strict.sql}), 0)"
    return store.undated(sql, (*lenient.parameters, *strict.parameters))


def _condition(question: Question, store: Store) -> Condition | None:
    """The filters of a question as one condition in SQL."""
    known = store.fields() if question.where else ()
    return compile_filters(
        question.where,
        after=question.after,
        before=question.before,
        sources=question.sources,
        known=known,
        undated=question.undated,
    )


def _by_date(found: _Found, question: Question, store: Store) -> _Found:
    """The same in the order that dates give, no more than were asked for."""
    published = store.dates_of([group[0][0] for group in found.groups])
    days = [recency.day_of(published.get(group[0][0], "")) for group in found.groups]
    if question.half_life is None:
        order = [(place, found.groups[place][0][1]) for place in recency.newest(found.relevance, days)]
    else:
        span, now = recency.days_of(question.half_life), recency.moment_of(question.as_of)
        order = recency.decayed(found.relevance, days, span, now)
    chosen = order[: question.k]
    groups = [[(found.groups[place][0][0], score), *found.groups[place][1:]] for place, score in chosen]
    parts = [found.parts[place] for place, _ in chosen]
    return replace(found, groups=groups, parts=parts, relevance=[found.relevance[place] for place, _ in chosen])


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


def _groups(
    merged: Ranking, question: Question, store: Store
) -> tuple[list[list[tuple[int, float]]], Mapping[int, int]]:
    """Candidates the store still knows, by article; each alone where no grouping is asked; of copies the best.

    With them the stories of those that have copies, by passage id; none where all copies are asked for.
    """
    owners, stories = store.owners([passage_id for passage_id, _ in merged])
    if question.all_copies:
        stories = {}
    if stories:
        merged = without_copies([found for found in merged if found[0] in owners], owners, stories)
    if not question.group:
        owners = {passage_id: passage_id for passage_id in owners}
    return fold(merged, owners), stories


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
        copies = _copies(found.stories.get(ids[0]), document.doc_id, found.condition, store)
        rank, merged = len(hits) + 1, group[0][1]
        hits.append(
            Hit(rank, score, merged, passage, document, legs, citation, others=others, parts=parts, copies=copies)
        )
    return _highlighted(hits, found.query, encoder, store.setting("language"))


def _copies(story: int | None, doc_id: str, condition: Condition | None, store: Store) -> tuple[Copy, ...]:
    """The other articles of a story that pass the filters."""
    if story is None:
        return ()
    sql, parameters = (condition.sql, condition.parameters) if condition else ("1", ())
    found = store.copies_of(story, doc_id, MAX_COPIES, sql, parameters)
    return tuple(Copy(d.doc_id, d.title, d.source, d.published, d.uri) for d in found)


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
