"""Feeds and sitemaps: which articles they list. The owner of fastfeedparser."""

from __future__ import annotations

import gzip
import html
import io
import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from searchidx.articles.dates import parse_date
from searchidx.articles.decoding import marked_encoding
from searchidx.errors import ExtractError

FEED, SITEMAP = "feed", "sitemap"
MAX_ENTRIES = 50_000
"""Articles that a feed, or a sitemap with all below it, can name: what the protocol allows one sitemap."""
_HEAD = 4096
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_SPACE = r"\s*(?:<\?.*?\?>\s*|<!--.*?-->\s*|<!DOCTYPE[^>\[]*(?:\[.*?\]\s*)?>\s*)*"
_ROOT = re.compile(rf"{_SPACE}<(?:\w+:)?(rss|feed|rdf|urlset|sitemapindex)\b", re.IGNORECASE | re.DOTALL)
_JSON_FEED = re.compile(r'\s*\{.*?"version"\s*:\s*"https?:\\?/\\?/jsonfeed\.org', re.DOTALL)
_SURROGATE = re.compile(
    rb"&#(?:x0*d[89a-f][0-9a-f]{2}|0*5(?:529[6-9]|5[3-9]\d\d|6\d{3}|7[0-2]\d\d|73[0-3]\d|734[0-3]));", re.IGNORECASE
)
"""Half a character by its number, for which fastfeedparser 0.6 gives up the whole feed."""

_DATE = re.compile(
    rb"<((?:\w+:)?(?:pubdate|published|updated|date|modified|issued|created))(?:\s[^<>]*)?>(?:<!\[CDATA\[)?([^<\]]*)"
    rb"(?:\]\]>)?</\1\s*>|\"date_(?:published|modified)\"\s*:\s*\"([^\"]*)\"",
    re.IGNORECASE,
)


class Listed(NamedTuple):
    """An article in a feed or sitemap, or another sitemap.

    Attributes:
        link: as written there, to be read relative to the feed.
        changed: ISO 8601, when the feed says that it changed last; ``""`` where it does not.
        published: the same for when it appeared.
        title: as the feed has it, like ``author``.
        author: joined where they are several.
        content: what the feed has of its text, as HTML; a whole article or a teaser.
        deeper: whether it is a sitemap and no article.
    """

    link: str
    changed: str = ""
    published: str = ""
    title: str = ""
    author: str = ""
    content: str = ""
    deeper: bool = False

    @property
    def date(self) -> str:
        """By which the newest are known."""
        return self.published or self.changed


def kind_of(body: bytes) -> str:
    """``feed``, ``sitemap``, or ``""`` for anything else, by how it begins."""
    head = body[:_HEAD].decode(marked_encoding(body[:_HEAD]) or "utf-8", "replace")
    if found := _ROOT.match(head):
        return SITEMAP if found[1].lower() in ("urlset", "sitemapindex") else FEED
    return FEED if _JSON_FEED.match(head) else ""


def unpacked(body: bytes, limit: int, uri: str) -> bytes:
    """The body of a ``.gz`` file, up to a limit; anything else as it is.

    Raises:
        ExtractError: it is damaged, or longer than ``limit``.
    """
    if not body.startswith(b"\x1f\x8b"):
        return body
    try:
        with gzip.open(io.BytesIO(body)) as file:
            plain = file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ExtractError(uri, f"the compressed file is damaged: {error}") from None
    if len(plain) > limit:
        raise ExtractError(uri, f"unpacked it is longer than {limit >> 20} MiB")
    return plain


def read_feed(body: bytes, uri: str) -> Iterator[Listed]:
    """The articles of an RSS, Atom, RDF or JSON feed, in its order, those without a link left out.

    Raises:
        ExtractError: it is no feed that can be read.
    """
    import fastfeedparser

    try:  # given bytes, it fetches nothing; entities are not resolved
        entries: list[dict[str, Any]] = fastfeedparser.parse(
            _DATE.sub(_undoubted, _SURROGATE.sub(b"&#xFFFD;", body)),
            include_tags=False,
            include_media=False,
            include_enclosures=False,
        )["entries"]
    except Exception as error:  # its parser meets whatever a server sends
        raise ExtractError(uri, f"the feed cannot be read: {error}"[:200]) from None
    for entry in entries:
        if link := _page_of(entry):
            changed, published = (parse_date(_line(entry.get(key))) for key in ("updated", "published"))
            title, author = (_line(entry.get(key)) for key in ("title", "author"))
            yield Listed(link, changed or published, published, title, author, _content_of(entry))


def _undoubted(found: re.Match[bytes]) -> bytes:
    """A date as the feed has it, or none where it says less than a day: fastfeedparser would guess the rest."""
    raw = html.unescape((found[2] if found[2] is not None else found[3]).decode("utf-8", "replace")).strip()
    known = parse_date(raw)
    if len(known) >= len("2018-05-03") or (not known and _YEAR.search(raw)):
        return found[0]
    return b"" if found[1] else b'"date":""'


def _content_of(entry: dict[str, Any]) -> str:
    """The longest text that an entry has, as HTML."""
    texts = [
        html.escape(text).replace("\n\n", "<p>") if part.get("type") in ("text", "text/plain") else text
        for part in entry.get("content") or ()
        if isinstance(text := part.get("value"), str)
    ]
    return max(texts, key=len, default="")


def _page_of(entry: dict[str, Any]) -> str:
    """The link to the article itself, and not to the entry or to a sound file."""
    links = (_line(link.get("href")) for link in entry.get("links", ()) if link.get("rel") in (None, "", "alternate"))
    return next(filter(None, links), _line(entry.get("link")))


def read_sitemap(body: bytes, uri: str) -> Iterator[Listed]:
    """The pages of a sitemap, or the sitemaps of an index, in its order.

    Raises:
        ExtractError: it is no XML.
    """
    from lxml import etree

    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(body, parser)
    except etree.XMLSyntaxError as error:
        raise ExtractError(uri, f"the sitemap cannot be read: {error.msg}") from None
    if root is None:
        raise ExtractError(uri, "the sitemap cannot be read: there is nothing in it")
    deeper = str(root.tag).rpartition("}")[2].lower() == "sitemapindex"  # QName refuses odd names
    for element in root.iterchildren("{*}url", "{*}sitemap"):
        link = _line(element.findtext("{*}loc"))
        if link:
            published = parse_date(_line(element.findtext("{*}news/{*}publication_date")))
            changed = parse_date(_line(element.findtext("{*}lastmod"))) or published
            yield Listed(link, changed, published, _line(element.findtext("{*}news/{*}title")), deeper=deeper)


def _line(value: Any) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
