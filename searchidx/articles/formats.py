"""Sources into documents, by media type: one table of readers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

from searchidx.articles.boilerplate import without_furniture
from searchidx.articles.cleaning import clean, normalise
from searchidx.articles.dates import parse_date
from searchidx.articles.decoding import decode
from searchidx.articles.headings import first_title
from searchidx.articles.isolation import MEMORY_REASON, read_isolated
from searchidx.articles.jsonl import DECODER, read_lines
from searchidx.articles.records import from_record
from searchidx.articles.sniffing import DOCX, EML, EPUB, MHTML, PDF, TAR, WARC, ZIP
from searchidx.articles.sources import MAX_ARTICLE_BYTES, too_large
from searchidx.errors import ExtractError, SourceError
from searchidx.types import Document, Failure, Source

__all__ = ["ARCHIVES", "MANY", "READERS", "clean", "from_record", "normalise", "parse_date", "read"]

Reader = Callable[[Source, Callable[[int], None]], Iterator[Document | Failure]]

SCRAPED = ("text/plain",)
"""Media types whose texts may hold the furniture of the page that they were scraped from. A page is left to what
extracts its article; records and Markdown are somebody's clean data."""
SHARED = (*SCRAPED, "text/html", MHTML, WARC)
"""Media types of sources whose articles may hold furniture that other articles of their site have too: not archives of
any files, in which records and pages are not told apart."""
MAX_TITLE = 120
"""Longest first line of a plain text that is taken for its title, in characters."""
_TITLE_LINE = re.compile(r"\s*([\w\"'\u201c\u2018«¿¡(][^\n]*)\n[^\S\n]*\n(?=\s*\S)")


def read(
    source: Source, progress: Callable[[int], None] | None = None, *, furniture: str = "drop"
) -> Iterator[Document | Failure]:
    """The documents in a source, normalised, and what could not be read; raises nothing.

    The failure of a line of JSONL has the address ``path:LINE``, that of a member of an archive ``path/MEMBER``.
    ``progress`` is told how many bytes of the source have been read. Formats whose parsers can run out of memory, hang
    or crash are read in a process of their own. ``furniture`` of scraped texts (``SCRAPED``) is dropped, with
    ``everywhere`` that of all texts, or with ``keep`` it is left in.
    """
    read_there = read_here if is_read_here(source.media_type) else read_isolated
    yield from read_there(source, progress or (lambda _: None), furniture)


def is_scraped(media_type: str, furniture: str) -> bool:
    """Whether the texts of such a source lose what has the form of furniture."""
    return furniture == "everywhere" or (furniture == "drop" and media_type in SCRAPED)


def is_shared(media_type: str, furniture: str) -> bool:
    """Whether the texts of such a source lose what many articles of their site share."""
    return furniture == "everywhere" or (furniture == "drop" and media_type in SHARED)


def is_read_here(media_type: str) -> bool:
    """Whether such sources are read in this process, and not in that of a parser which an article may have taken."""
    return media_type not in _ISOLATED


def read_here(source: Source, progress: Callable[[int], None], furniture: str) -> Iterator[Document | Failure]:
    """What ``read`` gives of a source that is no archive, read in this process."""
    reader = READERS.get(source.media_type)
    if reader is None:
        known = ", ".join([*READERS, *sorted(ARCHIVES)])
        yield Failure(source.uri, f"media type {source.media_type!r} is none of {known}")
        return
    try:
        for item in reader(source, progress):
            scraped = is_scraped(source.media_type, furniture) and isinstance(item, Document)
            yield without_furniture(item) if scraped else item  # type: ignore[arg-type]
    except SourceError as error:
        yield Failure(source.uri, error.reason)
    except OSError as error:
        yield Failure(source.uri, f"cannot be read: {error.strerror or error}")
    except MemoryError:
        yield Failure(source.uri, MEMORY_REASON)
    except Exception as error:  # a parser met what its authors did not expect: one article less, not the whole run
        yield Failure(source.uri, f"cannot be read: {type(error).__name__}: {error}")


def _single(parse: Callable[[bytes, Source], Document]) -> Reader:
    """A reader of files that hold one article each."""

    def reader(source: Source, progress: Callable[[int], None]) -> Iterator[Document | Failure]:
        raw = _bytes(source)
        progress(len(raw))
        yield normalise(parse(raw, source))

    return reader


def _bytes(source: Source) -> bytes:
    with open(source.path, "rb") as file:
        raw = file.read(MAX_ARTICLE_BYTES + 1)
    if len(raw) > MAX_ARTICLE_BYTES:
        raise ExtractError(source.uri, too_large(len(raw)))
    return raw


