"""Web archives: every page that a crawler kept; warcio is imported here only."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from searchidx.articles.archives import Bomb, Budget, Part, damaged
from searchidx.articles.dates import parse_date
from searchidx.articles.sources import MAX_ARTICLE_BYTES, too_large
from searchidx.types import Failure, Source

_PAGE = re.compile(r"text/html|application/xhtml", re.IGNORECASE)
_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def warc_pages(source: Source, place: Path, budget: Budget) -> Iterator[Part]:
    """The web pages in a WARC file, compressed or not, each copied to ``place`` when its turn comes.

    Their addresses are those that were asked for, the time of asking is in the metadata as ``fetched``.

    Raises:
        ExtractError: it is damaged or cut off; what came before has been given.
        Bomb: it unpacks to too much.
    """
    from warcio.archiveiterator import ArchiveIterator  # type: ignore[import-untyped]

    met = 0
    with open(source.path, "rb") as file:
        try:
            for number, record in enumerate(ArchiveIterator(file), 1):
                spend = partial(budget.spend, source=source, done=file.tell())
                spend(0)
                if _is_page(record):
                    met += 1
                    yield _page(record, source, place, spend, number)
        except (OSError, MemoryError):
            raise
        except Exception as error:
            if isinstance(error, Bomb):
                raise
            raise damaged(source, error) from None
    if not met:
        yield Part(Failure(source.uri, "there is no web page in this WARC file: expected responses of type text/html"))


def _is_page(record: Any) -> bool:
    """Whether it is an HTML page that a server answered with success."""
    if record.rec_type not in ("response", "resource"):
        return False
    if record.http_headers is None:
        return bool(_PAGE.match(record.content_type or ""))
    if not str(record.http_headers.get_statuscode()).startswith("2"):
        return False
    return bool(_PAGE.match(record.http_headers.get_header("Content-Type") or ""))


def _page(record: Any, source: Source, place: Path, spend: Callable[[int], None], number: int) -> Part:
    address = (record.rec_headers.get_header("WARC-Target-URI") or "").strip("<> ")
    uri = address or f"{source.uri}#{number}"
    content = record.content_stream().read(MAX_ARTICLE_BYTES + 1)
    spend(len(content))
    if len(content) > MAX_ARTICLE_BYTES:
        return Part(Failure(uri, too_large(len(content))))
    record.raw_stream.read()
    if record.raw_stream.limit:
        raise EOFError(f"its record {number} is incomplete")
    kind = record.http_headers.get_header("Content-Type") if record.http_headers else record.content_type
    place.write_bytes(_utf8(content, kind or ""))
    fetched = parse_date(record.rec_headers.get_header("WARC-Date") or "")
    item = Source(uri, source.root, f"{source.label}#{number}", "text/html", place)
    return Part(item, uri=address, metadata={"fetched": fetched} if fetched else {})


def _utf8(content: bytes, content_type: str) -> bytes:
    """The page in UTF-8 where its header names another charset that fits."""
    found = _CHARSET.search(content_type)
    try:
        return content.decode(found[1]).encode() if found else content
    except (UnicodeError, LookupError):
        return content
