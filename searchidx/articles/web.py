"""What a web address names: a page, or the articles that a feed or sitemap lists."""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from email.message import Message
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from searchidx.articles import addresses, feeds, formats
from searchidx.articles.decoding import is_binary, marked_encoding
from searchidx.articles.exchange import MAX_BYTES, Response
from searchidx.articles.feeds import FEED, SITEMAP, Listed
from searchidx.articles.fetching import Fetcher
from searchidx.articles.sniffing import MEDIA_TYPES, NOT_TEXT, PDF, SAMPLE, sniff, suffix_of
from searchidx.errors import FetchError, SourceError, Unreachable
from searchidx.types import Document, Failure, Fetched, Source

MAX_SITEMAPS = 200
"""Sitemaps that are read below one."""
ENOUGH_WORDS = 100
"""Words of a feed's text from which on it may be a whole article."""
_TEASER = re.compile(r"(?:…|\.\.\.|\[\W*\]|\b(?:read|continue|keep) (?:more|reading)|\bread on)\W*\Z", re.IGNORECASE)
"""How the text of a feed ends that goes on elsewhere."""
_PAGES = {"text/html", "application/xhtml+xml"}
_OPEN = {"", "text/plain", "application/json", "application/octet-stream", "binary/octet-stream"}
"""Types that say little: the name and the first bytes of the body decide."""

_VALIDATOR = re.compile(r"[\x20-\x7e]{0,200}")

Recall = Callable[[str], Fetched | None]
"""What was kept of an address that was read before and need not be read again while it is the same."""


class Kept(NamedTuple):
    """An address that is as it was when it was read; ``root`` is what the user named."""

    uri: str
    root: str


@dataclass(frozen=True, slots=True)
class Later(Failure):
    """A failure that may pass by itself."""


