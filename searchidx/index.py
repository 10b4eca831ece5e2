"""``Index``: the one class behind every door."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchidx.encoders import DEFAULT_ENCODER, load_encoder
from searchidx.errors import SearchIdxError, StorageError
from searchidx.reader import Reader
from searchidx.storage.analysis import UNKNOWN, check_language
from searchidx.storage.database import FILE
from searchidx.storage.store import check_furniture
from searchidx.storage.writer import StoreWriter, describe, make_store
from searchidx.types import Document, Encoder, Failure, Furniture, Report

if TYPE_CHECKING:
    from searchidx.ingest import Ingest, Progress


class Index(Reader):
    """An index of articles in one folder.

    Make one with ``create`` or ``open``; use it as a context manager or call ``close``. It may be used from several
    threads and processes at once. One writes at a time: the threads of one object wait for each other. Nobody who
    reads waits for a writer; reading is in ``searchidx.reader``.

    Attributes:
        folder: where it lies.
    """

    _wrote = False  # whether the store's log may hold what this object wrote

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        *,
        encoder: str | Encoder = DEFAULT_ENCODER,
        device: str | None = None,
        max_tokens: int | None = None,
        language: str = UNKNOWN,
        furniture: Furniture = "drop",
    ) -> Index:
        """Make an empty index.

        Args:
            path: a folder that does not exist yet, or is empty.
            encoder: a name (see ``searchidx encoders``), a folder with a sentence-transformers model, or an object.
            device: for transformer encoders: ``cpu``, ``cuda`` or None to choose.
            max_tokens: longest passage in the encoder's tokens, title and headings included.
            language: whose words are stemmed, a code such as ``de``; ``auto`` takes that of the first articles.
            furniture: ``drop`` takes lists of other stories, bios, prompts and notices out of plain text files
                (``searchidx.articles.boilerplate``), and out of these and pages what many articles of a site share
                (``searchidx.articles.recurring``); ``everywhere`` also out of records, Markdown and Documents; ``keep``
                leaves every text as it is.

        Raises:
            ValueError: ``language`` is no code of two letters, or ``furniture`` none of these.
            StorageError: there is something at ``path`` already, or it cannot be written.
            EncoderNotFound, MissingExtra: the encoder cannot be loaded.
        """
        from searchidx.articles.chunking import DEFAULT_MAX_TOKENS

        folder = Path(path)
        if (folder / FILE).exists():
            raise StorageError(f"there is an index at {folder} already: open it instead")
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise StorageError(f"{folder} exists and is no index: choose another path")
        loaded = load_encoder(encoder, device) if isinstance(encoder, str) else encoder
        budget = max_tokens or DEFAULT_MAX_TOKENS
        if loaded.max_tokens:
            budget = min(budget, loaded.max_tokens)
        settings = {
            "encoder": describe(loaded),
            "max_tokens": budget,
            "language": check_language(language),
            "furniture": check_furniture(furniture),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        make_store(folder, settings)
        return cls(folder, loaded, device)

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, encoder: str | Encoder | None = None, device: str | None = None
    ) -> Index:
        """Open an index that exists, from a read-only folder too.

        Args:
            path: its folder.
            encoder: only to insist on one; by default the index knows its own.
            device: for transformer encoders: ``cpu``, ``cuda`` or None to choose.

        Raises:
            IndexNotFound: there is none; the message names similar ones.
            EncoderMismatch: it was built with another encoder than ``encoder``.
            IndexCorrupted, IndexIncompatible: it cannot be read.
        """
        return cls(Path(path), encoder, device)

    @staticmethod
    def salvage(path: str | os.PathLike[str]) -> Iterator[Document | Failure]:
        """What can be read of an index whose ``store.db`` is damaged, whatever SQLite makes of it; changes nothing.

        Args:
            path: its folder; nobody may write to it meanwhile.

        Yields:
            Each article that is as it was, and a Failure with the name of each that is lost.

        Raises:
            IndexNotFound: there is no ``store.db``.
        """
        from searchidx.storage.salvage import salvage

        return salvage(Path(path))

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all files, once a thread that writes is done; safe to call twice."""
        self._arranger.close()
        if self._wrote:  # where another process is writing, that one will fold the log
            with suppress(SearchIdxError), self._arranger.turn():
                StoreWriter(self.folder).close()
        with self._mutex:
            self._legs.close()
            self._store.close()
            self._wrote = False

    # writing

    @contextmanager
    def _writing(self, wait: float = 0.0, *, anew: bool = False) -> Iterator[StoreWriter]:
        """Hold the lock and a writing store; ``anew`` forgives losses.

        The reading half takes no part: it follows, as if another process wrote.
        """
        with self._arranger.turn(wait):
            self._store.position()  # one that was closed says so
            writer = StoreWriter(self.folder)
            self._wrote = True
            try:
                writer.accept_losses() if anew else writer.expect_acknowledged()
                yield writer
            finally:
                writer.close(fold=False)

    @contextmanager
    def _ingest(
        self, writer: StoreWriter, progress: Callable[[Progress], None] | None, **options: bool
    ) -> Iterator[Ingest]:
        from searchidx.ingest import Ingest

        def told(done: Progress) -> None:
            self._arranger.legs.ahead()
            if progress:
                progress(done)

        generation, max_tokens = self._store.setting("generation"), self._store.setting("max_tokens")
        run = Ingest(writer, self.encoder, generation, max_tokens, progress=told, **options)
        try:
            yield run
        finally:
            run.close()

    def add(
        self,
        *sources: str | os.PathLike[str] | Document,
        limit: int | None = None,
        since: str = "",
        allow_private: bool = False,
        progress: Callable[[Progress], None] | None = None,
        wait: float = 0.0,
    ) -> Report:
        """Add articles, or bring those up to date that changed; what is unchanged costs no encoding.

        Args:
            sources: files, folders, glob patterns, web addresses of pages, feeds and sitemaps, ``-`` for standard
                input, or Documents.
            limit: only so many articles of a feed or sitemap, the newest; ``sync`` keeps to it.
            since: only articles that a feed or sitemap does not date before this day; ``sync`` keeps to it.
            allow_private: also fetch from machines that are not on the public internet.
            progress: called after each transaction: what it counts is acknowledged and survives a kill.
            wait: seconds to wait for another writer.

        Returns:
            The report; sources that could not be read are listed there with the reason and stop nothing else.

        Raises:
            BadFilter: ``since`` is no date.
            IndexLocked: another process is writing.
            StorageError: the disk is full or the folder cannot be written; what was acknowledged stays.
        """
        with self._writing(wait) as writer:
            items = [source if isinstance(source, Document) else os.fspath(source) for source in sources]
            with self._ingest(writer, progress, mirror=False, allow_private=allow_private) as run:
                report = run.add(items, limit=limit, since=since)
            self._arranger.legs.catch_up(progress)
        return report

    def remove(self, *doc_ids: str, wait: float = 0.0) -> Report:
        """Remove articles; ``sync`` does not bring them back, adding them again does. Unknown ids are in ``failed``.

        The address of a feed or sitemap that was added is taken too: ``sync`` visits it no more, its articles stay.
        """
        began = time.monotonic()
        with self._writing(wait) as writer:
            known: dict[str, Any] = dict(writer.known(doc_ids))
            with writer.transaction():
                removed = writer.remove(list(known))
                known |= {doc_id: None for doc_id in doc_ids if doc_id not in known and writer.forget_root(doc_id)}
            self._arranger.legs.catch_up()
        missing = [Failure(doc_id, "no article has this id") for doc_id in doc_ids if doc_id not in known]
        return Report(removed=removed, seconds=time.monotonic() - began, failed=tuple(missing))

    def sync(
        self,
        *,
        rebuild: bool = False,
        encoder: str | Encoder | None = None,
        language: str | None = None,
        furniture: Furniture | None = None,
        body: Sequence[str] = (),
        allow_private: bool = False,
        progress: Callable[[Progress], None] | None = None,
        wait: float = 0.0,
    ) -> Report:
        """Bring the index up to date with everything that was ever added to it.

        Files that changed are read again, articles whose files are gone are removed, what failed is tried again. Pages
        and feeds are fetched where they changed; an article that is gone from the web stays, and is told. Earlier
        articles lose what has shown since to be furniture of their site, and get back what has shown to be none.

        Args:
            rebuild: also make both arrangements anew from the store, encode passages again whose vector is damaged, and
                find anew which articles are copies of one another.
            encoder: also encode every passage with another encoder; the old vectors answer until the switch.
            language: also cut the words anew, in another language: a code such as ``de``.
            furniture: also read every file again, from now on to ``drop`` furniture, ``everywhere``, or to ``keep`` it.
            body: blocks of text that are no furniture of a site, however often they recur: they come back, and stay.
            allow_private: also fetch from machines that are not on the public internet.
            progress: called after each transaction.
            wait: seconds to wait for another writer.
        """
        from searchidx.articles import recurring
        from searchidx.reencode import compare_old, mend_vectors

        with self._writing(wait, anew=rebuild) as writer:
            if encoder is not None:
                self._switch(writer, encoder, progress)
            if language is not None:
                with writer.transaction():
                    writer.set(language=check_language(language))
            if furniture is not None and furniture != self._store.furniture():
                with writer.transaction():
                    writer.set(furniture=check_furniture(furniture))
                    writer.forget_digests()
                    writer.recurrence.unsettle()
            if body:
                with writer.transaction():
                    writer.recurrence.keep([block.number for text in body for block in recurring.pieces(text)])
            if rebuild:
                mend_vectors(writer, self.encoder)
                self._arranger.legs.rebuild()
                with writer.transaction():
                    writer.copies.forget()
            with self._ingest(writer, progress, mirror=True, allow_private=allow_private) as run:
                report = run.sync()
            compare_old(writer, progress or (lambda _: None))
            self._arranger.legs.catch_up(progress)
        if rebuild:
            with self._mutex:
                self._legs.close()  # what is damaged of the old files is not searched any more
        return report

    def _switch(self, writer: StoreWriter, encoder: str | Encoder, progress: Callable[[Progress], None] | None) -> None:
        from searchidx.reencode import reencode

        loaded = load_encoder(encoder, self._device) if isinstance(encoder, str) else encoder
        if loaded.fingerprint != self._store.setting("encoder")["fingerprint"]:
            with self._mutex:
                self._encoders |= {loaded.fingerprint: loaded}  # known to who searches right after the switch
            legs = self._arranger.legs
            reencode(writer, loaded, progress or (lambda _: None), legs.prepare_generation)
            legs.forget_dense()
        with self._mutex:
            self._encoders = {loaded.fingerprint: loaded}
