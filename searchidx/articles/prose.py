"""Parsed HTML as Markdown, the whole of it: books, letters and office files have no furniture to leave out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.entities import html5
from typing import Any

from searchidx.errors import ExtractError

_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLOCK_NAMES = """
address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header html li
main nav ol p section summary table tbody td tfoot th thead tr ul
"""
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_DROPPED_NAMES = "script style head template noscript svg math object iframe select button textarea"
_DROPPED = frozenset(_DROPPED_NAMES.split())
_NOT_IN_TABLES = (
    "self::table or self::ul or self::ol or self::blockquote or self::pre or self::h1 or self::h2 or self::h3"
)
_UNSEEN = re.compile(
    r"(?:display\s*:\s*none|visibility\s*:\s*hidden|mso-hide\s*:\s*all"
    r"|(?:font-size|opacity|max-height)\s*:\s*0(?:\.0+)?(?:p[xt]|r?em|%)?\s*(?:;|!|$))",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"^(?=#{1,6}(?:\s|$)|=+\s*$|-+\s*$)", re.MULTILINE)
_ENTITY = re.compile(r"&(\w{2,32});")
_PROLOG = re.compile(r"\s*(?:<\?xml[^>]*\?>)?\s*(?:<!DOCTYPE[^>\[]*>)?")
_XML_ENTITIES = frozenset(("amp", "lt", "gt", "quot", "apos"))


def parse_html(page: str, uri: str) -> Any:
    """The tree of an HTML page; None where there is nothing in it.

    Raises:
        ExtractError: its elements are nested so deeply that the parser would leave text out.
    """
    from lxml import etree

    return _parsed(page, uri, etree.HTMLParser(encoding="utf-8", no_network=True, huge_tree=True))


def parse_xhtml(page: str, uri: str) -> Any:
    """The tree of an XHTML page, however broken; no entity in it stands for more than a character.

    Raises:
        ExtractError: it declares entities, or its elements are nested too deeply.
    """
    from lxml import etree

    if "<!ENTITY" in page:
        raise ExtractError(uri, "it declares XML entities, as bombs do: save it anew")
    body = _ENTITY.sub(_character, _PROLOG.sub("", page, count=1))
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False, encoding="utf-8")
    tree = _parsed(body, uri, parser)
    return parse_html(page, uri) if tree is None else tree


def _parsed(page: str, uri: str, parser: Any) -> Any:
    from lxml import etree

    tree = etree.fromstring(page.encode(), parser)
    if any("Excessive depth" in error.message for error in parser.error_log):
        raise ExtractError(uri, "its elements are nested hundreds deep: save its text in a file")
    return tree


def _character(found: re.Match[str]) -> str:
    name = found[1]
    return found[0] if name in _XML_ENTITIES else html5.get(f"{name};", f"&amp;{name};")


def to_markdown(root: Any) -> str:
    """Headings, paragraphs, lists, quotes, tables and preformatted text; what a browser would not show is left out."""
    writer = _Writer()
    for entering, element in _walk(root):
        if entering is None:
            writer.write(element)
        elif entering:
            writer.enter(element)
        else:
            writer.leave(element)
    writer.flush()
    return writer.text()


def _walk(root: Any, inline: bool = False) -> Iterator[tuple[bool | None, Any]]:
    """Elements as they begin (True) and end (False), and texts (None); without recursion, however deep it is.

    Headings, tables and preformatted text are given whole, as they begin, unless ``inline``.
    """
    stack = [(root, iter(root))]
    yield True, root
    yield None, root.text
    while stack:
        element, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            yield False, element
            if stack:
                yield None, element.tail
        elif not isinstance(child.tag, str) or _name(child) in _DROPPED or _hidden(child):
            yield None, child.tail
        elif not inline and (_name(child) in _HEADINGS or _name(child) == "pre" or _is_table(child)):
            yield True, child
            yield None, child.tail
        else:
            stack.append((child, iter(child)))
            yield True, child
            yield None, child.text


class _Writer:
    def __init__(self) -> None:
        self._blocks: list[tuple[str, bool]] = []  # with whether it is the line of a list
        self._line: list[str] = []
        self._indent: list[str] = []
        self._marker = ""
        self._counters: list[int | None] = []

    def text(self) -> str:
        parts = [""]
        for number, (block, listed) in enumerate(self._blocks):
            if number:
                parts.append("\n" if listed and self._blocks[number - 1][1] else "\n\n")
            parts.append(block)
        return "".join(parts)

    def write(self, text: str | None) -> None:
        if text:
            self._line.append(re.sub(r"\s+", " ", text))

    def enter(self, element: Any) -> None:
        name = _name(element)
        if name == "br":
            self._line.append("\n")
        elif name in _HEADINGS:
            self.flush()
            if heading := _inline(element):
                self._push(f"{'#' * _HEADINGS[name]} {heading}")
        elif name == "pre":
            self.flush()
            self._push("```\n" + "".join(element.itertext()).strip("\n").replace("```", "'''") + "\n```")
        elif _is_table(element):
            self.flush()
            self._push("\n".join(_rows(element)))
        elif name in _BLOCKS:
            self.flush()
            self._open(name)

    def _open(self, name: str) -> None:
        if name in ("ul", "ol"):
            self._counters.append(0 if name == "ol" else None)
        elif name == "li":
            if self._counters and (count := self._counters[-1]) is not None:
                self._counters[-1] = count + 1
                self._marker = f"{count + 1}. "
            else:
                self._marker = "- "
            self._indent.append(" " * len(self._marker))
        elif name == "blockquote":
            self._indent.append("> ")

    def leave(self, element: Any) -> None:
        name = _name(element)
        if name not in _BLOCKS:
            return
        self.flush()
        if name in ("ul", "ol"):
            self._counters.pop()
        elif name in ("li", "blockquote"):
            self._indent.pop()
            self._marker = "" if name == "li" else self._marker

    def flush(self) -> None:
        """End the paragraph."""
        lines = [" ".join(line.split()) for line in "".join(self._line).split("\n")]
        self._line.clear()
        if paragraph := "\n".join(lines).strip():
            self._push(_MARKUP.sub(r"\\", paragraph))

    def _push(self, block: str) -> None:
        above = "".join(self._indent)
        first = "".join(self._indent[:-1]) + self._marker if self._marker else above
        self._blocks.append((first + block.replace("\n", "\n" + above), bool(self._marker)))
        self._marker = ""


def _name(element: Any) -> str:
    return str(element.tag).rpartition("}")[2].lower()


def _hidden(element: Any) -> bool:
    if element.get("hidden") is not None or element.get("aria-hidden") == "true":
        return True
    return bool(_UNSEEN.search(element.get("style") or ""))


def _inline(element: Any) -> str:
    """All that an element shows, on one line."""
    parts = []
    for entering, item in _walk(element, inline=True):
        if entering is None:
            parts.append(item or "")
        elif _name(item) in _BLOCKS or _name(item) == "br":
            parts.append(" ")
    return " ".join("".join(parts).split())


def _is_table(element: Any) -> bool:
    """Whether it is a table of data, and not one that arranges a page."""
    if _name(element) != "table":
        return False
    rows = [row for row in element.iter() if isinstance(row.tag, str) and _name(row) == "tr"]
    return len(rows) > 1 and max(map(len, rows)) > 1 and not element.xpath(f".//*[{_NOT_IN_TABLES}][1]")


def _rows(table: Any) -> Iterator[str]:
    for number, row in enumerate(row for row in table.iter() if isinstance(row.tag, str) and _name(row) == "tr"):
        cells = [_inline(cell).replace("|", "\\|") for cell in row if isinstance(cell.tag, str)]
        yield f"| {' | '.join(cells)} |"
        if not number:
            yield "|" + "---|" * len(cells)
