"""Reading an index: what ``Index`` can do without the lock."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from searchidx.encoders import load_encoder
from searchidx.errors import EncoderMismatch, IndexCorrupted, StorageError
from searchidx.legs import Arranger, Legs
from searchidx.ranking.calibration import weights_of
from searchidx.ranking.filters import compile_filters
from searchidx.search import Question, answer, rank, undated_beside
from searchidx.storage.store import Store
from searchidx.types import Context, Document, Encoder, Failure, Hit, Mode, PassageIndex, Sort, Undated, Where

if TYPE_CHECKING:
    from searchidx.ingest import Progress
    from searchidx.inspection import Inspection, Listing

T = TypeVar("T")


class Reader:
    """The reading half of ``Index``: search, context, get, list, export, status.

    Attributes:
        folder: where the index lies.
    """

    def __init__(self, folder: Path, encoder: str | Encoder | None = None, device: str | None = None) -> None:
        self.folder = folder
        self._device = device
        self._mutex = threading.RLock()
        self._store = Store(folder)
        self._encoders: dict[str, Encoder] = {}  # given or loaded, by fingerprint
        self._legs = Legs(folder, self._store)
        self._arranger = Arranger(folder)
        self._outlets: tuple[tuple[int, int], dict[str, int]] = (-1, 0), {}  # as last counted, and when
        try:
            self._check_encoder(encoder)
        except BaseException:
            self._store.close()
            raise

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
            self._encoders = {asked.fingerprint: self._matching(asked, built)}

    def _matching(self, encoder: Encoder, built: Mapping[str, Any]) -> Encoder:
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
        return self._encoder_of(self._store.setting("encoder"))

    def _encoder_of(self, built: Mapping[str, Any]) -> Encoder:
        """The encoder that the store describes so; another process may have put a new one."""
        with self._mutex:
            if built["fingerprint"] not in self._encoders:
                encoder = self._matching(load_encoder(built["name"], self._device), built)
                self._encoders = {encoder.fingerprint: encoder}
            return self._encoders[built["fingerprint"]]

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
        sort: Sort = "relevance",
        half_life: str | float | None = None,
        as_of: str | datetime | None = None,
        all_copies: bool = False,
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
            sort: ``relevance``, or ``date``: the newest of those that are at least 30% as relevant as the best, the
                undated last; fewer than k where fewer are.
            half_life: relevance counts half as much for an article that is so much older: days, or ``12h``, ``30d``,
                ``6w``, ``3m`` (months), ``1y``. One without a date is taken to be as old as most candidates are.
            as_of: the moment that ages are counted from, by default now.
            all_copies: also copies of a better hit; by default those are in its ``copies``, and k hits are k stories.

        Returns:
            Hits, best first. Filters apply before ranking: where k articles pass them and match, k come back.

        Raises:
            ValueError: an option has a value that it cannot have.
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
            sort=sort,
            half_life=half_life,
            as_of=as_of,
            all_copies=all_copies,
        )
        return self._ask(answer, question)

    def undated(self, query: str, k: int = 10, **options: Any) -> Undated:
        """What filters by date left out of a search because it has no date; options as for ``search``.

        It costs another search where there is such an article, and next to nothing where there is none.
        """
        question = Question(query, k, **options)
        left_out = undated_beside(question, self._store)
        if not left_out:
            return Undated()
        hits = {doc_id for doc_id, _ in self._ask(rank, replace(question, undated=True))}
        return Undated(len(left_out), len(hits & left_out))

    def rank(self, query: str, k: int = 100, **options: Any) -> list[tuple[str, float]]:
        """Ids of the best articles with the merged score of their best passage, in the order of ``search``.

        It reads no text, which an evaluation does not need. Options as for ``search``, without ``group``; all copies
        are in it unless ``all_copies=False``, as judgements name single articles.
        """
        return self._ask(rank, Question(query, k, **{"all_copies": True, **options}, group=True))

    def _ask(self, way: Callable[..., list[T]], question: Question) -> list[T]:
        legs, built = self._asked(question.mode)
        if not question.text.strip():
            return []
        try:
            return way(question, self._store, legs, None if question.mode == "lexical" else self._encoder_of(built))
        except IndexCorrupted:
            if built == self._store.setting("encoder"):
                raise
        return self._ask(way, question)  # encoded again meanwhile: the vectors that were asked are there no more

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
        self._store.expect_acknowledged()
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
        self._store.expect_acknowledged()
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

    def inspect(
        self, spec: str, *, limit: int | None = None, allow_private: bool = False
    ) -> Iterator[Inspection | Listing | Failure]:
        """What would become of a source in this index, and why (see ``searchidx.inspection``); nothing is indexed."""
        from searchidx.inspection import inspect

        return inspect(
            spec,
            furniture=self._store.furniture(),
            max_tokens=self._store.setting("max_tokens"),
            encoder=self.encoder,
            counts=self._store.recurrence,
            limit=limit,
            allow_private=allow_private,
        )

    def backup(self, path: str | os.PathLike[str], *, progress: Callable[[Progress], None] | None = None) -> None:
        """Copy the index as it is now to a path where nothing is yet; another process may write meanwhile.

        The copy is an index; it is there whole or not at all.

        Raises:
            StorageError: there is something at ``path``, or it cannot be written.
        """
        from searchidx.ingest import Progress
        from searchidx.storage.backup import backup

        told = progress or (lambda _: None)
        backup(self.folder, Path(path), lambda done, total: told(Progress("copy", done=done, total=total)))

    def status(self, *, check: bool = False) -> dict[str, Any]:
        """What the index holds and how its parts are; ``check`` reads everything and adds ``problems``."""
        from searchidx.storage.check import describe, find_problems

        self._asked("hybrid")
        parts = self._store, self._legs.dense, self._legs.lexical
        problems = {"problems": find_problems(*parts)} if check else {}
        return {**describe(*parts), **problems}

    def _asked(self, mode: Mode) -> tuple[dict[str, PassageIndex], dict[str, Any]]:
        """The arrangements that a mode asks, caught up with the store, and the encoder of their vectors, described."""
        with self._mutex:
            behind = self._legs.left_behind()
        if behind:
            self._finish_writing()
        with self._mutex, self._store.snapshot():
            self._legs.refresh()
            return self._legs.of(mode), self._store.setting("encoder")

    def _finish_writing(self) -> None:
        """Put into files what a killed writer did not, while other threads search."""
        try:
            if self._arranger.finish(anew=self._legs.mirrored):
                with self._mutex:
                    self._legs.leave_mirror()
        except StorageError:  # a full disk must not hide what was acknowledged
            with self._mutex:
                self._legs.lexical.leave_folder()