class Web:
    """The web, for one run: no address is fetched twice.

    Args:
        recall: what is known of an address.
        fetcher: fetches.
    """

    def __init__(self, recall: Recall, fetcher: Fetcher) -> None:
        self._recall = recall
        self._fetcher = fetcher
        self._met = set[str]()

    def find(
        self, spec: str, skipped: Counter[str], *, limit: int | None = None, since: str = ""
    ) -> Iterator[Source | Failure | Kept]:
        """The articles at an address, one at a time; a feed itself comes last, as a source of type ``feed``.

        Args:
            spec: the address of a page, feed or sitemap.
            skipped: counts what is left out, by reason.
            limit: only so many articles of a feed or sitemap, the newest.
            since: only articles that their feed or sitemap does not date before this day.
        """
        try:
            root = str(addresses.parse(spec))
        except FetchError as error:
            yield Failure(error.uri, error.reason)
            return
        found = self._fetch(root, root)
        if not isinstance(found, Response):
            yield found
            return
        kind = feeds.kind_of(found.body)
        if not kind:
            yield from self._article(found, Fetched(found.address), root, root)
            return
        before, failed = _left_out(skipped), False
        entries = self._feed(found) if kind == FEED else self._sitemap(found, since, skipped)
        chosen = self._chosen(entries, skipped, limit, since)
        if not chosen and _left_out(skipped) == before:
            chosen = [Failure(root, f"this {kind} lists no article")]
        for item in chosen:
            for met in [item] if isinstance(item, Failure) else self._listed(item, root, skipped):
                failed = failed or isinstance(met, Failure) or (isinstance(met, Source) and _is_unread(met))
                yield met
        # where something was left out, an unchanged feed would hide it the next time
        whole = not failed and _left_out(skipped) == before
        known = _fetched(found) if whole and kind == FEED else Fetched(found.address)
        with _on_disk(found.body) as path:
            yield Source(root, root, root, FEED, path, known)

    # what is listed

    def _feed(self, response: Response) -> Iterator[Listed | Failure]:
        try:
            for number, entry in enumerate(feeds.read_feed(response.body, response.address)):
                # what is beyond the bound is only counted
                yield _absolute(entry, response.address) if number < feeds.MAX_ENTRIES else entry
        except SourceError as error:
            yield Failure(response.address, error.reason)

    def _sitemap(self, first: Response, since: str, skipped: Counter[str]) -> Iterator[Listed | Failure]:
        """The pages of a sitemap and of those below it, the newest sitemap first."""
        met, waiting = {first.address}, [Listed(first.address)]
        while waiting:
            address = waiting.pop(0).link
            found = first if address == first.address else self._fetch(address, address)
            if isinstance(found, Kept):
                continue
            try:
                entries = [found] if isinstance(found, Failure) else list(_sitemap_entries(found))
            except SourceError as error:
                entries = [Failure(address, error.reason)]
            deeper = [entry for entry in entries if isinstance(entry, Listed) and entry.deeper]
            yield from (entry for entry in entries if isinstance(entry, Failure) or not entry.deeper)
            for entry in sorted(deeper, key=lambda entry: entry.changed, reverse=True):
                if reason := _why_not(entry, first.address, met, since):
                    skipped[f"sitemaps: {reason}"] += 1
                else:
                    met.add(entry.link)
                    waiting.append(entry)

    def _chosen(
        self, entries: Iterable[Listed | Failure], skipped: Counter[str], limit: int | None, since: str
    ) -> list[Listed | Failure]:
        """What is to be read, each address once: the newest first where there is a limit, else in order."""
        chosen, failed, met = list[Listed](), list[Listed | Failure](), set[str]()
        entries = iter(entries)
        for entry in islice(entries, feeds.MAX_ENTRIES):
            if isinstance(entry, Failure):
                failed.append(entry)
            elif entry.link in met:
                skipped["repeated"] += 1
            elif _before(entry.date, since):
                skipped["older"] += 1
            else:
                met.add(entry.link)
                chosen.append(entry)
        if beyond := sum(1 for _ in entries):
            skipped[f"beyond {feeds.MAX_ENTRIES:,} entries"] += beyond
        if limit is not None and len(chosen) > limit:
            skipped["beyond the limit"] += len(chosen) - limit
            chosen = sorted(chosen, key=lambda entry: entry.date, reverse=True)[:limit]
        return failed + chosen

    def _listed(self, entry: Listed, root: str, skipped: Counter[str]) -> Iterator[Source | Failure | Kept]:
        """One article of a feed; where the feed dates it as before, it is not even asked for."""
        if entry.link in self._met:
            skipped["repeated"] += 1
            return
        known = self._recall(entry.link)
        if known and entry.changed and entry.changed == known.stamp:
            self._met.add(entry.link)
            yield Kept(entry.link, root)
            return
        # what was read from the page itself is better than what a feed has, and stays
        hints = Fetched(entry.link, "", "", entry.changed, entry.title, entry.published, entry.author)
        hints = hints if known else replace(hints, content=entry.content)
        found = self._fetch(entry.link, root)
        if isinstance(found, Failure) and _whole(hints.content, entry.link):
            with _on_disk(hints.content.encode("utf-8", "replace")) as path:
                yield Source(entry.link, root, entry.link, "text/html", path, replace(hints, unread=found.reason))
        elif not isinstance(found, Response):
            yield found
        elif feeds.kind_of(found.body):
            yield Failure(entry.link, "a feed inside a feed is not followed: add it by itself")
        else:
            yield from self._article(found, hints, entry.link, root)

    # one address

    def _fetch(self, address: str, root: str) -> Response | Failure | Kept:
        self._met.add(address)
        known = self._recall(address) or Fetched(address)
        try:
            found = self._fetcher.get(address, etag=known.etag, modified=known.modified)
            if found.status == 304:
                return Kept(address, root)
            return replace(found, body=feeds.unpacked(found.body, MAX_BYTES, address))
        except Unreachable as error:
            return Later(address, error.reason)
        except SourceError as error:
            return Failure(address, error.reason)

    def _article(self, found: Response, hints: Fetched, uri: str, root: str) -> Iterator[Source | Failure]:
        """The body as a file, which is deleted when the iterator goes on."""
        if _leads_home(uri, found.address):
            yield Failure(uri, "it now leads to the front page of its site, so the article is gone")
            return
        try:
            media_type = _media_type(found, uri)
        except FetchError as error:
            yield Failure(uri, error.reason)
            return
        validators = _fetched(found)
        web = replace(hints, address=found.address, etag=validators.etag, modified=validators.modified)
        with _on_disk(found.body if media_type in NOT_TEXT else _recoded(found)) as path:
            yield Source(uri, root, found.address, media_type, path, web)


def read(
    source: Source, progress: Callable[[int], None] | None = None, *, furniture: str = "drop"
) -> Iterator[Document | Failure]:
    """What ``formats`` reads of a source from the web; where that is no article, what its feed has of it.

    The failure of the page comes all the same, after the article, so that the next ``sync`` tries it again.
    """
    items: Iterable[Document | Failure] = formats.read(source, progress, furniture=furniture)
    if source.web is None or not source.web.content:
        yield from items
        return
    items = [Failure(source.uri, source.web.unread)] if source.web.unread else list(items)
    for item in items:
        instead = _from_feed(source) if isinstance(item, Failure) else None
        if instead and isinstance(item, Failure):
            yield instead
            item = replace(item, reason=f"{item.reason}; the text that its feed has was taken instead")
        yield item


def _from_feed(source: Source) -> Document | None:
    """The article as its feed has it, or None where it has none."""
    text = _whole(source.web.content, source.uri) if source.web else ""
    if not text:
        return None
    return formats.normalise(
        Document(source.label, text, uri=source.uri, metadata={"from_feed": True}, media_type="text/markdown")
    )


