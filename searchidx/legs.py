"""``Legs``: the two arrangements of an index, kept up to date with its store."""

from __future__ import annotations

import threading
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


_NEVER = (-1, -1, "")
"""The moment of legs that have not caught up with any."""


class Legs:
    """Opens and catches up the arrangements; not safe from several threads at once.

    Args:
        folder: of the index.
        store: its truth.
        writable: whether they write to the folder, which only who holds the index's lock may let them do. Others follow
            what is written there, and keep what it lacks in memory.
    """

    def __init__(self, folder: Path, store: Store, *, writable: bool = False) -> None:
        self._folder, self._store, self._writable = folder, store, writable
        self._dense: DenseIndex | None = None
        self._lexical: LexicalIndex | None = None
        self._moment = _NEVER

    @property
    def dense(self) -> DenseIndex:
        """The vectors, opened when first needed."""
        if self._dense is None:
            self._dense = DenseIndex(self._folder / "dense", self._store, writable=self._writable)
        return self._dense

    @property
    def lexical(self) -> LexicalIndex:
        """The words, opened when first needed."""
        if self._lexical is None:
            self._lexical = LexicalIndex(self._folder / "lexical", self._store, writable=self._writable)
        return self._lexical

    def of(self, mode: Mode) -> dict[str, PassageIndex]:
        """Those that a mode asks, by name."""
        legs: dict[str, PassageIndex] = {"dense": self.dense, "lexical": self.lexical}
        return legs if mode == "hybrid" else {mode: legs[mode]}

    # following what others write

    def left_behind(self) -> bool:
        """Whether so much is in no file yet that putting it there comes first; not while all is as it was."""
        moment = self._store.moment()
        if self._is_settled(moment):
            return False
        self._store.expect_acknowledged()
        if not is_writable(self._folder):
            return False
        self._follow(moment)
        late = self.lexical.mirrored or self.lexical.position() < moment[0] or not self._knows_language()
        return late or moment[0] - self.dense.position() > TAIL_LIMIT

    def refresh(self) -> None:
        """Take over what any process or thread wrote since the last call; within one moment of the store."""
        moment = self._store.moment()
        if self._is_settled(moment):
            if self._dense:
                self._dense.apply(())  # what it holds in memory may be in files by now
            return
        self._follow_language()
        self._follow(moment)
        self._advance(self.dense)
        self._moment = moment if self.lexical.position() >= moment[0] and self._knows_language() else _NEVER

    def _is_settled(self, moment: tuple[int, int, str]) -> bool:
        return moment == self._moment and not (self._dense and self._dense.position() < moment[0])  # a file was damaged

    def _follow(self, moment: tuple[int, int, str]) -> None:
        """Let go of vectors of another encoder; take what others have committed of the words, and few changes since."""
        if self._dense and self._dense.generation != moment[1]:
            self.forget_dense()
        try:
            self._advance(self.lexical)
        except StorageError:
            if self.lexical.mirrored:
                raise
            self.lexical.leave_folder()  # it cannot be written any more
            self._advance(self.lexical)

    def _knows_language(self) -> bool:
        """Whether the words are those of the index's language."""
        return self.lexical.language == analysis(self._store.setting("language")).language

    def _follow_language(self) -> None:
        """Open words of another language anew; a reader does so once the files are there, and has the old till then."""
        lexical = self._lexical
        if lexical and (self._writable or lexical.mirrored or lexical.replaced) and not self._knows_language():
            self.forget_lexical()

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

    def discard(self) -> None:
        """Forget what was begun ahead and not finished."""
        if self._lexical:
            self._lexical.discard()

    def _advance(self, arrangement: PassageIndex, progress: Callable[[Progress], None] | None = None) -> None:
        changes: Iterable[Change] = self._store.changes(arrangement.position())
        if progress:
            from searchidx.ingest import counted

            changes = counted(changes, self._store.position() - arrangement.position(), progress)
        arrangement.apply(changes)

    # opening anew

    def forget_dense(self) -> None:
        """Open the vectors anew when they are next needed."""
        self._dense, self._moment = None, _NEVER

    def forget_lexical(self) -> None:
        """Open the words anew when they are next needed."""
        if self._lexical:
            self._lexical.close()
        self._lexical, self._moment = None, _NEVER

    @property
    def mirrored(self) -> bool:
        """Whether the words lie in a mirror, as their folder is damaged or cannot be written."""
        return self._lexical is not None and self._lexical.mirrored

    def leave_mirror(self) -> None:
        """Go back to the folder, which was damaged or could not be written, and is in order now."""
        if self.mirrored:
            self.forget_lexical()

    def close(self) -> None:
        """Let go of all files; safe to call twice, and from a thread while others search with what they got."""
        self.forget_dense()
        self.forget_lexical()

    # for the holder of the lock

    def rebuild(self) -> None:
        """Make both anew from the store; who searches goes on with the old ones until then."""
        self.close()
        self.dense.rebuild()
        self.lexical.rebuild()
        self.catch_up()

    def prepare_generation(self, generation: int) -> None:
        """Make the files of vectors that are not in use yet, so that nobody has to wait when they are."""
        DenseIndex(self._folder / "dense", self._store, writable=True, generation=generation).rebuild()


class Arranger:
    """Writes the arrangements of an index: one thread at a time, which holds the lock, with legs that no search uses.

    Args:
        folder: of the index.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.RLock()
        self._store: Store | None = None
        self._legs: Legs | None = None

    @contextmanager
    def turn(self, wait: float = 0.0) -> Iterator[None]:
        """Wait for the other threads, and hold the lock.

        Args:
            wait: seconds to wait for another process.

        Raises:
            IndexLocked, StorageError: as ``writer_lock``.
        """
        with self._turn, writer_lock(self._folder, wait):
            try:
                yield
            finally:
                if self._legs:
                    self._legs.discard()

    @property
    def legs(self) -> Legs:
        """They may be used within a turn; kept from one to the next, so that a small change costs little."""
        if self._legs is None:
            self._store = Store(self._folder)
            self._legs = Legs(self._folder, self._store, writable=True)
        return self._legs

    def finish(self, *, anew: bool = False) -> bool:
        """Do what a killed writer left undone; False where somebody is writing, who will.

        Args:
            anew: open the files anew first, as somebody has found some that are not what was written.

        Raises:
            StorageError: the disk is full or the folder cannot be written.
        """
        if not self._turn.acquire(blocking=False):
            return False
        try:
            with self.turn():
                if anew:
                    self.legs.close()
                self.legs.catch_up()
                return True
        except IndexLocked:
            return False
        finally:
            self._turn.release()

    def close(self) -> None:
        """Let go of all files once the thread that writes is done; safe to call twice."""
        with self._turn:
            if self._legs and self._store:
                self._legs.close()
                self._store.close()
            self._legs = self._store = None
