"""Where the sections of an article begin, and which of its line breaks mean nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from searchidx.types import Document

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

MAX_HEADING = 80
"""Longest heading in plain text, in characters; a longer line that stands alone is a paragraph."""

# One run of lines without a blank line among them.
_BLOCK = re.compile(r"\S[^\n]*(?:\n[^\S\n]*\S[^\n]*)*")
# Without such a line a Markdown text has no heading, and the parser (1 MB/s) need not run.
_HEADING_LIKE = re.compile(r"^ {0,3}(?:#{1,6}(?:[ \t]|$)|=+[ \t]*$|-+[ \t]*$)", re.MULTILINE)
_LINE_END = re.compile(r"\r\n?|\n")
# The line that follows a wrapped one goes on with a word; a list item, quote or table row begins anew.
_GOES_ON = re.compile(r"(?!\d{1,3}[.)]\s)[\w\"'\u201c\u2018«(\[$£€]")
_WRAPPED = range(30, 121)
_SINGLE_BREAK = re.compile(r"\n(?<=[^\n]\n)(?!\n)")


class Section(NamedTuple):
    """A stretch of a text from one heading to the next: ``text[start:end]``, where ``text[start:body]`` is headings.

    ``heading`` is the path, outermost first, joined by ``" > "``; the title of the document is left out of it.
    """

    start: int
    body: int
    end: int
    heading: str


class _Heading(NamedTuple):
    start: int
    end: int
    level: int
    title: str


def sections(document: Document) -> list[Section]:
    """The sections of a document in order; together they are the whole text.

    A heading right below another one (a chapter that opens with its first section) shares a section with it.
    """
    text, path, found = document.text, list[_Heading](), list[Section]()
    marks = _markdown_headings(text) if document.media_type == "text/markdown" else _plain_headings(text)
    opening = marks[0].start if marks else len(text)
    if opening:
        found.append(Section(0, 0, opening, ""))
    ends = [mark.start for mark in marks[1:]] + [len(text)]
    for mark, end in zip(marks, ends, strict=False):
        while path and path[-1].level >= mark.level:
            path.pop()
        path.append(mark)
        start = mark.start
        if found and found[-1].body > found[-1].start and not text[found[-1].body : found[-1].end].strip():
            start = found.pop().start
        names = (name for _, _, _, name in path if name and name.casefold() != document.title.casefold())
        found.append(Section(start, mark.end, end, " > ".join(names)))
    return found


def lines_of(text: str) -> Iterator[tuple[int, int]]:
    """Start and end of each paragraph; of each line where the lines of a paragraph are no hard-wrapped sentences."""
    for block in _BLOCK.finditer(text):
        start, run = block.start(), block.group()
        if "\n" in run:
            soft = {at for at, _ in _soft_breaks_of(run, start)}
            for at in (found.start() for found in _SINGLE_BREAK.finditer(text, start, block.end())):
                if at not in soft:
                    yield start, at
                    start = at + 1
        yield start, block.end()


def first_title(text: str) -> str:
    """The first heading of level 1 in a Markdown text, or ``""``."""
    return next((heading.title for heading in _markdown_headings(text) if heading.level == 1), "")


def _markdown_headings(text: str) -> list[_Heading]:
    """Headings of both CommonMark styles, outside code, lists and quotations."""
    if not _HEADING_LIKE.search(text):
        return []
    starts = [0, *(end.end() for end in _LINE_END.finditer(text)), len(text), len(text)]
    blocks, inline = _parsers()
    tokens = blocks.parse(text)
    return [
        _Heading(starts[token.map[0]], starts[token.map[1]], int(token.tag[1]), _plain(inline, content.content))
        for token, content in pairwise(tokens)
        if token.type == "heading_open" and token.level == 0 and token.map
    ]


@cache
def _parsers() -> tuple[MarkdownIt, MarkdownIt]:
    """A parser for blocks alone, which is three times as fast, and one for what is inside a heading."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark").disable("inline"), MarkdownIt("commonmark")


def _plain(inline: MarkdownIt, content: str) -> str:
    """A heading without its marks: ``**Big** [news](x)`` is ``Big news``."""
    parts = (token.content or " " for token in inline.parseInline(content)[0].children or () if _has_text(token.type))
    return " ".join("".join(parts).split())


def _has_text(kind: str) -> bool:
    return kind in ("text", "code_inline", "softbreak", "hardbreak", "image")


def _plain_headings(text: str) -> list[_Heading]:
    """Short lines that stand alone above a longer paragraph and do not end like a sentence.

    A line found more than once is furniture of the page ("Advertisement"), not a heading.
    """
    blocks = [block.span() for block in _BLOCK.finditer(text)]
    candidates = [
        (start, end)
        for (start, end), (below, last) in pairwise(blocks)
        if end - start <= MAX_HEADING and last - below > end - start and _names(text[start:end].rstrip())
    ]
    times = Counter(text[start:end].rstrip() for start, end in candidates)
    return [_Heading(start, end, 1, name) for start, end in candidates if times[name := text[start:end].rstrip()] == 1]


def _names(line: str) -> bool:
    """Whether a line reads like a heading; a single word ("Advertisement", "Video") says nothing of what follows."""
    closing = line.rstrip("\"'\u201d\u2019»)]")[-1:]
    return (
        line[0].isalnum() and "\n" not in line and " " in line and closing not in (*".,;:!…", "") and "://" not in line
    )


def joined(text: str, parts: list[Section]) -> str:
    """The text, as long as before, with a blank for each line break that is no boundary.

    These are the breaks of hard-wrapped lines, and those between a heading and the text below it (a splitter that
    took them for boundaries would leave headings alone). Positions in it are positions in ``text``.
    """
    below = [(part.start, _first_word(text, part)) for part in parts if part.body > part.start]
    return _blank(_blank(text, below), list(_soft_breaks(text)))


def _first_word(text: str, part: Section) -> int:
    body = text[part.body : part.end]
    return part.body + len(body) - len(body.lstrip())


def _blank(text: str, spans: list[tuple[int, int]]) -> str:
    """The text with the line breaks inside the spans (sorted, apart) replaced by blanks."""
    pieces, done = list[str](), 0
    for start, end in spans:
        pieces += (text[done:start], text[start:end].replace("\n", " "))
        done = end
    return "".join((*pieces, text[done:])) if spans else text


def _soft_breaks(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the line breaks of hard-wrapped paragraphs."""
    if not _SINGLE_BREAK.search(text):
        return
    for block in _BLOCK.finditer(text):
        if "\n" in block.group():
            yield from _soft_breaks_of(block.group(), block.start())


def _soft_breaks_of(block: str, offset: int) -> Iterator[tuple[int, int]]:
    """Breaks in a run of lines, where most of them fall within a sentence after 30 to 120 characters.

    A break after a line much shorter than the longest ends a paragraph even then.
    """
    lines = block.split("\n")
    goes_on = [len(line) in _WRAPPED and bool(_GOES_ON.match(after)) for line, after in pairwise(lines)]
    within = sum(soft and line.rstrip()[-1:] not in '.!?:"”' for line, soft in zip(lines, goes_on, strict=False))
    if 2 * within < len(goes_on):
        return
    longest = max(map(len, lines))
    for line, soft in zip(lines, [*goes_on, False], strict=True):
        offset += len(line) + 1
        if soft and 3 * len(line) > 2 * longest:
            yield offset - 1, offset
