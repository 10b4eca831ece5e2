"""Candidates of every judged query of a set: scores of both legs, normalised in several ways, and cheap features.

The legs are asked as ``searchidx/search.py`` asks them: the best 100 passages of each, and each leg's score of the
passages that only the other found. What they say is kept, so fusions can be compared without asking again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import log
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from searchidx import Index
from searchidx.articles.chunking import DEFAULT_MAX_TOKENS
from searchidx.evaluation import Collection, build_index, read_collection
from searchidx.search import _completed
from searchidx.storage.analysis import VERSION, Analysis, analysis
from searchidx.storage.lexical_query import terms_of
from searchidx.storage.lexical_tail import idf
from searchidx.types import Document, Encoder, Passage, Query, Ranking

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
DEPTH = 100
"""Passages asked of each leg, as a search for ten articles does."""
FEATURES = ("title", "covered", "near", "short", "early")
"""Share of the query's words in the title; their share in the passage, by idf; how close they stand; 1 for a short
passage down to 0; 1 for the first passage of an article down to 0."""
LAYOUT = 3
"""Change it with anything that changes what is kept."""
KNOWN_ITEMS = 200
"""Articles of an index that its own legs are asked for by title (or by the first words)."""


@dataclass(frozen=True)
class Candidates:
    """The candidates of a set; rows are passages by query, then by document.

    Attributes:
        queries: ids.
        documents: id of the document of each pair of query and document.
        ideal: by query, DCG@10 of the best ranking there is.
        ceiling: by query, what its BM25 stays below.
        known: reciprocal rank of known items, lexical and dense.
        query: by pair, the number of the query.
        gain: by pair, relevance.
        start: by pair, its first row; its last is before the next pair's first.
        lexical: by row, BM25; 0 without a word of the query.
        dense: by row, cosine.
        lexical_rank: by row, from 1; 0 where the passage is none of the leg's best.
        dense_rank: the same.
        features: by row, see ``FEATURES``.
    """

    queries: npt.NDArray[np.str_]
    documents: npt.NDArray[np.str_]
    ideal: Floats
    ceiling: Floats
    known: Floats
    query: Ints
    gain: Floats
    start: Ints
    lexical: Floats
    dense: Floats
    lexical_rank: Ints
    dense_rank: Ints
    features: Floats

    @property
    def row_query(self) -> Ints:
        """By row, the number of the query."""
        return self.query[self.row_pair]

    @property
    def row_pair(self) -> Ints:
        """By row, the number of the pair."""
        return np.repeat(np.arange(len(self.start)), np.diff(self.start, append=len(self.lexical)))


def sample(collection: Collection, limit: int) -> dict[str, str]:
    """All judged queries, or a sample of them that is the same in every run."""
    ids = sorted(collection.queries)
    if len(ids) > limit:
        ids = sorted(np.random.default_rng(0).choice(ids, limit, replace=False).tolist())
    return {query_id: collection.queries[query_id] for query_id in ids}


def candidates(folder: Path, cache: Path, encoder: Encoder, limit: int) -> Candidates:
    """The candidates of a set, from the cache where nothing that they depend on has changed."""
    collection = read_collection(folder)
    key = f"{LAYOUT} {folder.resolve()} {encoder.fingerprint} {DEFAULT_MAX_TOKENS} {limit} {VERSION} {DEPTH}"
    path = cache / "candidates" / f"{folder.name}-{xxhash.xxh3_64_hexdigest(key.encode())[:12]}.npz"
    if not path.exists():
        began = time.perf_counter()
        with build_index(collection, cache / "indexes", encoder=encoder, max_tokens=DEFAULT_MAX_TOKENS) as index:
            built = time.perf_counter() - began
            found = fetch(index, encoder, collection, sample(collection, limit))
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".part.npz")
        np.savez(whole, **{field.name: getattr(found, field.name) for field in fields(found)})
        whole.replace(path)
        took = time.perf_counter() - began
        print(f"{folder.name}: index {built:.0f} s, candidates {took - built:.0f} s", file=sys.stderr)
    with np.load(path) as arrays:
        return Candidates(**{field.name: arrays[field.name] for field in fields(Candidates)})


def fetch(index: Index, encoder: Encoder, collection: Collection, queries: Mapping[str, str]) -> Candidates:
    """Ask both legs every query."""
    legs, store = index._asked("hybrid"), index._store
    lexical = index._legs.lexical
    words = analysis(store.setting("language"))
    read = Words(words)
    vectors = encoder.encode_queries(list(queries.values()))
    rows: list[list[Any]] = []
    pairs: list[tuple[int, float, int, str]] = []
    ceiling, ideal = [], []
    for number, (query_id, text) in enumerate(queries.items()):
        query = Query(text, vectors[number])
        rankings = {name: leg.search(query, DEPTH, None) for name, leg in legs.items()}
        scores = {name: dict(ranking) for name, ranking in _completed(rankings, query, legs).items()}
        ranks = {name: {hit[0]: rank for rank, hit in enumerate(some, 1)} for name, some in rankings.items()}
        terms = terms_of(text, words)
        searcher = lexical._state.searcher
        rarity = {term: idf(searcher.doc_freq("text", term), int(searcher.num_docs)) for term in terms}
        grades = collection.qrels[query_id]
        passages = store.passages(sorted(scores["dense"].keys() | scores["lexical"].keys()))
        by_document: dict[str, list[int]] = {}
        for passage_id, (passage, _) in sorted(passages.items()):
            by_document.setdefault(passage.doc_id, []).append(passage_id)
        for doc_id, ids in by_document.items():
            pairs.append((number, max(0, grades.get(doc_id, 0)), len(rows), doc_id))
            for i in ids:
                said = [scores[name].get(i, 0.0) for name in ("lexical", "dense")]
                places = [ranks[name].get(i, 0) for name in ("lexical", "dense")]
                rows.append([*said, *places, *read.features(*passages[i], rarity)])
        ceiling.append(lexical.ceiling(query))
        best = sorted((max(0, grade) for grade in grades.values()), reverse=True)[:10]
        ideal.append(sum(grade / np.log2(place + 2) for place, grade in enumerate(best)))
    columns = np.array(rows, dtype=np.float64).T
    return Candidates(
        np.array(list(queries)),
        np.array([pair[3] for pair in pairs]),
        np.array(ideal),
        np.array(ceiling),
        known_items(index, encoder),
        *(np.array([pair[i] for pair in pairs], dtype=kind) for i, kind in enumerate((np.int64, float, np.int64))),
        *columns[:2],
        *columns[2:4].astype(np.int64),
        columns[4:].T.copy(),
    )


class Words:
    """Features of passages; each text is cut into words once."""

    def __init__(self, words: Analysis) -> None:
        self._words = words
        self._texts: dict[int, list[str]] = {}
        self._titles: dict[str, set[str]] = {}

    def features(self, passage: Passage, document: Document, rarity: Mapping[str, float]) -> list[float]:
        """The features of a passage for a query, whose words come with their idf; in the order of ``FEATURES``."""
        text = self._texts.get(passage.passage_id)
        if text is None:
            text = self._words.words(f"{passage.heading}\n{passage.text}")
            self._texts[passage.passage_id] = text
        title = self._titles.get(document.doc_id)
        if title is None:
            title = self._titles[document.doc_id] = set(self._words.words(document.title))
        places = [(place, word) for place, word in enumerate(text) if word in rarity]
        matched = {word for _, word in places}
        covered = sum(rarity[word] for word in matched | (title & rarity.keys())) / (sum(rarity.values()) or 1)
        return [
            len(title & rarity.keys()) / max(1, len(rarity)),
            covered,
            closeness(places, len(matched)),
            1 - min(1.0, log(1 + len(text)) / log(400)),
            1 / (1 + passage.ordinal),
        ]


def closeness(places: Sequence[tuple[int, str]], distinct: int) -> float:
    """1 where all the words that are there stand side by side, towards 0 the longer the stretch that holds them."""
    if distinct < 2:
        return 0.0
    counts: dict[str, int] = {}
    first, shortest = 0, places[-1][0] - places[0][0] + 1
    for place, word in places:
        counts[word] = counts.get(word, 0) + 1
        while len(counts) == distinct:
            begin, dropped = places[first]
            shortest = min(shortest, place - begin + 1)
            counts[dropped] -= 1
            if not counts[dropped]:
                del counts[dropped]
            first += 1
    return (distinct - 1) / (shortest - 1)


def known_items(index: Index, encoder: Encoder) -> Floats:
    """How well each leg finds articles by their titles (without one: by their first words): mean reciprocal rank.

    It needs no judgements: what is asked for is known. Zeros where the encoder can only look its vectors up.
    """
    store, legs = index._store, index._asked("hybrid")
    names = [document.doc_id for document in store.documents()]
    chosen = np.random.default_rng(0).permutation(len(names))[:KNOWN_ITEMS]
    items = [document for i in chosen if (document := store.document(names[i])) is not None]
    asked = [item.title or " ".join(item.text.split()[:12]) for item in items]
    found = np.zeros((2, len(items)))
    try:
        vectors = encoder.encode_queries(asked)
    except KeyError:
        return found.mean(axis=1)
    for number, (item, text) in enumerate(zip(items, asked, strict=True)):
        for leg, name in enumerate(("lexical", "dense")):
            ranking: Ranking = legs[name].search(Query(text, vectors[number]), 20, None)
            owners = store.doc_ids_of([passage_id for passage_id, _ in ranking])
            ranks = [rank for rank, (i, _) in enumerate(ranking, 1) if owners.get(i) == item.doc_id]
            found[leg, number] = 1 / ranks[0] if ranks else 0.0
    return found.mean(axis=1)


# normalised scores


def by_query(values: Floats, found: Candidates, reduce: np.ufunc = np.maximum) -> Floats:
    """The largest (or least, or sum) of each query's rows, for each row."""
    query = found.row_query
    return reduce.reduceat(values, np.flatnonzero(np.diff(query, prepend=-1)))[query]


