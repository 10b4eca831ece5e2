"""Texts cut into the parts that a page marks: sentences and words of a hit, headings and paragraphs of an article.

Nothing here makes HTML. Every part is a slice of the text it comes from, so that spans of citations stay true, and the
templates, which escape everything, decide what it looks like.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby, islice
from typing import NamedTuple

from searchidx.articles.headings import joined, sections
from searchidx.ranking.highlight import Span, past_headings, window
from searchidx.serving.public import is_web
from searchidx.types import Document, Hit

ROOM = 420
"""Characters of a passage that a result shows, about four lines."""
MAX_BLOCKS = 20_000
"""Blocks of an article at most, what follows is shown as it is: a browser needs a second for so many."""


class Run(NamedTuple):
    """A stretch of text, marked or not; ``anchor`` where it is the first that is marked."""

    text: str
    marked: bool
    anchor: bool = False


class Sentence(NamedTuple):
    """A stretch of a passage, one of its best sentences or not, with the words of the query marked."""

    best: bool
    runs: list[Run]


class Excerpt(NamedTuple):
    """What a result shows of a passage, and whether there is more before and after."""

    sentences: list[Sentence]
    before: bool
    after: bool


class Piece(NamedTuple):
    """A stretch of a block: ``a``, ``b``, ``i`` or ``code``, or plain (empty); ``href`` is an address on the web."""

    tag: str
    href: str
    runs: list[Run]


class Block(NamedTuple):
    """``h2`` to ``h6``, ``p``, ``pre``, ``hr`` or ``li``; ``within`` is ``ul``, ``ol``, ``blockquote`` or empty."""

    tag: str
    within: str
    number: int
    pieces: list[Piece]


class Group(NamedTuple):
    """Neighbouring blocks within the same list or quotation."""

    within: str
    number: int
    blocks: list[Block]


def excerpt(hit: Hit) -> Excerpt:
    """The part of the hit's passage around its best sentences."""
    text = hit.passage.text.replace("\n", " ")
    skip = past_headings(hit.passage.text) if hit.passage.heading else 0  # the line above tells them already
    best = [span for span in hit.highlights if span[0] >= skip]
    focus = best or [span for span in hit.terms if span[0] >= skip][:1]
    start, end = (place + skip for place in window(text[skip:], [(a - skip, b - skip) for a, b in focus], ROOM))
    shown = [
        Sentence(marked, [Run(text[c:d], term) for c, d, term in _cut(a, b, hit.terms)])
        for a, b, marked in _cut(start, end, best)
    ]
    return Excerpt(shown, start > skip, end < len(text))


def opening(text: str, room: int = 160) -> str:
    """The first words of a passage, on one line."""
    text = " ".join(text[past_headings(text) :].split())
    end = window(text, (), room)[1]
    return text[:end] + (" …" if end < len(text) else "")


def _cut(start: int, end: int, spans: Sequence[Span]) -> Iterator[tuple[int, int, bool]]:
    """``start`` to ``end`` as stretches inside and outside of the spans, which are sorted and apart."""
    for a, b in spans:
        first, last = max(a, start), min(b, end)
        if first < last:
            if start < first:
                yield start, first, False
            yield first, last, True
            start = last
    if start < end:
        yield start, end, False


# articles


def article(document: Document, passage: Span | None = None) -> list[Group]:
    """The blocks of an article, with a passage of it marked.

    Markdown is read as far as articles need it: headings, paragraphs, lists, quotations, code, emphasis and links to
    the web. Anything else, HTML above all, is text like any other. Time grows with the length.
    """
    markdown = document.media_type == "text/markdown"
    text, found = (document.text, _markdown(document.text)) if markdown else _plain(document)
    marker = _Marker(text, passage)
    blocks = (
        Block(tag, within, number, marker.pieces(spans, inline=markdown and tag != "pre"))
        for tag, within, number, spans in _bounded(found, len(text))
    )
    groups = []
    for within, some in groupby(blocks, lambda block: block.within):
        held = list(some)
        groups.append(Group(within, held[0].number, held))
    return groups


_Found = tuple[str, str, int, list[Span]]
"""Tag, surroundings and number of a block, and where its text stands."""
_PARAGRAPH = re.compile(r"\S[^\n]*(?:\n[^\S\n]*\S[^\n]*)*")
_LINE = re.compile(r"[^\n]*\n?")
_FENCE = re.compile(r" {0,3}(```+|~~~+)")
_CODE = "```"
_OPENING = re.compile(
    r" {0,3}(?:(?P<heading>#{1,6})(?:[ \t]+|$)|(?P<quote>>) ?|(?P<rule>([*_-])[ \t]*(?:\4[ \t]*){2,})$)"
    r"|\s{0,12}(?:(?P<bullet>[-*+])|(?P<number>\d{1,9})[.)])[ \t]+(?=\S)"
)
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_INLINE = re.compile(
    r"`(?P<code>[^`\n]{1,500})`"
    r"|!?\[(?P<a>[^\[\]]{1,500})\]\(<?(?P<href>[^\s()<>]{1,2000})>?(?:\s+\"[^\"\n]{0,200}\")?\)"
    r"|\*\*(?P<b>[^\s*](?:[^*]{0,500}[^\s*])?)\*\*"
    r"|(?<![\w*])\*(?P<i>[^\s*](?:[^*]{0,500}[^\s*])?)\*(?![\w*])"
    r"|(?<![\w_])_(?P<I>[^\s_](?:[^_]{0,500}[^\s_])?)_(?![\w_])"
)


