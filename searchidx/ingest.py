"""Journey 1: sources become documents, passages, vectors, and one transaction in the store.

Read ``Ingest.add`` from top to bottom. Documents are gathered into batches, so that the encoder works on many texts at
once and one synced transaction acknowledges many articles. While a batch is stored the next one is prepared (cut and
encoded, see ``preparing.py``); each is kept to about two seconds of work, and these two are the most that a killed
process repeats. Nothing here grows with the corpus: what a run has met is noted on disk.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchidx import sites
from searchidx.articles import feeds, formats, sources, web
from searchidx.articles.addresses import is_address
from searchidx.articles.boilerplate import without_furniture
from searchidx.articles.dates import require_date
from searchidx.articles.fetching import Fetcher
from searchidx.errors import ExtractError
from searchidx.preparing import Preparation
from searchidx.storage.analysis import UNKNOWN
from searchidx.storage.language import language_of
from searchidx.storage.store import digest
from searchidx.storage.writer import Entry, StoreWriter
from searchidx.types import Change, Document, Encoder, Failure, Report, Source

if TYPE_CHECKING:
    from searchidx.preparing import Prepared

MAX_BATCH = 2_000_000
"""Characters in a batch at most: about 3,000 passages."""
MIN_BATCH = 4_000
SECONDS_PER_BATCH = 2.0
SECONDS_WITHOUT_STORING = 10.0
"""Longest time that fetched pages wait for a transaction: fetching is slow, and is not to be repeated after a kill."""
MAX_FAILURES = 100
"""Failures of one source that are told one by one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an ``add`` or ``sync`` has come; documents and passages are on the disk when they are counted here.

    Attributes:
        stage: ``articles`` while sources are read and encoded, ``encode`` while another encoder is, ``index`` while the
            arrangements catch up, ``copies`` while articles of an older index are compared, ``queries`` while an
            evaluation asks them, ``copy`` during a backup; more are those of ``searchidx.measuring``.
        documents: articles met so far.
        passages: passages stored so far.
        done: of ``total``: bytes of the sources in stage ``articles``, changes in stage ``index``, passages in stage
            ``encode``, articles in stage ``copies``, queries in stage ``queries``, bytes in stage ``copy``, and so on.
        total: 0 where it is not known.
    """

    stage: str
    documents: int = 0
    passages: int = 0
    done: int = 0
    total: int = 0


@dataclass
class _Batch:
    """Documents and finished sources that wait for the next transaction."""

    documents: list[sites.Placed] = field(default_factory=list)
    shared: set[str] = field(default_factory=set)  # ids of those that may hold furniture of their site
    sources: list[tuple[Source, str, str]] = field(default_factory=list)
    failed: list[tuple[Failure, str]] = field(default_factory=list)
    characters: int = 0
    changed: list[tuple[Document, bytes, str]] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    new: int = 0

    def __bool__(self) -> bool:
        return bool(self.documents or self.sources or self.failed)


class Ingest:
    """One run of ``add`` or ``sync``.

    Args:
        store: opened under the index's lock.
        encoder: makes the vectors.
        generation: of the vectors that the index uses.
        max_tokens: budget of a passage, in the encoder's tokens.
        mirror: True for ``sync``: articles that are gone from a source are removed.
        allow_private: also fetch from machines that are not on the public internet.
        progress: called after each transaction.
    """

    def __init__(
        self,
        store: StoreWriter,
        encoder: Encoder,
        generation: int,
        max_tokens: int,
        *,
        mirror: bool = False,
        allow_private: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self._store = store
        self._generation = generation
        self._furniture = store.furniture()
        self._mirror = mirror
        self._progress = progress or (lambda _: None)
        self._batch = _Batch()
        self._batch_size = MIN_BATCH * 8
        self._tally: Counter[str] = Counter()
        self._bytes = Counter[str]()
        self._skipped: Counter[str] = Counter()
        self._failed: list[Failure] = []
        self._preparation = Preparation(encoder, max_tokens)
        self._prepared: _Batch | None = None  # the batch that is being prepared
        self._began = self._stored = time.monotonic()
        self._web = web.Web(store.fetched, Fetcher(allow_private=allow_private))
        self._options: dict[str, Any] = {}
        store.begin_run()

    def add(self, items: Iterable[str | Path | Document], *, limit: int | None = None, since: str = "") -> Report:
        """Read everything that ``items`` name and store what is new; ``limit`` and ``since`` are for feeds."""
        since = since and require_date(since)
        for item in items:
            if isinstance(item, Document):
                self._failed += filter(None, [self._offer(item, "", shared=self._furniture == "everywhere")])
                continue
            if is_address(str(item)):
                self._add_address(str(item), limit, since)
                continue
            self._bytes["total"] += sources.size(str(item))
            for found in sources.find(str(item), self._skipped):
                if isinstance(found, Failure):
                    self._fail_source(found, sources.root(str(item)))
                else:
                    self._read(found)
        self.flush()
        return self.report()

    def close(self) -> None:
        """Let go of the second process, if there is one."""
        self._preparation.close()

    def report(self) -> Report:
        """What this run has done so far."""
        tally = self._tally
        return Report(
            tally["added"],
            tally["updated"],
            tally["unchanged"],
            tally["removed"],
            tally["passages"],
            time.monotonic() - self._began,
            tuple(self._failed),
            dict(self._skipped),
        )

    def _add_address(self, address: str, limit: int | None, since: str) -> None:
        """Read what is on the web, which comes slowly: what has come is stored every few seconds."""
        self._options = {name: value for name, value in (("limit", limit), ("since", since)) if value}
        root = sources.root(address)
        for found in self._web.find(address, self._skipped, limit=limit, since=since):
            if isinstance(found, Failure):
                self._fail_source(found, root)
            elif isinstance(found, web.Kept):
                self._keep(found.uri, found.root)
            elif found.media_type == feeds.FEED:
                self._batch.sources.append((found, feeds.FEED, ""))
            else:
                self._read(found)
            if time.monotonic() - self._stored > SECONDS_WITHOUT_STORING:
                self.flush()
        self.flush()
        self._options = {}

    # one source

    def _read(self, source: Source) -> None:
        """Read one source, unless it is as it was; a failure of one article leaves the others."""
        start = self._bytes["done"]
        try:
            content, size = sources.digest(source), source.path.stat().st_size
        except OSError as error:
            self._fail_source(Failure(source.uri, f"cannot be read: {error.strerror or error}"), source.root)
            return
        if source.uri != sources.STDIN:
            source = replace(source, label=self._store.label(source.uri, source.label))
            if not self._store.visit(source.uri, source.label):
                return  # named twice, or by two roots
        if self._store.source(source.uri) == (content, "") and self._keep(source.uri):
            self._bytes["done"] += size if source.web is None else 0
            self._batch.sources += [(source, content, "")] if source.web else []  # for its new validators
            return
        first_failure, failures = "", 0
        found = replace(source, uri=source.web.address) if source.web else source  # after redirects
        shared = formats.is_shared(source.media_type, self._furniture)
        normal = source.web is None and formats.is_read_here(source.media_type)
        told = lambda done: self._bytes.update(done=start + done - self._bytes["done"])  # noqa: E731
        for item in web.read(found, told, furniture=self._furniture):
            if isinstance(item, Document):
                failure = self._offer(web.complete(item, source), source.uri, shared=shared, normal=normal)
            else:
                failure = item
            if failure:
                first_failure, failures = first_failure or failure.reason, failures + 1
                self._failed += [failure] if failures <= MAX_FAILURES else []
        if failures > MAX_FAILURES:
            reason = f"{failures - MAX_FAILURES} more of its articles could not be read"
            self._failed.append(Failure(source.uri, reason))
        self._bytes["done"] = start + (size if source.web is None else 0)
        self._batch.sources.append((source, content, first_failure))

    def _keep(self, uri: str, root: str = "") -> bool:
        """Count the articles of an unchanged source, or root, as met; False where it has none any more."""
        doc_ids = self._store.doc_ids_below(uri) if uri == root else self._store.doc_ids(uri)
        if not doc_ids:
            return False
        for doc_id in doc_ids:
            self._store.see(doc_id, uri)
        self._tally["unchanged"] += len(doc_ids)
        return True

    def _fail_source(self, failure: Failure, root: str) -> None:
        """Note a source that is there and cannot be read: its articles stay, and ``sync`` tries it again.

        On the web only what was read before, or what the user named and may come back, is worth another try.
        """
        self._failed.append(failure)
        again = isinstance(failure, web.Later) and failure.uri == root
        known = is_address(failure.uri) and self._store.source(failure.uri) is not None
        if again or known or os.path.lexists(failure.uri):
            self._store.visit(failure.uri)
            self._batch.failed.append((failure, root))

    def _offer(self, document: Document, origin: str, *, shared: bool, normal: bool = False) -> Failure | None:
        """Take one document into the batch, or return why not; a ``normal`` one was normalised in this process."""
        place = origin or document.doc_id
        try:
            document = document if normal else formats.normalise(document)
            before = self._store.see(document.doc_id, place)
            if before is not None:
                reason = f"id {document.doc_id!r} is used twice in this run; the first, from {before}, is kept"
                raise ExtractError(place, f"{reason}: give this article an id of its own")
        except ExtractError as error:
            return Failure(place, error.reason)
        if self._mirror and self._store.was_removed(document.doc_id):
            return None
        if shared and not origin:  # given by the API: nothing has looked at its form
            document = without_furniture(document)
        self._append(document, origin, shared=shared)
        return None

    def _append(self, document: Document, origin: str, *, shared: bool) -> None:
        batch = self._batch
        batch.documents.append((document, origin))
        batch.shared.update([document.doc_id] if shared else ())
        batch.characters += len(document.text)
        if batch.characters >= self._batch_size or len(batch.documents) >= 2000:
            self._next_batch()

    # one transaction

    def flush(self) -> None:
        """Store all that was taken: on return it is acknowledged, and survives a kill or a power loss."""
        self._next_batch()
        self._next_batch()

    def _next_batch(self) -> None:
        """Have the batch prepared, and store the one before meanwhile."""
        began = time.monotonic()
        batch, self._batch = self._batch, _Batch()
        before, self._prepared = self._prepared, None
        prepared = self._preparation.result() if before else []
        if not batch.shared:
            self._compare(batch)
            self._preparation.begin([document for document, _, _ in batch.changed])
            self._prepared = batch
        if before:
            with self._store.transaction():
                self._store.recurrence.forget([document.doc_id for document, _ in before.documents])
                self._put(before, prepared)
        if batch.shared:  # the articles of a site are counted in their order, and lose what recurs before the rest
            with self._store.transaction():
                batch.documents = sites.take(self._store.recurrence, batch.documents, batch.shared)
                self._compare(batch)
                self._preparation.begin([document for document, _, _ in batch.changed])
                self._put(batch, self._preparation.result())
        self._adapt(batch.characters, time.monotonic() - began)
        self._tell()

    def _compare(self, batch: _Batch) -> None:
        """Find out what is new in a batch, and what was there."""
        known = self._store.known([document.doc_id for document, _ in batch.documents])
        for document, origin in batch.documents:
            was, content = known.get(document.doc_id), digest(document)
            if was is None or was.digest != content:
                batch.changed.append((document, content, origin))
            elif was.origin != origin:
                batch.moved.append((document.doc_id, origin))
        batch.new = sum(document.doc_id not in known for document, _, _ in batch.changed)

    def _put(self, batch: _Batch, prepared: Prepared) -> None:
        """Store a batch, within a transaction."""
        self._stored = time.monotonic()
        entries = [
            Entry(document, content, origin, *parts)
            for (document, content, origin), parts in zip(batch.changed, prepared, strict=True)
        ]
        if entries and self._store.setting("language") == UNKNOWN:
            self._store.set(language=language_of([entry.document for entry in entries]))
        self._store.put(entries, self._generation)
        self._store.move(batch.moved)
        gone = [doc_id for source in batch.sources for doc_id in self._finish(*source)]
        removed = self._store.drop(gone)
        for failure, root in batch.failed:
            self._store.note_root(root, self._options)
            self._store.note_source(failure.uri, root, "", failure.reason)
        changed = len(batch.changed)
        self._tally.update(added=batch.new, updated=changed - batch.new, unchanged=len(batch.documents) - changed)
        self._tally.update(removed=removed, passages=sum(len(entry.passages) for entry in entries))

    def _finish(self, source: Source, content: str, failure: str) -> list[str]:
        """Note a source as read; returns the articles that are gone from it.

        A file that holds one article stands for it, so what it held before is replaced. Lines missing from a JSONL
        file, or files from an archive, are articles that are gone only for ``sync``, and only where every one could be
        read: ``add`` never loses one.
        """
        if source.uri == sources.STDIN:  # read once, and not to be visited again
            return []
        single = source.media_type not in formats.MANY and not source.media_type.endswith(feeds.FEED)
        unseen = self._store.unseen(source.uri)
        replaced = unseen if not failure and (single or self._mirror) else []
        self._store.note_root(source.root, self._options)
        if source.web and not source.web.unread:
            self._store.note_fetched(source.uri, source.web)
        # what add leaves, sync looks at again: an empty digest equals none
        self._store.note_source(source.uri, source.root, content if unseen == replaced else "", failure, source.label)
        return replaced

    def _adapt(self, characters: int, seconds: float) -> None:
        """Size the next batch to take about two seconds with this encoder on this machine."""
        if characters >= MIN_BATCH:
            fitting = int(characters / max(seconds, 0.001) * SECONDS_PER_BATCH)
            self._batch_size = max(MIN_BATCH, min(MAX_BATCH, fitting, self._batch_size * 4))

    def _tell(self) -> None:
        met = self._tally["added"] + self._tally["updated"] + self._tally["unchanged"]
        progress = Progress("articles", met, self._tally["passages"], self._bytes["done"], self._bytes["total"])
        self._progress(progress)

    # sync

    def sync(self) -> Report:
        """Visit again everything that was ever added: read what changed, remove what is gone, retry what failed."""
        roots = self._store.roots()
        for root in roots:
            if is_address(root):  # what is gone from a feed, or from the web, is kept
                self.add([root], **self._store.options(root))
                continue
            if not sources.exists(root) and not self._store.is_source(root):
                reason = (
                    "this folder is gone; its articles are kept: bring it back, or remove them with: searchidx remove"
                )
                self._failed.append(Failure(root, reason))
                continue
            if sources.exists(root):
                self.add([root])
            self._remove_gone(root)
        self._clean_earlier()
        return self.report()

    def _clean_earlier(self) -> None:
        """Take furniture out of articles that were stored before it was known, and put back what is none."""
        counts, keep = self._store.recurrence, self._furniture == "keep"
        same, updated = self._tally["unchanged"], self._tally["updated"]
        for site in counts.changed_sites():
            settled = True
            for document in sites.earlier(counts, site, self._store.document):
                origin = self._store.known([document.doc_id])[document.doc_id].origin
                given = self._furniture == "drop" and not origin  # by the API, while it was to be taken out everywhere
                settled = settled and not given  # what goes from the counts may change what is known of the others
                self._append(document, origin, shared=not (keep or given))
            self.flush()
            with self._store.transaction():
                if settled:
                    counts.settle(site)
        if keep:
            with self._store.transaction():
                counts.clear()
        # an article is told once: its source was the same
        self._tally["unchanged"] = max(0, same - (self._tally["updated"] - updated))

    def _remove_gone(self, root: str) -> None:
        for uri in self._store.unvisited(root):
            with self._store.transaction():
                self._tally["removed"] += self._store.drop(self._store.unseen(uri))
                self._store.forget_source(uri)
        self._tell()


def counted(changes: Iterable[Change], total: int, progress: Callable[[Progress], None]) -> Iterator[Change]:
    """Tell how far an arrangement has read."""
    for number, change in enumerate(changes):
        if number % 2000 == 0:
            progress(Progress("index", done=number, total=total))
        yield change