def share(scores: Floats, floor: Floats | float, top: Floats) -> Floats:
    return np.maximum(scores - floor, 0) / np.maximum(top - floor, 1e-9)


def each_leg(found: Candidates) -> tuple[tuple[Floats, Ints], tuple[Floats, Ints]]:
    return (found.lexical, found.lexical_rank), (found.dense, found.dense_rank)


def shares(found: Candidates) -> list[Floats]:
    return [share(scores, 0.0, by_query(scores, found)) for scores, _ in each_leg(found)]


def min_max(found: Candidates) -> list[Floats]:
    """The floor is the worst of the leg's own candidates."""
    return [
        share(scores, by_query(np.where(ranks > 0, scores, np.inf), found, np.minimum), by_query(scores, found))
        for scores, ranks in each_leg(found)
    ]


def theoretical(found: Candidates) -> list[Floats]:
    """The floor is the least score there can be: 0 and -1."""
    dense = share(found.dense, -1.0, by_query(found.dense, found))
    return [share(found.lexical, 0.0, by_query(found.lexical, found)), dense]


def ceilings(found: Candidates) -> list[Floats]:
    """The top is the highest score there can be, and 0 the floor."""
    return [share(found.lexical, 0.0, found.ceiling[found.row_query]), np.maximum(found.dense, 0)]


