"""Journey 3: texts that somebody else found become a ranking with relevances; no index takes part.

The two legs of a search look at the given texts only: cosines of the encoder, and BM25 in which a word's rarity is that
among these texts. They are merged and calibrated as in ``search.py``; docs/decisions/014-rerank.md has the figures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from searchidx.ranking import calibration, fusion
from searchidx.storage.analysis import UNKNOWN, Analysis, analysis
from searchidx.storage.language import language_of
from searchidx.storage.lexical_query import terms_of
from searchidx.storage.lexical_tail import K1, B, field_norm, idf
from searchidx.types import Document, Encoder, Leg, Ranking

LEXICAL_WEIGHT = 0.4
"""Weight of BM25 beside any encoder: less than in a search, because few texts say little of how rare a word is."""
WINDOW = 800
"""Characters that are compared by meaning at once: the vector of a long text is near to nothing in it."""


def rerank(query: str, texts: Sequence[str], encoder: Encoder, language: str = UNKNOWN) -> list[tuple[int, float]]:
    """Rank texts by how well they answer a query.

    Args:
        query: anything a person types.
        texts: in any order; equally good ones keep it.
        encoder: makes the vectors.
        language: whose words are stemmed, a code such as ``de``; ``auto`` takes that of the texts.

    Returns:
        The place of each text in ``texts`` with its relevance from 0 to 1 (as ``Hit.score``), best first.
    """
    if not texts:
        return []
    if language == UNKNOWN:
        language = language_of([Document("", text) for text in texts])
    rankings, ceiling = _legs(query, texts, encoder, analysis(language))
    merged = fusion.weighted(rankings, {"lexical": LEXICAL_WEIGHT, "dense": 1 - LEXICAL_WEIGHT})
    said = {name: {place: Leg(None, score) for place, score in ranking} for name, ranking in rankings.items()}
    whole = calibration.query_parts(said, ceiling)
    weights = calibration.weights_of("hybrid", encoder.fingerprint.partition(":")[0])
    relevance = calibration.relevance(({"share": share, **whole} for _, share in merged), weights)
    return [(place, value) for (place, _), value in zip(merged, relevance, strict=True)]


def _legs(query: str, texts: Sequence[str], encoder: Encoder, words: Analysis) -> tuple[dict[str, Ranking], float]:
    """What each leg says of each text, by its place, and the BM25 that none can exceed."""
    lexical, ceiling = _bm25(terms_of(query, words), [words.words(text) for text in texts])
    windows = [_windows(text) for text in texts]
    flat = [window for some in windows for window in some]
    cosines = iter((encoder.encode_passages(flat) @ encoder.encode_queries([query])[0]).tolist())
    # where a text stands in the matrix changes the last bits
    dense = [(place, round(max(next(cosines) for _ in some), 6)) for place, some in enumerate(windows)]
    return {"lexical": lexical, "dense": dense}, ceiling


def _windows(text: str) -> list[str]:
    """A text in parts of about the same length, none longer than one and a half windows."""
    parts = max(1, round(len(text) / WINDOW))
    size = -(-len(text) // parts) or 1
    return [text[start : start + size] for start in range(0, len(text), size)] or [text]


def _bm25(terms: Mapping[str, float], texts: Sequence[Sequence[str]]) -> tuple[Ranking, float]:
    """The BM25 of each text, as tantivy calculates it for an index of these texts alone, and what none can exceed."""
    counts = [Counter(words) for words in texts]
    average = max(1.0, sum(map(len, texts)) / len(texts))
    rarity = {
        term: weight * (1 + K1) * idf(sum(term in count for count in counts), len(texts))
        for term, weight in terms.items()
    }
    scores = []
    for place, count in enumerate(counts):
        norm = K1 * (1 - B + B * field_norm(len(texts[place])) / average)
        scores.append((place, sum(rarity[t] * count[t] / (count[t] + norm) for t in terms if t in count)))
    return scores, sum(rarity.values())