def _whole(content: str, uri: str) -> str:
    """A text that a feed has, as Markdown; ``""`` where it goes on elsewhere, or is too short to tell."""
    from searchidx.articles.prose import parse_html, to_markdown

    try:
        tree = parse_html(content, uri) if content else None
    except SourceError:
        return ""
    text = "" if tree is None else to_markdown(tree).strip()
    return "" if len(text.split()) < ENOUGH_WORDS or _TEASER.search(text) else text


def _is_unread(source: Source) -> bool:
    return source.web is not None and source.web.unread != ""


def complete(document: Document, source: Source) -> Document:
    """A document from the web with the address that stands for it, and what only its feed knew.

    Its id and address are those that the page gives itself (its canonical link), where that is on the same site and
    not the front page; a page that names another site's address would take the place of that article.
    """
    if source.web is None:
        return document
    address = source.web.address
    with suppress(FetchError):
        canonical = str(addresses.parse(document.uri))
        if addresses.same_site(canonical, address) and not _leads_home(address, canonical):
            address = canonical
    return replace(
        document,
        doc_id=address if document.doc_id == source.label else document.doc_id,
        uri=address,
        title=document.title or source.web.title,
        published=document.published or source.web.published,
        author=document.author or source.web.author,
        source=document.source or addresses.parse(address).host.removeprefix("www."),
    )


def _sitemap_entries(found: Response) -> Iterator[Listed | Failure]:
    if feeds.kind_of(found.body) != SITEMAP:
        raise FetchError(found.address, "a sitemap was expected here, and this is none")
    for entry in feeds.read_sitemap(found.body, found.address):
        absolute = _absolute(entry, found.address)
        if isinstance(absolute, Listed) and not addresses.same_site(absolute.link, found.address):
            yield Failure(absolute.link, f"a page of another site, which {found.address} may not list")
        else:
            yield absolute


def _absolute(entry: Listed, base: str) -> Listed | Failure:
    try:
        return entry._replace(link=str(addresses.parse(entry.link, base)))
    except FetchError as error:
        return Failure(error.uri, error.reason)


def _why_not(entry: Listed, first: str, met: set[str], since: str) -> str:
    """Why a sitemap below another is not read."""
    if entry.link in met:
        return "repeated"
    if _before(entry.changed, since):
        return "older"
    return f"beyond {MAX_SITEMAPS}" if len(met) > MAX_SITEMAPS else ""


def _before(date: str, since: str) -> bool:
    """Whether a date is surely before another; the one that is less precise may be any day in it."""
    shorter = min(len(date), len(since))
    return shorter > 0 and date[:shorter] < since[:shorter]


def _leads_home(asked: str, found: str) -> bool:
    return addresses.parse(found).target == "/" and addresses.parse(asked).target != "/"


def _left_out(skipped: Counter[str]) -> int:
    """How much of what was met was not read at all."""
    return sum(count for reason, count in skipped.items() if reason != "repeated")


def _fetched(found: Response) -> Fetched:
    """What to send the next time: validators that are fit to be sent."""
    etag, modified = (found.headers.get(name, "") for name in ("etag", "last-modified"))
    return Fetched(found.address, *(value if _VALIDATOR.fullmatch(value) else "" for value in (etag, modified)))


def _media_type(found: Response, uri: str) -> str:
    """What reads the body.

    Raises:
        FetchError: nothing does.
    """
    declared = found.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not found.body.strip():
        raise FetchError(uri, "it is empty")
    if declared in _PAGES:  # many a server says so of whatever it has
        return PDF if found.body.startswith(b"%PDF-") else "text/html"
    by_name = MEDIA_TYPES.get(suffix_of(addresses.parse(found.address).target.partition("?")[0]), "")
    if declared in MEDIA_TYPES.values() and declared not in _OPEN:
        return declared
    if declared not in _OPEN or (not by_name and is_binary(found.body)):
        raise FetchError(uri, f"it is of type {declared or 'unknown'}, which is not read from the web")
    return by_name or sniff(found.body[:SAMPLE])


def _recoded(found: Response) -> bytes:
    """The body, as UTF-8 where it is not and the server says what it is."""
    header = Message()
    header["content-type"] = found.headers.get("content-type", "")
    charset = str(header.get_param("charset") or "")
    if charset and not marked_encoding(found.body):
        with suppress(UnicodeDecodeError, LookupError):
            try:
                found.body.decode()
            except UnicodeDecodeError:
                return found.body.decode(charset).encode()
    return found.body


@contextmanager
def _on_disk(body: bytes) -> Iterator[Path]:
    """A temporary file with the body, as what reads it expects a path."""
    with tempfile.NamedTemporaryFile(prefix="searchidx-") as file:
        file.write(body)
        file.flush()
        yield Path(file.name)
