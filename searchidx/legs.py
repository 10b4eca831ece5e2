"""``Legs``: the two arrangements of an index, kept up to date with its store."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from searchidx.errors import IndexLocked, SearchIdxError, StorageError
from searchidx.storage.analysis import analysis
from searchidx.storage.dense import TAIL_LIMIT, DenseIndex
from searchidx.storage.files import is_writable
from searchidx.storage.lexical import LexicalIndex
from searchidx.storage.lock import writer_lock
from searchidx.storage.store import Store
from searchidx.types import Change, Mode, PassageIndex

if TYPE_CHECKING:
    from searchidx.ingest import Progress


class Legs:
    """Opens, catches up, and deletes the arrangements; not safe from several threads at once.

    Args:
        folder: of the index.
        store: its truth.
    """

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder, self._store = folder, store
        self._dense: DenseIndex | None = None
        self._lexical: LexicalIndex | None = None
        self._owner = False  # whether this process holds the right to write
        self._moment = (-1, -1, "")

    @property
    def dense(self) -> DenseIndex:
        """The vectors, opened when first needed."""
        if self._dense is None:
            self._dense = DenseIndex(self._folder / "dense", self._store, writable=self._owner)
        return self._dense

    @property
    def lexical(self) -> LexicalIndex:
        """The words, opened when first needed."""
        if self._lexical is None:
            self._lexical = LexicalIndex(self._folder / "lexical", self._store, writable=self._owner)
        return self._lexical

    def of(self, mode: Mode) -> dict[str, PassageIndex]:
        """Those that a mode asks, by name."""
        legs: dict[str, PassageIndex] = {"dense": self.dense, "lexical": self.lexical}
        return legs if mode == "hybrid" else {mode: legs[mode]}

    def refresh(self) -> bool:
        """Take over what any process wrote since the last call; True where all vectors were made anew since.

        Where a killed writer left an arrangement far behind, its work is finished if no other process is writing.
        """
        moment = self._store.moment()
        if moment == self._moment and not (self._dense and self._dense.position() < moment[0]):  # a file was damaged
            return False
        self._store.expect_acknowledged()
        encoded_again = self._dense is not None and self._dense.generation != moment[1]
        if encoded_again:
            self.forget_dense()
        self._follow_language()
        if not self.lexical.mirrored:  # what another process has committed, and its few changes since
            try:
                self._advance(self.lexical)
            except StorageError:  # the folder cannot be written any more
                self.lexical.leave_folder()
        behind = self.lexical.mirrored or self.lexical.position() < moment[0]
        if (behind or moment[0] - self.dense.position() > TAIL_LIMIT) and is_writable(self._folder):
            self._finish_writing()
        self.catch_up()
        self._moment = moment if self.lexical.position() >= moment[0] else (-1, *moment[1:])
        return encoded_again

    def _finish_writing(self) -> None:
        try:
            with writer_lock(self._folder), self.owned():
                self.catch_up()
        except IndexLocked:  # whoever is writing will catch up
            pass
        except StorageError:  # a full disk must not hide what was acknowledged
            self.lexical.leave_folder()

    def _follow_language(self) -> None:
        """Let go of a lexical leg whose words are those of another language: it is opened again, and built anew."""
        if self._lexical and self._lexical.language != analysis(self._store.setting("language")).language:
            self._close_lexical()

    def catch_up(self, progress: Callable[[Progress], None] | None = None) -> None:
        """Apply the changes of the store to both."""
        self._follow_language()
        for arrangement in (self.dense, self.lexical):
            self._advance(arrangement, progress)

    def ahead(self) -> None:
        """Begin to arrange what was stored, while more is to come; the caller holds the lock."""
        with suppress(SearchIdxError):  # ``catch_up`` tries again, and says what is wrong
            self._follow_language()
            self.lexical.ahead()

    def _advance(self, arrangement: PassageIndex, progress: Callable[[Progress], None] | None = None) -> None:
        changes: Iterable[Change] = self._store.changes(arrangement.position())
        if progress:
            from searchidx.ingest import counted

            changes = counted(changes, self._store.position() - arrangement.position(), progress)
        arrangement.apply(changes)

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Let both write to the folder; the caller holds the lock."""
        self._own(True)
        try:
            yield
        finally:
            self._own(False)

    def _own(self, owner: bool) -> None:
        self._owner = owner
        if self._lexical and self._lexical.mirrored:  # the mirror of a damaged folder gives way to the folder
            self._close_lexical()
        for arrangement in (self._dense, self._lexical):
            if arrangement:
                arrangement.writable = owner

    def forget_dense(self) -> None:
        """Open the vectors anew: they were made by another encoder."""
        self._dense, self._moment = None, (-1, -1, "")

    def rebuild(self) -> None:
        """Delete both and make them anew; the caller holds the lock."""
        self._dense = self._lexical = None
        for name in ("dense", "lexical"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        self.dense.rebuild()
        self.lexical.rebuild()
        self.catch_up()

    def close(self) -> None:
        """Let go of all files; safe to call twice."""
        self._close_lexical()
        self._dense = None

    def _close_lexical(self) -> None:
        if self._lexical:
            self._lexical.close()
        self._lexical = None
