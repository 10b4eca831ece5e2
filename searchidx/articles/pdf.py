"""The text layer of a PDF, page by page; pypdf is imported here only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from searchidx.articles.dates import parse_date
from searchidx.articles.pages import PAGE_STARTS, join_pages
from searchidx.errors import ExtractError
from searchidx.types import Document, Source

MAX_PAGES = 5_000
MAX_CHARACTERS = 64 * 2**20
_ENCRYPTED = "this PDF is protected by a password: save a copy without it and add that"
_SCAN = "no text in its {} pages: it is a scan; give it a text layer with OCR (ocrmypdf does) and add it again"
_DAMAGED = "this PDF is damaged ({}): save or download it again"
# What programs write as title when the author gave none.
_NO_TITLE = re.compile(r"untitled\b.*|microsoft word - .*|.*\.(?:docx?|pdf|dvi|tex|indd|qxd|rtf|odt)", re.IGNORECASE)
_HYPHEN = re.compile(r"(?<=[^\W\d_])[-\u00ad]$")


def read_pdf(source: Source, progress: Callable[[int], None]) -> Document:
    """The text of a PDF with the starts of its pages; title, author, date and language from its properties.

    Raises:
        ExtractError: it is protected, damaged or a scan, or has too many pages.
    """
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    with open(source.path, "rb") as file:
        try:
            reader = PdfReader(file)
            if reader.is_encrypted and not reader.decrypt(""):
                raise ExtractError(source.uri, _ENCRYPTED)
            count = len(reader.pages)
        except DependencyError:
            raise ExtractError(source.uri, f"{_ENCRYPTED} (or: pip install cryptography, if it has none)") from None
        except (PyPdfError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            raise ExtractError(source.uri, _DAMAGED.format(str(error)[:80] or type(error).__name__)) from None
        if count > MAX_PAGES:
            raise ExtractError(source.uri, f"{count} pages, where {MAX_PAGES} are read at most: split it")
        unreadable: list[int] = []
        text, starts = join_pages(_pages(reader, source, unreadable, progress))
        if not text:
            reason = _DAMAGED.format("no page can be read") if unreadable or not count else _SCAN.format(count)
            raise ExtractError(source.uri, reason)
        return Document(
            doc_id=source.label,
            text=text,
            uri=source.uri,
            metadata={PAGE_STARTS: starts} | ({"unreadable_pages": unreadable} if unreadable else {}),
            **_properties(reader),
        )


def _pages(reader: Any, source: Source, unreadable: list[int], progress: Callable[[int], None]) -> Iterator[str]:
    """The text of each page; the numbers of those that cannot be read go to ``unreadable``."""
    left = MAX_CHARACTERS
    for number in range(len(reader.pages)):
        try:
            text = flow(reader.pages[number].extract_text())
        except MemoryError:
            raise
        except Exception:  # whatever a parser of 20,000 lines meets in one page: the others can be read
            unreadable.append(number + 1)
            text = ""
        left -= len(text)
        if left < 0:
            raise ExtractError(source.uri, f"more than {MAX_CHARACTERS >> 20} million characters: split it")
        progress(0)
        yield text


def flow(text: str) -> str:
    """Lines that a printer broke, joined again: a line that fills the column goes on, a short one ends a paragraph.

    A word divided at the end of such a line is put together.
    """
    lines = [line.strip() for line in text.splitlines()]
    lengths = sorted(len(line) for line in lines if line)
    if not lengths:
        return ""
    full = 0.75 * lengths[int(len(lengths) * 0.9)]
    joined = ""
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if not after or len(line) < full:
            joined += line + "\n"
        elif _HYPHEN.search(line) and after[0].islower():
            joined += line[:-1]
        else:
            joined += line + " "
    return joined


def _properties(reader: Any) -> dict[str, str]:
    """Fields of the document from the properties of the file; a property that cannot be read is left out."""
    found = {}
    with suppress(Exception):
        found["language"] = str(reader.root_object.get("/Lang", ""))
    for field, name in (("title", "title"), ("author", "author"), ("published", "creation_date")):
        with suppress(Exception):
            value = getattr(reader.metadata, name, None)
            found[field] = parse_date(value) if field == "published" else str(value or "").strip()
    if _NO_TITLE.fullmatch(found.get("title", "")):
        del found["title"]
    return found
