"""Documents into passages: headings, paragraphs, sentences, up to a budget of tokens, with exact offsets.

The splitter works in characters, two orders of magnitude faster than with a tokenizer inside; then every passage is
counted once, as it will be encoded, and the few that are over the budget are cut again.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import NamedTuple

from searchidx.articles.headings import joined, sections
from searchidx.types import Document, Passage

DEFAULT_MAX_TOKENS = 200
"""Budget of a passage with title and heading, in tokens of the encoder."""
TOKENS_PER_LETTER, TOKENS_PER_SIGN, TOKENS_PER_EXTRA_BYTE = 0.204, 0.95, 0.44
"""First estimate of the tokens in a text, for letters and blanks, ASCII digits and punctuation, and the UTF-8 bytes
beyond one per character. Fitted to WordPiece on news, abstracts and old wires (standard deviation 4% of a news article,
8% elsewhere), then raised by a tenth: more of it fills passages less, less of it cuts more of them twice."""
TINY_TOKENS = 32
"""A passage below this, or below a quarter of the budget, is joined to a neighbour where the two fit."""
MIN_TEXT_TOKENS = 16
"""What title and heading leave to the text of a passage at the least."""
WINDOW = 8
"""Capacities seen by the splitter at a time: its time grows with the square of the text in long lines."""

_SIGNS = (string.digits + string.punctuation).encode()

CountTokens = Callable[[Sequence[str]], Sequence[int]]


class _Span(NamedTuple):
    start: int
    end: int
    heading: str
    section: int
    capacity: int


def encoder_input(title: str, heading: str, text: str, max_tokens: int = DEFAULT_MAX_TOKENS) -> str:
    """What is encoded for a passage: title, heading and text on lines of their own, empty ones left out.

    What is said twice (a heading that is the title, a text that is nothing else) is put once. Title and heading have
    at most ``max_tokens`` less ``MIN_TEXT_TOKENS`` bytes (a token is one at the least, so they never crowd out the
    text): headings are dropped from the outermost, then the title is cut.
    """
    room = max_tokens - MIN_TEXT_TOKENS
    while heading and len(f"{title}{heading}".encode()) > room:
        heading = heading.partition(" > ")[2]
    if len(title) * 4 > room:
        title = title.encode()[: max(room, 0)].decode(errors="ignore")
    return "\n".join(part for part in dict.fromkeys((title, heading, text)) if part)


def split(documents: Sequence[Document], max_tokens: int, count_tokens: CountTokens) -> list[list[Passage]]:
    """Passages of each document, in order, without overlap, covering all of the text but blanks.

    Each ``encoder_input`` has at most ``max_tokens`` tokens, where a token is at least one byte of UTF-8.
    ``count_tokens`` is called once with the inputs of all passages, then only with those that were cut again.
    """
    shadows, pending = list[str](), list[tuple[int, _Span]]()
    for number, document in enumerate(documents):
        shadow, spans = _draft(document, max_tokens)
        shadows.append(shadow)
        pending += ((number, span) for span in spans)
    fitting: list[list[_Span]] = [[] for _ in documents]
    while pending:
        over = list[tuple[int, _Span]]()
        inputs = [_input(documents[number], span, max_tokens) for number, span in pending]
        for (number, span), count in zip(pending, count_tokens(inputs), strict=True):
            if count <= max_tokens or span.end - span.start == 1:
                fitting[number].append(span)
            else:
                over += ((number, piece) for piece in _halves(shadows[number], span, ceil(count / max_tokens)))
        pending = over
    return [_passages(document, sorted(spans)) for document, spans in zip(documents, fitting, strict=True)]


def _input(document: Document, span: _Span, max_tokens: int) -> str:
    return encoder_input(document.title, span.heading, document.text[span.start : span.end], max_tokens)


def _passages(document: Document, spans: list[_Span]) -> list[Passage]:
    return [
        Passage(0, document.doc_id, ordinal, span.heading, span.start, span.end, document.text[span.start : span.end])
        for ordinal, span in enumerate(spans)
    ]


def _draft(document: Document, max_tokens: int) -> tuple[str, list[_Span]]:
    """Spans that are likely to fit, and the text that the splitter saw."""
    parts = sections(document)
    shadow = joined(document.text, parts)
    room = int(max_tokens * _chars_per_token(shadow))
    tiny = min(TINY_TOKENS * room // max_tokens, room // 4)
    spans = list[_Span]()
    for number, part in enumerate(parts):
        capacity = max(room - len(document.title) - len(part.heading), room // 4, 1)
        whole = _Span(part.start, part.end, part.heading, number, capacity)
        spans += _balanced(shadow, _cut(shadow, whole, capacity), tiny)
    return shadow, _merge(_merge(spans, tiny, within=True), tiny, within=False)


def _chars_per_token(text: str) -> float:
    raw = text.encode(errors="replace")
    signs = len(raw) - len(raw.translate(None, _SIGNS))
    extra = len(raw) - len(text)
    tokens = TOKENS_PER_LETTER * (len(text) - signs) + TOKENS_PER_SIGN * signs + TOKENS_PER_EXTRA_BYTE * extra
    return len(text) / max(tokens, 1.0)


def _cut(shadow: str, span: _Span, capacity: int) -> list[_Span]:
    """Pieces of the span of at most ``capacity`` characters, blanks trimmed, none of them blank."""
    return [
        _Span(start, end, span.heading, span.section, span.capacity)
        for start, end in _pieces(shadow, span.start, span.end, capacity)
    ]


def _pieces(shadow: str, start: int, end: int, capacity: int) -> Iterator[tuple[int, int]]:
    """Start and end of each piece; the last one of a window is incomplete there and begins the next window."""
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter(capacity)
    while start < end:
        window = min(end, start + WINDOW * capacity)
        pieces = splitter.chunk_indices(shadow[start:window])
        following = start + pieces.pop()[0] if window < end and len(pieces) > 1 else window
        yield from ((start + at, start + at + len(piece)) for at, piece in pieces if not piece.isspace())
        start = following


def _balanced(shadow: str, spans: list[_Span], tiny: int) -> list[_Span]:
    """The pieces of a section; a tiny last one is evened out with the one before."""
    if len(spans) < 2 or spans[-1].end - spans[-1].start >= tiny:
        return spans
    whole = spans[-2]._replace(end=spans[-1].end)
    return spans[:-2] + ([whole] if whole.end - whole.start <= whole.capacity else _halves(shadow, whole, 2))


def _halves(shadow: str, span: _Span, parts: int) -> list[_Span]:
    """The span cut into about as many parts of about the same size, two at the least."""
    size = span.end - span.start
    return _cut(shadow, span, max(1, min(size - 1, ceil(1.1 * size / max(parts, 2)))))


def _merge(spans: list[_Span], tiny: int, *, within: bool) -> list[_Span]:
    """Spans with tiny ones joined to the next, or else to the previous, where the two fit.

    ``within``: only inside a section. Across sections the larger part gives the heading.
    """
    if all(span.end - span.start >= tiny for span in spans):
        return spans
    merged = list[_Span]()
    for span in reversed(spans):
        if merged and (span.section == merged[-1].section or not within):
            after = merged[-1]
            sizes = (span.end - span.start, after.end - after.start)
            if min(sizes) < tiny and after.end - span.start <= min(span.capacity, after.capacity):
                larger = span if sizes[0] >= sizes[1] else after
                merged[-1] = larger._replace(start=span.start, end=after.end)
                continue
        merged.append(span)
    return merged[::-1]