def _bounded(found: Iterator[_Found], length: int) -> Iterator[_Found]:
    """At most ``MAX_BLOCKS`` blocks, the last of which may be all the rest."""
    yield from islice(found, MAX_BLOCKS)
    for *_, spans in found:
        if spans:
            yield "pre", "", 0, [(spans[0][0], length)]
            return


def _plain(document: Document) -> tuple[str, Iterator[_Found]]:
    """Paragraphs of plain text, hard-wrapped lines joined; what ``sections`` takes for headings are headings here."""
    parts = sections(document)
    headings = {part.start for part in parts if part.body > part.start}
    blocks = _PARAGRAPH.finditer(document.text)
    found = (("h2" if block.start() in headings else "p", "", 0, [block.span()]) for block in blocks)
    return joined(document.text, parts), found


def _markdown(text: str) -> Iterator[_Found]:
    """Blocks of Markdown, line by line."""
    begun: _Found | None = None
    for line, start, end in _lines(text):
        found, inline = _opened(line, start, end), begun is not None and begun[0] in ("p", "li")
        if begun and begun[:2] == ("p", "") and (under := _UNDERLINE.match(line)):
            begun = "h2" if under[1][0] == "=" else "h3", *begun[1:]
        elif begun and found and begun[1] == found[1] == "blockquote":
            begun[3].extend(found[3])
        elif begun and inline and not found and line.strip():
            begun[3].append((start, end))
        else:
            if begun:
                yield begun
            begun = found or (("p", "", 0, [(start, end)]) if line.strip() else None)
    if begun:
        yield begun


def _lines(text: str) -> Iterator[tuple[str, int, int]]:
    """Lines and where they stand; what stands between fences is one, and called ``_CODE``."""
    fence, first = "", 0
    for match in _LINE.finditer(text):
        line = match[0].rstrip()
        if not fence and (opened := _FENCE.match(line)):
            fence, first = opened[1], match.end()
        elif not fence:
            yield line, *match.span()
        elif line.lstrip().startswith(fence) and not line.strip(" `~"):
            yield _CODE, first, match.start()
            fence = ""
    if fence:
        yield _CODE, first, len(text)


def _opened(line: str, start: int, end: int) -> _Found | None:
    """The block that a line opens, other than a plain paragraph."""
    if line == _CODE:
        return "pre", "", 0, [(start, end)]
    opening = _OPENING.match(line)
    if not opening:
        return None
    inside = start + opening.end()
    if opening["heading"]:
        level = min(6, len(opening["heading"]) + 1)  # the title of the page is h1
        bare = line.rstrip("#")
        return f"h{level}", "", 0, [(inside, max(inside, start + len(bare)) if bare[-1:].isspace() else end)]
    if opening["rule"]:
        return "hr", "", 0, []
    if opening["quote"]:
        return ("p", "blockquote", 0, [(inside, end)]) if line[opening.end() :].strip() else None
    return "li", "ul" if opening["bullet"] else "ol", int(opening["number"] or 0), [(inside, end)]


class _Marker:
    """Cuts blocks of one text into pieces, and remembers whether the passage has begun."""

    def __init__(self, text: str, passage: Span | None) -> None:
        self._text, self._spans, self._begun = text, [passage] if passage else [], False

    def pieces(self, spans: Sequence[Span], *, inline: bool) -> list[Piece]:
        """The stretches of a block, given by the spans of its lines; marks around emphasis and links are left out."""
        pieces = []
        for start, end in _together(spans):
            for match in _INLINE.finditer(self._text, start, end) if inline else ():
                if start < match.start():
                    pieces.append(Piece("", "", self._runs(start, match.start())))
                pieces.append(self._inline(match))
                start = match.end()
            if start < end:
                pieces.append(Piece("", "", self._runs(start, end)))
        return pieces

    def _inline(self, match: re.Match[str]) -> Piece:
        name = match.lastgroup or ""
        if name != "href":
            return Piece(name.lower(), "", self._runs(*match.span(name)))
        href = match["href"] if is_web(match["href"]) else ""
        return Piece("a" if href else "", href, self._runs(*match.span("a")))

    def _runs(self, start: int, end: int) -> list[Run]:
        runs = []
        for a, b, marked in _cut(start, end, self._spans):
            anchor = marked and not self._begun and not self._text[a:b].isspace()
            runs.append(Run(self._text[a:b], marked, anchor))
            self._begun = self._begun or anchor
        return runs


def _together(spans: Sequence[Span]) -> list[Span]:
    """Spans with those made one that touch: emphasis may go on in the next line."""
    whole: list[Span] = []
    for start, end in spans:
        if whole and whole[-1][1] == start:
            start = whole.pop()[0]
        whole.append((start, end))
    return whole