def z_scores(found: Candidates) -> list[Floats]:
    """Mean and deviation are those of the leg's own candidates."""
    normalised = []
    for scores, ranks in each_leg(found):
        own = (ranks > 0).astype(float)
        count = np.maximum(by_query(own, found, np.add), 1)
        mean = by_query(own * scores, found, np.add) / count
        variance = by_query(own * (scores - mean) ** 2, found, np.add) / count
        normalised.append((scores - mean) / np.sqrt(np.maximum(variance, 1e-9)))
    return normalised


NORMALISATIONS: dict[str, Callable[[Candidates], list[Floats]]] = {
    "shares": shares,
    "min-max": min_max,
    "theoretical": theoretical,
    "ceiling": ceilings,
    "z-score": z_scores,
}


def blend(legs: Sequence[Floats], weight: Floats | float) -> Floats:
    return weight * legs[0] + (1 - weight) * legs[1]


def lexical_alone(found: Candidates) -> Floats:
    """BM25; passages without a word of the query are none of its."""
    return np.where(found.lexical > 0, found.lexical, -np.inf)


def rrf(found: Candidates, k: int) -> Floats:
    return sum(np.where(ranks > 0, 1 / (k + ranks), 0) for _, ranks in each_leg(found))


def design(found: Candidates, names: Sequence[str]) -> Floats:
    """A column for each name; a star multiplies."""
    legs = dict(zip(("lexical", "dense"), shares(found), strict=True))
    single = legs | dict(zip(FEATURES, found.features.T, strict=True))
    return np.stack([np.prod([single[part] for part in name.split("*")], axis=0) for name in names], axis=1)
