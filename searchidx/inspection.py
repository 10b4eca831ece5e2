"""What would become of a source: the article, what of the text is dropped and why, the passages. Nothing is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

from searchidx import sites
from searchidx.articles import chunking, feeds, formats, sources, web
from searchidx.articles.addresses import is_address
from searchidx.articles.boilerplate import judge, strip
from searchidx.articles.fetching import Fetcher
from searchidx.encoders import DEFAULT_ENCODER, load_encoder
from searchidx.errors import SourceError
from searchidx.storage.recurrence import Recurrence
from searchidx.types import Document, Encoder, Failure, Furniture, Passage, Source

PAGE = "text/html"


@dataclass(frozen=True, slots=True)
class Part:
    """A block of a source: kept or dropped, with its evidence for furniture (below 0: for a body) and the reason."""

    text: str
    kept: bool
    score: float
    reason: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """One article as ``add`` would store it, and the blocks of its source.

    Attributes:
        document: the article.
        format: media type of the source it was read from.
        parts: the blocks of the source in order; those of a page that are not in its article are dropped.
        passages: what would be encoded, with headings.
        note: what is to be known of the whole, or ``""``.
    """

    document: Document
    format: str
    parts: tuple[Part, ...]
    passages: tuple[Passage, ...]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a feed or sitemap lists, in its order."""

    uri: str
    kind: str
    entries: tuple[feeds.Listed, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        names = ("link", "title", "published", "changed", "author")
        entries = [{name: getattr(entry, name) for name in names} for entry in self.entries]
        return {"uri": self.uri, "kind": self.kind, "entries": entries}


def inspect(
    spec: str,
    *,
    furniture: Furniture = "drop",
    max_tokens: int = chunking.DEFAULT_MAX_TOKENS,
    encoder: Encoder | None = None,
    counts: Recurrence | None = None,
    limit: int | None = None,
    allow_private: bool = False,
) -> Iterator[Inspection | Listing | Failure]:
    """Read what ``spec`` names (as ``Index.add`` does) and tell what of it would be kept; raises nothing of its own.

    Args:
        spec: a file, a folder, a glob pattern, a web address, or ``-`` for standard input.
        furniture: as for ``Index.create``.
        max_tokens: longest passage.
        encoder: whose tokens these are; None for the bundled one.
        counts: what an index knows of the sites; None where no index is asked.
        limit: of a feed or sitemap so many articles, the newest; by default one. What it lists comes after them.
        allow_private: also fetch from machines that are not on the public internet.
    """
    encoder = encoder or load_encoder(DEFAULT_ENCODER)
    for found in _sources(spec, limit or 1, allow_private):
        if isinstance(found, Failure):
            yield found
            continue
        if found.media_type == feeds.FEED:
            yield _listing(found)
            continue
        read = replace(found, uri=found.web.address) if found.web else found  # after redirects, as ingest does
        for item in web.read(read, furniture="keep"):
            if isinstance(item, Failure):
                yield item
                continue
            document, parts, note = _judged(read, web.complete(item, found), furniture)
            if counts and formats.is_shared(read.media_type, furniture):
                document, gone = sites.told(document, counts)
                parts = _without(parts, gone)
            (passages,) = chunking.split([document], max_tokens, encoder.count_tokens)
            yield Inspection(document, found.media_type, tuple(parts), tuple(passages), note)


def _sources(spec: str, limit: int, allow_private: bool) -> Iterator[Source | Failure]:
    """What ``spec`` names; of the web nothing is known, so that everything is asked for."""
    if not is_address(spec):
        yield from sources.find(spec, Counter())
        return
    fetcher = Fetcher(allow_private=allow_private)
    for found in web.Web(lambda _: None, fetcher).find(spec, Counter(), limit=limit):
        kept = isinstance(found, web.Kept)
        yield Failure(found.uri, "the server gave no page (HTTP 304)") if kept else found  # type: ignore[misc]


def _listing(source: Source) -> Listing | Failure:
    """What a feed lists itself, as it lies on the disk."""
    body = source.path.read_bytes()
    kind = feeds.kind_of(body)
    entries = feeds.read_feed(body, source.uri) if kind == feeds.FEED else feeds.read_sitemap(body, source.uri)
    try:
        return Listing(source.uri, kind, tuple(islice(entries, feeds.MAX_ENTRIES)))
    except SourceError as error:
        return Failure(source.uri, error.reason)


def _judged(source: Source, document: Document, furniture: Furniture) -> tuple[Document, list[Part], str]:
    """The document as it would be stored, the blocks that it was made of, and a note."""
    if document.metadata.get("from_feed"):
        return document, [replace(part, kept=True) for part in _parts(document.text)], "the text that its feed has"
    if source.media_type == PAGE:
        return document, _parts_of_page(source, document), ""
    if not formats.is_scraped(source.media_type, furniture):
        return document, [replace(part, kept=True) for part in _parts(document.text)], "kept as it is"
    text, blocks = strip(document.text)
    parts = [Part(document.text[one.start : one.end], one.kept, one.score, one.reason) for one in blocks]
    note = "nothing but furniture: kept whole" if parts and all(part.kept and part.score > 0 for part in parts) else ""
    return replace(document, text=text.strip()), parts, note


def _parts(text: str) -> list[Part]:
    return [Part(text[one.start : one.end], one.kept, one.score, one.reason) for one in judge(text)]


def _parts_of_page(source: Source, document: Document) -> list[Part]:
    """The blocks of a page: dropped where their words do not stand in the article, in this order."""
    from searchidx.articles.webpage import read_blocks

    article = f" {_words(document.title)} \n {_words(document.text)} "
    parts = []
    for part in _parts("\n\n".join(read_blocks(source.path.read_bytes(), source))):
        words = _words(part.text)
        kept = not words or f" {words} " in article
        reason = part.reason if kept or part.score > 0 else "not in the article"
        parts.append(replace(part, kept=kept, reason=reason))
    return parts


def _without(parts: list[Part], gone: list[tuple[str, str]]) -> list[Part]:
    """The blocks with those dropped that recur; both are in the order of the text."""
    left = [(_words(text), reason) for text, reason in gone]
    found = []
    for part in parts:
        if left and part.kept and _words(part.text) == left[0][0]:
            part = replace(part, kept=False, reason=left.pop(0)[1])
        found.append(part)
    return found


def _words(text: str) -> str:
    """The letters and digits of a text, words apart by one blank: what markup and spacing leave alone."""
    return " ".join("".join(sign if sign.isalnum() else " " for sign in text).split())