def _plain(raw: bytes, source: Source) -> Document:
    """A plain text; a short first line without a full stop, above a blank line, is its title and not its text."""
    text, title = clean(decode(raw, source.uri)), ""
    opening = _TITLE_LINE.match(text)
    if opening and len(line := opening[1].strip()) <= MAX_TITLE and line[-1] not in ".,;:":
        title, text = line, text[opening.end() :]
    return Document(doc_id=source.label, text=text, title=title, uri=source.uri)


def _markdown(raw: bytes, source: Source) -> Document:
    """A Markdown text; fields come from its YAML front matter, the title else from its first heading of level 1."""
    matter, text = _front_matter(clean(decode(raw, source.uri)), source.uri)
    record = {**matter, "text": text, "media_type": "text/markdown"}
    document = from_record(record, source.label)
    return replace(document, title=document.title or first_title(text), uri=document.uri or source.uri)


def _front_matter(text: str, uri: str) -> tuple[dict[str, Any], str]:
    """YAML between two lines of ``---`` at the top, and the text below; a text without it is left as it is."""
    import yaml  # type: ignore[import-untyped]
    from frontmatter.default_handlers import YAMLHandler

    handler = YAMLHandler()
    if not handler.detect(text):
        return {}, text
    try:
        matter, below = handler.split(text)
        values = handler.load(matter)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ExtractError(uri, f"its front matter is not valid YAML in line {line}: {error.problem}") from None
    except yaml.YAMLError as error:
        raise ExtractError(uri, f"its front matter is not valid YAML: {error}") from None
    except ValueError:  # a rule that opens the text, and none that closes
        return {}, text
    return (values, below) if isinstance(values, dict) else ({}, below if values is None else text)


def _html(raw: bytes, source: Source) -> Document:
    from searchidx.articles.webpage import read_page

    return read_page(raw, source)


def _isolated(module: str, name: str) -> Reader:
    """A reader of one of our modules, which is loaded in the process that needs it."""

    def reader(source: Source, progress: Callable[[int], None]) -> Iterator[Document | Failure]:
        parse = getattr(import_module(f"searchidx.articles.{module}"), name)
        yield normalise(parse(source, progress))

    return reader


def _json(source: Source, progress: Callable[[int], None]) -> Iterator[Document | Failure]:
    """An object, or a list of objects, each of them a record."""
    raw = _bytes(source)
    try:
        rows = DECODER.decode(decode(raw, source.uri))
    except (ValueError, RecursionError) as error:
        raise ExtractError(source.uri, f"not valid JSON: {error}; mend it, or write one object a line") from None
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], 1):
        default = source.label if row is rows else f"{source.label}#{number}"
        yield _record(row, default, source, f"{source.uri}:{number}", f"item {number}")
    progress(len(raw))


def _jsonl(source: Source, progress: Callable[[int], None]) -> Iterator[Document | Failure]:
    """One record a line."""
    for number, row in read_lines(source, progress):
        place = f"{source.uri}:{number}"
        if isinstance(row, Failure):
            yield row
        else:
            yield _record(row, f"{source.label}#L{number}", source, place, f"line {number}")


def _record(row: Any, default: str, source: Source, place: str, name: str) -> Document | Failure:
    if not isinstance(row, dict):
        return Failure(place, f"{name} is no JSON object but {json.dumps(row)[:40]}; mend or remove it")
    try:
        if row.keys() == _EXPORTED:
            return normalise(Document(**row))
        document = from_record(row, default)
        return normalise(replace(document, uri=document.uri or source.uri))
    except SourceError as error:
        return Failure(place, f"{name}: {error.reason}")


_EXPORTED = frozenset(Document.__slots__)
"""Keys of a row that ``export`` wrote: it is the document as it was, and nothing in it is guessed."""

READERS: dict[str, Reader] = {
    "text/plain": _single(_plain),
    "text/markdown": _single(_markdown),
    "text/html": _single(_html),
    "application/json": _json,
    "application/jsonl": _jsonl,
    PDF: _isolated("pdf", "read_pdf"),
    DOCX: _isolated("books", "read_docx"),
    EPUB: _isolated("books", "read_epub"),
    EML: _isolated("mail", "read_mail"),
    MHTML: _isolated("mail", "read_mhtml"),
}
"""What reads a source, by its media type."""
ARCHIVES = frozenset({ZIP, TAR, WARC})
"""Media types of what holds files, each of which has a reader; ``containers.py`` opens them."""
MANY = frozenset({"application/jsonl"}) | ARCHIVES
"""Media types of files that hold any number of articles, of which some can be gone while others stay."""
_ISOLATED = frozenset({"text/html", PDF, DOCX, EPUB, EML, MHTML}) | ARCHIVES
