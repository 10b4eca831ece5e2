"""``Index``: the one class behind every door."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from searchidx.encoders import DEFAULT_ENCODER, load_encoder
from searchidx.errors import EncoderMismatch, SearchIdxError, StorageError
from searchidx.legs import Legs
from searchidx.ranking.calibration import weights_of
from searchidx.ranking.filters import compile_filters
from searchidx.search import Question, answer, rank
from searchidx.storage.analysis import UNKNOWN, check_language
from searchidx.storage.lock import writer_lock
from searchidx.storage.store import FILE, Store, check_furniture
from searchidx.storage.writer import StoreWriter, describe, make_store
from searchidx.types import Context, Document, Encoder, Failure, Furniture, Hit, Mode, PassageIndex, Report, Where

if TYPE_CHECKING:
    from searchidx.ingest import Ingest, Progress

T = TypeVar("T")


class Index:
    """An index of articles in one folder.

    Make one with ``create`` or ``open``; use it as a context manager or call ``close``. Reading is safe from several
    threads and processes at once; one process writes at a time.

    Attributes:
        folder: where it lies.
    """

    def __init__(self, folder: Path, encoder: str | Encoder | None = None, device: str | None = None) -> None:
        self.folder = folder
        self._device = device
        self._mutex = threading.RLock()
        self._store = Store(folder)
        self._encoder: Encoder | None = None
        self._legs = Legs(folder, self._store)
        self._outlets: tuple[tuple[int, int], dict[str, int]] = (-1, 0), {}  # as last counted, and when
        self._wrote = False  # whether the store's log may hold what this object wrote
        try:
            self._check_encoder(encoder)
        except BaseException:
            self._store.close()
            raise

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
                (``searchidx.articles.boilerplate``), ``keep`` leaves every text as it is.

        Raises:
            ValueError: ``language`` is no code of two letters, or ``furniture`` neither ``drop`` nor ``keep``.
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

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all files; safe to call twice."""
        with self._mutex:
            if self._wrote:  # where another process is writing, that one will fold the log
                with suppress(SearchIdxError), writer_lock(self.folder):
                    StoreWriter(self.folder).close()
            self._legs.close()
            self._store.close()
            self._wrote = False

    # the encoder

    def _check_encoder(self, asked: str | Encoder | None) -> None:
        if asked is None:
            return
        built: dict[str, Any] = self._store.setting("encoder")
        name = asked if isinstance(asked, str) else asked.name
        if isinstance(asked, str) and name != built["name"]:
            raise EncoderMismatch(
                f"{self.folder} was built with {built['name']} ({built['dim']} dims), you asked for {name}: "
                f"open it without --encoder, or encode it again with: searchidx sync --encoder {name}"
            )
        if not isinstance(asked, str):
            self._encoder = self._matching(asked)

    def _matching(self, encoder: Encoder) -> Encoder:
        built: dict[str, Any] = self._store.setting("encoder")
        if encoder.fingerprint != built["fingerprint"]:
            raise EncoderMismatch(
                f"{self.folder} was built with {built['name']} ({built['dim']} dims, {built['fingerprint']}), "
                f"this is {encoder.name} ({encoder.dim} dims, {encoder.fingerprint}), whose vectors differ: "
                f"encode it again with: searchidx sync --encoder {encoder.name}"
            )
        return encoder

    @property
    def encoder(self) -> Encoder:
        """The encoder of this index, loaded when first needed."""
        with self._mutex:
            if self._encoder is None:
                name = self._store.setting("encoder")["name"]
                self._encoder = self._matching(load_encoder(name, self._device))
            return self._encoder

    # reading

    def search(
        self,
        query: str,
        k: int = 10,
        *,
        mode: Mode = "hybrid",
        where: Where = (),
        after: str | None = None,
        before: str | None = None,
        sources: Sequence[str] = (),
        group: bool = True,
        fusion: str = "weighted",
        lexical_weight: float | None = None,
        min_score: float = 0.0,
    ) -> list[Hit]:
        """Find the passages that answer a query.

        Args:
            query: anything a person types; empty finds nothing.
            k: hits wanted, at least 1.
            mode: ``hybrid``, ``dense`` or ``lexical``.
            where: filters such as ``"topic=law"`` or ``"published>=2018"``, or nested ones as mappings such as
                ``{"type": "or", "filters": [...]}`` (see ``searchidx.ranking.filters``); all must hold.
            after: only articles published on this date or later (``2018``, ``2018-05``, ``2018-05-03``).
            before: only articles published before this date.
            sources: only articles of one of these outlets.
            group: one hit per article, its other passages listed with it; False for one hit per passage.
            fusion: ``weighted`` (normalised scores) or ``rrf`` (reciprocal rank), for hybrid.
            lexical_weight: weight of BM25 from 0 to 1 in weighted fusion; None for the measured default.
            min_score: only hits at least this relevant, from 0 to 1; an empty list says that nothing relevant is there.

        Returns:
            Hits, best first. Filters apply before ranking: where k articles pass them and match, k come back.

        Raises:
            BadFilter: a filter cannot be read or names an unknown field.
            EncoderMismatch: the installed encoder is not the one that made the vectors (``lexical`` still works).
        """
        question = Question(
            query,
            k,
            mode,
            where,
            after,
            before,
            sources,
            group=group,
            fusion=fusion,
            lexical_weight=lexical_weight,
            min_score=min_score,
        )
        return self._ask(answer, question)

    def rank(self, query: str, k: int = 100, **options: Any) -> list[tuple[str, float]]:
        """Ids of the best articles with the merged score of their best passage, in the order of ``search``.

        It reads no text, which an evaluation does not need. Options as for ``search``, without ``group``.
        """
        return self._ask(rank, Question(query, k, group=True, **options))

    def _ask(self, way: Callable[..., list[T]], question: Question) -> list[T]:
        legs = self._asked(question.mode)
        if not question.text.strip():
            return []
        return way(question, self._store, legs, None if question.mode == "lexical" else self.encoder)

    def context(
        self,
        query: str,
        *,
        max_tokens: int = 1500,
        k: int | None = None,
        tokenizer: str | os.PathLike[str] | None = None,
        prompt: bool = False,
        shown: Callable[[Sequence[Hit]], Sequence[Hit]] | None = None,
        **options: Any,
    ) -> Context:
        """Collect the best passages for a language model: numbered, quoted, each said once, within a budget.

        Args:
            query: the question.
            max_tokens: budget for the text; it is never exceeded.
            k: passages considered; None for as many as may fill the budget.
            tokenizer: a model's ``tokenizer.json``, to count in its tokens; by default this index's encoder counts.
            prompt: put instructions and the question around the passages; the budget holds for all of it.
            shown: how hits are to be cited, where that is not as they are: a server gives addresses of its own.
            options: as for ``search``.

        Raises:
            EncoderNotFound: ``tokenizer`` cannot be read.
        """
        from searchidx.ranking.context import Budget, build_context, hits_wanted, token_counter

        name = self.encoder.name if tokenizer is None else os.fspath(tokenizer)
        budget = Budget(max_tokens, self.encoder.count_tokens if tokenizer is None else token_counter(name), name)
        hits = self.search(query, hits_wanted(max_tokens) if k is None else k, **{"group": False, **options})
        return build_context(query, shown(hits) if shown else hits, budget, self._text_of, ready=prompt)

    def _text_of(self, doc_id: str) -> str:
        document = self.get(doc_id)
        return document.text if document else ""

    def bound(self, mode: Mode = "hybrid") -> float:
        """The score that the best hit of a query should reach: where it does not, there probably is no answer here."""
        kind = self._store.setting("encoder")["fingerprint"].partition(":")[0]
        return weights_of(mode, kind)["bound"]

    def setting(self, name: str) -> Any:
        """One of ``encoder``, ``max_tokens``, ``created``..., as ``status`` tells it, without looking at the parts."""
        return self._store.setting(name)

    def get(self, doc_id: str) -> Document | None:
        """An article with its whole text, or None."""
        return self._store.document(doc_id)

    def list(
        self,
        *,
        where: Where = (),
        after: str | None = None,
        before: str | None = None,
        sources: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> Iterator[Document]:
        """Articles without their text, in the order they were added, ``offset`` left out; filters as for ``search``."""
        condition = compile_filters(where, after=after, before=before, sources=sources, known=self._store.fields())
        wanted = -1 if limit is None else limit
        if condition is None:
            return self._store.documents(limit=wanted, offset=offset)
        return self._store.documents(condition.sql, condition.parameters, wanted, offset)

    def outlets(self, limit: int = 1000) -> dict[str, int]:
        """Outlets with the number of their articles, those with most first: what ``sources`` can name."""
        asked = (self._store.position(), limit)
        if self._outlets[0] != asked:  # to count 100,000 articles takes longer than a search
            self._outlets = asked, self._store.outlets(limit)
        return dict(self._outlets[1])

    def export(self) -> Iterator[Document]:
        """Every article with its whole text; ``add`` takes them back."""
        return (document for short in self.list() if (document := self.get(short.doc_id)))

    def status(self, *, check: bool = False) -> dict[str, Any]:
        """What the index holds and how its parts are; ``check`` reads everything and adds ``problems``."""
        from searchidx.storage.check import describe, find_problems

        self._asked("hybrid")
        parts = self._store, self._legs.dense, self._legs.lexical
        problems = {"problems": find_problems(*parts)} if check else {}
        return {**describe(*parts), **problems}

    def _asked(self, mode: Mode) -> dict[str, PassageIndex]:
        """The arrangements that a mode asks, caught up with the store."""
        with self._mutex:
            if self._legs.refresh():  # encoded again by another process
                self._encoder = None
            return self._legs.of(mode)

    # writing

    @contextmanager
    def _writing(self, wait: float = 0.0) -> Iterator[StoreWriter]:
        """Hold the lock and a writing store; the arrangements may write too until it ends."""
        with self._mutex, writer_lock(self.folder, wait), self._legs.owned():
            writer = StoreWriter(self.folder)
            self._wrote = True
            try:
                yield writer
            finally:
                writer.close(fold=False)

    def _ingest(self, writer: StoreWriter, progress: Callable[[Progress], None] | None, **options: bool) -> Ingest:
        from searchidx.ingest import Ingest

        generation, max_tokens = self._store.setting("generation"), self._store.setting("max_tokens")
        return Ingest(writer, self.encoder, generation, max_tokens, progress=progress, **options)

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
            run = self._ingest(writer, progress, mirror=False, allow_private=allow_private)
            report = run.add(items, limit=limit, since=since)
            self._legs.catch_up(progress)
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
            self._legs.catch_up()
        missing = [Failure(doc_id, "no article has this id") for doc_id in doc_ids if doc_id not in known]
        return Report(removed=removed, seconds=time.monotonic() - began, failed=tuple(missing))

    def sync(
        self,
        *,
        rebuild: bool = False,
        encoder: str | Encoder | None = None,
        language: str | None = None,
        furniture: Furniture | None = None,
        allow_private: bool = False,
        progress: Callable[[Progress], None] | None = None,
        wait: float = 0.0,
    ) -> Report:
        """Bring the index up to date with everything that was ever added to it.

        Files that changed are read again, articles whose files are gone are removed, what failed is tried again. Pages
        and feeds are fetched where they changed; an article that is gone from the web stays, and is told.

        Args:
            rebuild: also make both arrangements anew from the store, and encode passages again whose vector is damaged.
            encoder: also encode every passage with another encoder; the old vectors answer until the switch.
            language: also cut the words anew, in another language: a code such as ``de``.
            furniture: also read every file again, from now on to ``drop`` or ``keep`` the furniture of scraped texts.
            allow_private: also fetch from machines that are not on the public internet.
            progress: called after each transaction.
            wait: seconds to wait for another writer.
        """
        from searchidx.reencode import mend_vectors

        with self._writing(wait) as writer:
            if encoder is not None:
                self._switch(writer, encoder, progress)
            if language is not None:
                with writer.transaction():
                    writer.set(language=check_language(language))
            if furniture is not None and furniture != self._store.furniture():
                with writer.transaction():
                    writer.set(furniture=check_furniture(furniture))
                    writer.forget_digests()
            if rebuild:
                mend_vectors(writer, self.encoder)
                self._legs.rebuild()
            report = self._ingest(writer, progress, mirror=True, allow_private=allow_private).sync()
            self._legs.catch_up(progress)
        return report

    def _switch(self, writer: StoreWriter, encoder: str | Encoder, progress: Callable[[Progress], None] | None) -> None:
        from searchidx.reencode import reencode

        loaded = load_encoder(encoder, self._device) if isinstance(encoder, str) else encoder
        if loaded.fingerprint != self._store.setting("encoder")["fingerprint"]:
            reencode(writer, loaded, progress or (lambda _: None))
            self._legs.forget_dense()
        self._encoder = loaded
