"""The sentences of a passage that answer best, the words of the query in it, and the part of it to show."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet

Span = tuple[int, int]
NEARLY = 0.9
"""A second sentence is highlighted too where it scores at least this share of the best."""
_HEADINGS = re.compile(r"(#{1,6} [^\n]*\n\s*)+(?=\S)")


def sentences(text: str, language: str = "en") -> list[Span]:
    """Character spans of the sentences, without the blanks around them. Rules by sentencex (Wikimedia)."""
    import sentencex

    spans = []
    for found in sentencex.get_sentence_boundaries(language or "en", text):
        sentence = text[found["start_index"] : found["end_index"]]
        if sentence.strip():
            start = found["start_index"] + len(sentence) - len(sentence.lstrip())
            spans.append((start, start + len(sentence.strip())))
    return spans


def query_terms(
    wanted: AbstractSet[str],
    pieces: Iterable[re.Match[str]],
    analyse: Callable[[str], list[str]],
    known: dict[str, bool] | None = None,
) -> tuple[Span, ...]:
    """Character spans of the words whose analysed form is among ``wanted``; those that overlap become one.

    Args:
        wanted: analysed words of the query.
        pieces: the words of the text, in order.
        analyse: the analysed forms of one word.
        known: which words are among them, as far as texts before this one told; it is filled in.
    """
    forms = {} if known is None else known
    found = [(piece[0], piece) for piece in pieces]
    for word in {word for word, _ in found if word not in forms}:
        forms[word] = not wanted.isdisjoint(analyse(word))
    spans: list[Span] = []
    for start, end in [piece.span() for word, piece in found if forms[word]]:
        if spans and start < spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, end))
    return tuple(spans)


def best_sentences(
    spans: Sequence[Span], terms: Sequence[Span], wanted: int, similarity: Sequence[float] | None
) -> tuple[Span, ...]:
    """The one or two sentences that answer best, in the order of the text.

    Args:
        spans: the sentences.
        terms: where words of the query stand.
        wanted: number of words of the query that can be found.
        similarity: cosine of each sentence with the query, where there is an encoder to tell.
    """
    scores = [sum(s <= a < e for a, _ in terms) / (wanted or 1) for s, e in spans]
    if similarity is not None:
        scores = [score + max(0.0, cosine) for score, cosine in zip(scores, similarity, strict=True)]
    best = max(scores, default=0.0)
    if best <= 0:
        return ()
    order = sorted(range(len(spans)), key=lambda i: -scores[i])[:2]
    return tuple(spans[i] for i in sorted(order) if scores[i] >= NEARLY * best)


def past_headings(text: str) -> int:
    """Where the text of a passage begins that opens with Markdown headings."""
    opening = _HEADINGS.match(text)
    return opening.end() if opening else 0


def window(text: str, focus: Sequence[Span], room: int) -> Span:
    """The part of a text to show: about ``room`` characters with the focus inside, cut between words."""
    if len(text) <= room * 1.2:  # a cut would hide a few words only
        return 0, len(text)
    start, end = (focus[0][0], focus[-1][1]) if focus else (0, 0)
    if end - start > room:
        end = min(focus[0][1], start + room)
    start = max(0, start - (room - (end - start)) // 3)
    end = min(len(text), start + room)
    start = max(0, min(start, end - room))
    if start and (blank := text.find(" ", start - 1, start + 40)) >= 0:
        start = blank + 1
    if end < len(text) and (blank := text.rfind(" ", end - 40, end + 1)) > start:
        end = blank
    return start, end
