"""The newest changes of the lexical leg, which tantivy does not hold yet: a commit costs 13 ms, this next to nothing.

Passages are scored by tantivy's own formula with tantivy's own statistics (number of documents, document frequencies,
average lengths, all of the last commit), so their scores compare with those of its hits. ``explain`` is where tantivy
tells the averages. What was dropped is a mask on its results.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from searchidx.storage.analysis import Analysis, passage_text, schema
from searchidx.types import Change, Document, Passage, Ranking

if TYPE_CHECKING:
    import tantivy

    from searchidx.types import IdSet

TAIL_LIMIT = 100
"""Changes kept outside tantivy: a cold start reads and analyses them (7 ms when full), a query scans them."""
K1, B = 1.2, 0.75
"""tantivy's parameters of BM25, which cannot be set."""


@dataclass(frozen=True, slots=True)
class Counted:
    """The words of one passage: how often each occurs, and the number of all as tantivy keeps it."""

    words: Counter[str]
    length: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """What BM25 takes from the committed index: documents in all, and words in each on average (0: not known)."""

    total: int = 0
    average: float = 0.0


@dataclass(frozen=True, slots=True)
class Tail:
    """The changes after a commit up to ``position``. Never changed: a longer one replaces it.

    Attributes:
        position: number of the last change in it.
        passages: what they put and did not drop again, by id.
        put: all ids that they put.
        dropped: ids that they drop and tantivy holds.
        measured: what tantivy said of its documents.
    """

    position: int
    passages: Mapping[int, Counted] = field(default_factory=dict)
    put: frozenset[int] = frozenset()
    dropped: frozenset[int] = frozenset()
    measured: Statistics = field(default_factory=Statistics)

    def extended(
        self,
        changes: Sequence[Change],
        found: Iterable[tuple[Passage, Document]],
        searcher: tantivy.Searcher,
        analysis: Analysis,
    ) -> Tail:
        """The tail after more changes; ``found`` are the passages put by them that the store still has."""
        gone = {change.passage_id for change in changes if not change.put}
        put = self.put | {change.passage_id for change in changes if change.put}
        passages = {i: counted for i, counted in self.passages.items() if i not in gone}
        passages |= {passage.passage_id: _counted(passage, document.title, analysis) for passage, document in found}
        return replace(
            self,
            position=changes[-1].seq,
            passages=passages,
            put=put,
            dropped=self.dropped | (gone - put),
            measured=_measure(searcher, self.measured, passages.values()),
        )

    def search(self, terms: Mapping[str, float], k: int, allowed: IdSet | None, searcher: tantivy.Searcher) -> Ranking:
        """The best ``k`` passages of the tail by BM25; those without one of the terms (with weights) are none."""
        passages = self.passages
        if allowed is not None:
            inside = np.isin(list(passages), allowed)
            passages = {i: passages[i] for i, keep in zip(passages, inside, strict=True) if keep}
        measured = self.measured
        average = measured.average or sum(some.length for some in self.passages.values()) / max(1, len(self.passages))
        scores: dict[int, float] = {}
        rarity: dict[str, float] = {}
        for passage_id, counted in passages.items():
            for term in terms.keys() & counted.words.keys():
                if term not in rarity:
                    rarity[term] = terms[term] * idf(searcher.doc_freq("text", term), measured.total)
                count = counted.words[term]
                share = count / (count + K1 * (1 - B + B * counted.length / average))
                scores[passage_id] = scores.get(passage_id, 0.0) + rarity[term] * (1 + K1) * share
        return sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))[:k]


def _counted(passage: Passage, title: str, analysis: Analysis) -> Counted:
    words = analysis.analyser.analyze(passage_text(title, passage.heading, passage.text))
    return Counted(Counter(words), field_norm(len(words)))


def field_norm(length: int) -> int:
    """The length that tantivy keeps in one byte, as Lucene does: exact up to 40, then four significant bits."""
    if length < 40:
        return length
    shift = max(0, (length - 24).bit_length() - 4)
    return 24 + (length - 24 >> shift << shift)


def idf(documents: int, total: int) -> float:
    """BM25's weight of a word by the passages that have it; deleted ones count among them until tantivy merges."""
    total = max(total, documents)
    return math.log(1 + (total - documents + 0.5) / (documents + 0.5))


def _measure(searcher: tantivy.Searcher, known: Statistics, passages: Collection[Counted]) -> Statistics:
    """Ask tantivy for what is not known, by any word that the tail has."""
    if known.average:
        return known
    explained = next(_explained(searcher, _likely(searcher, {term for some in passages for term in some.words})), None)
    if explained is None:
        return Statistics(int(searcher.num_docs))
    return Statistics(int(explained["N"]), explained["avgdl"])


def _likely(searcher: tantivy.Searcher, terms: Collection[str]) -> Iterator[str]:
    """Words of the tail, which tantivy nearly always knows, then its own commonest: reading all terms takes 20 ms."""
    yield from terms
    if terms:
        yield from (term for term, _ in searcher.terms_with_prefix("text", "", limit=100))


def _explained(searcher: tantivy.Searcher, terms: Iterable[str]) -> Iterator[dict[str, float]]:
    """The numbers behind the score of a document with one of the words."""
    from tantivy import Query as Q

    for term in terms:
        query = Q.term_query(schema(), "text", term, "freq")
        for _, address in searcher.search(query, limit=1, count=False).hits:
            yield dict(_numbers(json.loads(query.explain(searcher, address).to_json())))


def _numbers(explanation: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Each number by the symbol that its description begins with."""
    yield explanation["description"].split(",")[0], explanation["value"]
    for detail in explanation.get("details", ()):
        yield from _numbers(detail)
