"""The article inside a web page."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy as copy
from dataclasses import replace
from typing import Any

from searchidx.articles.agreement import weigh
from searchidx.articles.container import main_part, tidy
from searchidx.articles.decoding import decode
from searchidx.articles.pagefacts import page_facts
from searchidx.articles.prose import to_markdown
from searchidx.articles.pruning import drop_hidden, prune
from searchidx.articles.walls import wall
from searchidx.errors import ExtractError
from searchidx.types import Document, Source

MAX_ATTRIBUTES, MAX_INLINE, MAX_CHILDREN, MAX_ELEMENTS = 5_000, 4_000, 20_000, 60_000
"""Bounds of a page: attributes of a tag; inline parts (links, spans), and parts of any kind, of an element; elements.
Each keeps the time at some seconds; the most among 1,171 articles was 200 links, 1,100 parts, 10,106 elements."""

UNCOVERED = 100
"""Characters of an article below which the page is taken for one that hides its article until a script runs."""

_LONG_TAG = re.compile(r"<\w[^<>]{20000,}")
_INLINE = "a|span|b|i|em|strong|font|u|sup|sub|code"
_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)
_NOTHING = "no article found in this page: save its text in a file, or remove it"
# What the Markdown writer escapes so that it is not taken for markup; a heading mark must stay escaped.
_ESCAPED = re.compile(r"\\([^\w\s#]|_)")


def read_page(raw: bytes, source: Source) -> Document:
    """The article of a page as Markdown: headings, lists, quotes and tables marked, other marks and links left out.

    Raises:
        ExtractError: it is no text, or no article was found in it.
    """
    tree = _tree(_decoded(raw, source), source)
    with _quiet("trafilatura", "htmldate"):
        about = page_facts(tree, source)
        shown = copy(tree)
        drop_hidden(shown)
        text = _article(shown)
        if len(text) < UNCOVERED:
            text = _article(tree)
    text = _without_title(text, about.title)
    if reason := wall(text) or ("" if text.strip() else wall(_shown_text(shown)) or _NOTHING):
        raise ExtractError(source.uri, reason)
    return replace(about, text=text)


def _shown_text(tree: Any) -> str:
    """What a browser shows of a page, with what it would show without scripts."""
    return "\n".join([*_blocks(tree), *("".join(one.itertext()) for one in tree.iter("noscript"))])


def _article(tree: Any) -> str:
    """The article of a parsed page, by two ways of reading it and, where they differ, a third."""
    rest = copy(tree)
    prune(rest)
    part, shown = main_part(rest), " ".join(rest.itertext())
    if part is not None:
        tidy(part)
    ours = "" if part is None else to_markdown(part)
    theirs = _by_trafilatura(tree, favor_precision=True, fast=True)
    chosen = weigh(ours, theirs, lambda: _by_readability(tree), shown)
    return (_by_trafilatura(tree) or theirs) if chosen == theirs else chosen


def _by_trafilatura(tree: Any, **options: bool) -> str:
    import trafilatura
    from lxml import etree
    from trafilatura.xml import xmltotxt

    found = trafilatura.bare_extraction(tree, include_comments=False, output_format="markdown", **options)
    if found is None or found.body is None:
        return ""
    etree.strip_tags(found.body, "hi", "ref", "del")
    return _ESCAPED.sub(r"\1", xmltotxt(found.body, True))


def _by_readability(tree: Any) -> str:
    from lxml import html
    from trafilatura.readability_lxml import Document as Readable

    summary = Readable(copy(tree)).summary()
    return " ".join(html.fromstring(summary).itertext()) if summary.strip() else ""


def _without_title(text: str, title: str) -> str:
    """The text without its opening line where that is the title, which is encoded and shown already."""
    opening, _, below = text.partition("\n")
    return below if opening.lstrip("# ").casefold() == title.casefold() and below.strip() else text


def _decoded(raw: bytes, source: Source) -> str:
    declared = _CHARSET.search(raw[:4096])
    return decode(raw, source.uri, declared[1].decode() if declared else "")


def _tree(page: str, source: Source) -> Any:
    """The parsed page, unless the time that extraction takes grows with the square of it."""
    import trafilatura

    if any(tag.group().count("=") > MAX_ATTRIBUTES for tag in _LONG_TAG.finditer(page)):
        raise ExtractError(
            source.uri, f"a tag of this page has more than {MAX_ATTRIBUTES} attributes: save its text in a file"
        )
    tree = trafilatura.load_html(page)
    if tree is None:
        raise ExtractError(source.uri, _NOTHING)
    if tree.xpath("count(//*)") > MAX_ELEMENTS:
        raise ExtractError(source.uri, f"this page has more than {MAX_ELEMENTS} elements: save its text in a file")
    if tree.xpath(f"//*[count(*) > {MAX_CHILDREN} or count({_INLINE}) > {MAX_INLINE}][1]"):
        raise ExtractError(source.uri, "an element of this page has thousands of parts: save its text in a file")
    return tree


@contextmanager
def _quiet(*names: str) -> Iterator[None]:
    """Without the log of these packages: what they warn of is told as a Failure."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def read_blocks(raw: bytes, source: Source) -> list[str]:
    """All that a page shows, in its order, a line for each paragraph, heading, item or cell.

    Raises:
        ExtractError: it is no text, or one of its elements is too large.
    """
    return _blocks(_tree(_decoded(raw, source), source))


def _blocks(tree: Any) -> list[str]:
    blocks, words = list[str](), list[str]()
    ends = _shown(tree)
    for text, apart in ends:
        if apart and (line := " ".join("".join(words).split())):
            blocks.append(line)
        if apart:
            words.clear()
        words.append(text)
    return [*blocks, *filter(None, [" ".join("".join(words).split())])]


def _shown(tree: Any) -> Iterator[tuple[str, bool]]:
    """The pieces of text of a tree, and whether each begins a block; a walk without recursion, as pages nest deeply."""
    from lxml import etree

    hidden: list[Any] = []
    for event, element in etree.iterwalk(tree, events=("start", "end", "comment", "pi")):
        if event in ("comment", "pi"):
            yield ("" if hidden else element.tail or ""), False
            continue
        apart = element.tag not in _IN_LINE
        if event == "start":
            if element.tag in _NOT_SHOWN:
                hidden.append(element)
            yield ("" if hidden else element.text or ""), apart
        else:
            if hidden and hidden[-1] is element:
                hidden.pop()
            yield ("" if hidden else element.tail or ""), apart


_NOT_SHOWN = frozenset(["script", "style", "noscript", "template", "head", "iframe", "svg", "object", "option"])
_IN_LINE = frozenset([*_INLINE.split("|"), "abbr", "cite", "del", "ins", "label", "mark", "q", "s", "small", "time"])
