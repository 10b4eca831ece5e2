"""The lexical leg: BM25 by tantivy over title, heading and text, which are one field.

The folder is an arrangement of the store's passages. The number of the last change is committed together with the data,
in a document of its own (id 0), so after a crash it is either the old state or the new. A writer that raised is thrown
away: tantivy's would go on to accept documents and lose them. The newest changes are not in tantivy but in a tail.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchidx.errors import IndexCorrupted, SearchIdxError, StorageError
from searchidx.storage.analysis import analysis, passage_text, schema
from searchidx.storage.files import explain, is_disk_trouble, sync_folder
from searchidx.storage.lexical_files import Segments
from searchidx.storage.lexical_query import any_of, best, ceiling, terms_of
from searchidx.storage.lexical_tail import TAIL_LIMIT, Tail
from searchidx.storage.store import Store
from searchidx.types import Change, Query, Ranking

if TYPE_CHECKING:
    import tantivy

    from searchidx.types import IdSet

HEAP = 64_000_000
"""Bytes the writer holds before it flushes a segment; tantivy's floor is 15 MB a thread."""
BATCH = 5000
"""Changes handled at a time."""
AHEAD = 1000
"""Changes that tantivy is given while more are to come; committed they are only at the end of a run."""
SMALL = 1000
"""Passages below which every change is committed: a commit is quick, and the statistics of a few are no measure."""
_UNMAPPED = (KeyboardInterrupt, SystemExit, SearchIdxError)


@dataclass
class _Filling:
    """A writer that has not committed yet, and the last change that it was given."""

    writer: tantivy.IndexWriter
    last: int

    def discard(self) -> None:
        """Wait for its threads, which would go on to write into a folder that may be deleted meanwhile."""
        with suppress(ValueError):
            self.writer.wait_merging_threads()


@dataclass(frozen=True)
class _State:
    """One moment of the leg. Never changed: a newer one replaces it, while searches go on with theirs."""

    searcher: tantivy.Searcher
    tag: str | None  # of the store and analysis; None where nothing was ever committed
    committed: int
    tail: Tail

    @property
    def held(self) -> int:
        """Number of passages in tantivy."""
        return int(self.searcher.num_docs) - (self.tag is not None)


class LexicalIndex:
    """tantivy arrangement of the passages of one store.

    Args:
        folder: where its files lie.
        store: the truth to catch up with.
        writable: whether this process holds the index's lock. Without it, a folder that is damaged or cannot be written
            is mirrored in a temporary one and caught up there.

    Attributes:
        replaced: whether the folder now holds words by another analysis: to be opened anew by who wants those.
    """

    def __init__(self, folder: Path, store: Store, *, writable: bool = False) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._segments = Segments(folder, writable=writable)
        self._filling: _Filling | None = None
        self._failed = False  # whether ``ahead`` did
        self._analysis = analysis(store.setting("language"))
        self._tag = f"{store.setting('store_id')} {self._analysis.name}"
        self.replaced = False
        if not (self._segments.sound() and self._opens()):
            self._start_over()

    @property
    def language(self) -> str:
        """The language whose words it knows."""
        return self._analysis.language

    @property
    def mirrored(self) -> bool:
        """Whether it works on a temporary copy of its folder."""
        return self._segments.mirrored

    def leave_folder(self) -> None:
        """Go on in a mirror: the folder cannot be written, and what it lacks is caught up there."""
        with self._lock:
            self._segments.mirror()
            self._connect()

    def close(self) -> None:
        """Delete the mirror, if there is one, and forget what was not committed."""
        self.discard()
        self._segments.close()

    def discard(self) -> None:
        """Forget what tantivy was given ahead and has not committed; for who lets go of the index's lock."""
        filling, self._filling = self._filling, None
        if filling:
            filling.discard()

    def _opens(self) -> bool:
        """Open what is there; False where it is not an arrangement of this store by this analysis."""
        try:
            with _mapped(lambda error: IndexCorrupted(str(error))):
                self._connect()
        except IndexCorrupted:
            return False
        return self._state.tag in (None, self._tag) and self._state.committed <= self._store.position()

    def _start_over(self) -> None:
        self.discard()
        self._segments.clear()
        self._connect()

    def _connect(self) -> None:
        import tantivy

        self._index = tantivy.Index(schema(), path=str(self._segments.prepare()))
        self._index.register_tokenizer("searchidx", self._analysis.analyser)
        self._index.config_reader("manual", 1)
        self._state = self._look(None)

    def _look(self, before: _State | None) -> _State:
        """The last commit, whose position stands in the document with id 0, with the tail that was there before."""
        from tantivy import Query as Q

        self._index.reload()
        searcher = self._index.searcher()
        found = searcher.search(Q.term_query(schema(), "id", 0), limit=1, count=False).hits
        positions = searcher.fast_field_values("position", [found[0][1]]) if found else []
        committed = int(positions[0] or 0) if positions else 0
        tag = searcher.doc(found[0][1]).get_first("store") if found else None
        same = before is not None and before.committed == committed
        return _State(searcher, tag, committed, before.tail if before and same else Tail(committed))

    def _looked(self) -> _State:
        """What is committed; for who only reads what was so far, while the writer makes the folder anew."""
        try:
            state = self._look(self._state)
        except ValueError:
            if not self._segments.begun():
                if self._segments.writable:  # somebody has deleted it
                    self._start_over()
                return self._state
            state = self._look(self._state)  # it has begun since, or is damaged
        self.replaced = state.tag not in (None, self._tag)
        anew = self.replaced or (state.tag is None and self._state.tag is not None)
        return self._state if anew and not self._segments.writable else state

    # catching up

    def position(self) -> int:
        """Number of the last change that it contains, in tantivy or in the tail."""
        return self._state.tail.position

    def count(self) -> int:
        """Number of passages that it holds."""
        state = self._state
        return state.held - len(state.tail.dropped) + len(state.tail.passages)

    def ids(self) -> IdSet:
        """Ids of all passages that it holds."""
        import numpy as np
        from tantivy import Query as Q

        state = self._state
        with _mapped(self._unreadable):
            hits = state.searcher.search(Q.all_query(), limit=state.held + 1, count=False).hits
            held = state.searcher.fast_field_values("id", [address for _, address in hits])
        kept = {int(i or 0) for i in held} - {0} - state.tail.dropped
        return np.array([*kept, *state.tail.passages], np.int64)

    def status(self) -> dict[str, Any]:
        """Segments, bytes on disk, changes outside them and position."""
        state = self._state
        return {
            "segments": int(state.searcher.num_segments),
            "bytes": self._segments.size(),
            "tail": state.tail.position - state.committed,
            "position": state.tail.position,
        }

    def ahead(self) -> None:
        """Hand tantivy what was stored, while more is to come: its thread cuts words meanwhile, ``apply`` commits.

        Only for who holds the index's lock. What fails here is tried again by ``apply``, which says what is wrong.
        """
        with self._lock, self._store.snapshot():
            since = self._filling.last if self._filling else self._state.committed
            if self._failed or self.mirrored or self._store.position() - since <= AHEAD:
                return
            try:
                self._filling = self._filling or self._begin(self._looked())  # another process may have committed
                self._fill(self._filling, self._store.changes(self._filling.last))
            except BaseException as error:
                self.discard()
                self._failed = True
                if isinstance(error, _UNMAPPED):
                    raise

    def apply(self, changes: Iterable[Change]) -> None:
        """Put and drop passages; the writer commits once more than TAIL_LIMIT changes lie outside tantivy.

        Without the index's lock and without a mirror it looks at what the writer has committed, and takes what came
        after it into the tail, or nothing where that is more than the tail may hold. After an error the old state
        goes on.
        """
        with self._lock, self._store.snapshot():
            before = self._state
            # another process may have committed
            with _mapped(self._unreadable):
                state = self._state if self.mirrored else self._looked()
            if state.tail.position < before.tail.position:  # less than the tail had: begin the tail anew
                changes = self._store.changes(state.committed)
            if self._filling:  # it was given those before
                changes = self._store.changes(self._filling.last)
            new = (change for change in changes if change.seq > state.tail.position)
            some = list(islice(new, TAIL_LIMIT + 1))
            self._failed = False
            many = some and (state.held < SMALL or some[-1].seq - state.committed > TAIL_LIMIT)
            if self._filling or many:
                self._advance(state)
                if self._segments.writable or self.mirrored:
                    self._write_or_rebuild(state, chain(self._between(state), some, new))
            else:
                self._advance(self._extended(state, some) if some else state)

    def _advance(self, state: _State) -> None:
        """Go on with a state, unless it knows less than the one before."""
        if state.tail.position >= self._state.tail.position:
            self._state = state

    def _between(self, state: _State) -> Iterator[Change]:
        """The changes in the tail."""
        if state.tail.position == state.committed:
            return iter(())
        return takewhile(lambda change: change.seq <= state.tail.position, self._store.changes(state.committed))

    def _extended(self, state: _State, changes: list[Change]) -> _State:
        found = self._store.passages([change.passage_id for change in changes if change.put])
        with _mapped(self._unreadable):
            return replace(state, tail=state.tail.extended(changes, found.values(), state.searcher, self._analysis))

    def rebuild(self) -> None:
        """Build it anew from the store."""
        with self._lock:
            self._start_over()
        self.apply(self._store.present())

    def _write_or_rebuild(self, state: _State, changes: Iterator[Change]) -> None:
        """Write, and where that fails although the disk is well, build everything anew from the store, once."""
        try:
            self._write(state, changes)
        except _UNMAPPED:
            raise
        except BaseException as error:  # tantivy's panics are no Exception
            if is_disk_trouble(error):
                raise StorageError(explain(error, self._segments.folder)) from error
            with _mapped(lambda again: StorageError(explain(again, self._segments.folder))):
                self._start_over()
                self._write(self._state, self._store.present())

    def _write(self, state: _State, changes: Iterator[Change]) -> None:
        filling, self._filling = self._filling or self._begin(state), None
        given = filling.last
        try:
            self._fill(filling, (change for change in changes if change.seq > given))
            self._commit(filling)
        except BaseException:
            filling.discard()
            raise
        sync_folder(self._segments.folder)  # tantivy renames its last file without syncing the folder
        self._segments.record()
        self._state = self._look(None)
        if self.count() != (expected := self._store.counts()["passages"]):
            raise RuntimeError(f"the lexical index holds {self.count()} passages instead of {expected}")

    def _begin(self, state: _State) -> _Filling:
        self._segments.sweep()
        return _Filling(self._index.writer(heap_size=HEAP, num_threads=1), state.committed)

    def _fill(self, filling: _Filling, changes: Iterator[Change]) -> None:
        """Write all changes up to this moment of the store."""
        writer, first_put = filling.writer, 0
        while batch := list(islice(changes, BATCH)):
            put = [change.passage_id for change in batch if change.put]
            first_put = first_put or min(put, default=0)
            # ids only grow, so an older one was there before; what was put and dropped since is not in the store
            old = [c.passage_id for c in batch if not c.put and (not first_put or c.passage_id < first_put)]
            for passage_id in old:
                _delete(writer, passage_id)
            for passage_id, *parts in self._store.texts(put):
                writer.add_document(_new_document({"id": passage_id, "text": passage_text(*parts)}))
            filling.last = batch[-1].seq

    def _commit(self, filling: _Filling) -> None:
        """Commit, and wait for the merges."""
        writer = filling.writer
        _delete(writer, 0)
        writer.add_document(_new_document({"id": 0, "position": filling.last, "store": self._tag}))
        writer.commit()
        with suppress(FileNotFoundError):  # merges go on beside, and delete what they have merged
            self._segments.record()
        writer.wait_merging_threads()

    # searching

    def search(self, query: Query, k: int, allowed: IdSet | None) -> Ranking:
        """The best ``k`` passages by BM25 among ``allowed`` (None: all); those without a word of the query are none."""
        state, terms = self._state, terms_of(query.text, self._analysis)
        if not terms or k < 1 or (allowed is not None and not len(allowed)):
            return []
        with _mapped(self._unreadable):
            ranking = best(state.searcher, any_of(terms), k + len(state.tail.dropped), allowed)
            if state.tail.dropped:
                ranking = [hit for hit in ranking if hit[0] not in state.tail.dropped]
            if state.tail.passages:
                ranking += state.tail.search(terms, k, allowed, state.searcher)
                ranking.sort(key=lambda hit: (-hit[1], hit[0]))
        return ranking[:k]

    def scores(self, query: Query, ids: IdSet) -> Ranking:
        """BM25 of these passages; those without a word of the query have none."""
        return self.search(query, len(ids), ids)

    def ceiling(self, query: Query) -> float:
        """BM25 of an endless repetition of the query's words; one that no passage has counts too, as the rarest."""
        with _mapped(self._unreadable):
            return ceiling(self._state.searcher, terms_of(query.text, self._analysis))

    def _unreadable(self, error: BaseException) -> SearchIdxError:
        if is_disk_trouble(error):  # tantivy writes lock files even to read
            return StorageError(explain(error, self._segments.folder))
        return IndexCorrupted(
            f"{self._segments.folder} cannot be read ({error}): rebuild it with: searchidx sync --rebuild"
        )


@contextmanager
def _mapped(mapped: Callable[[BaseException], SearchIdxError]) -> Iterator[None]:
    """Map whatever tantivy raises, its panics too, which are no ``Exception``."""
    try:
        yield
    except _UNMAPPED:
        raise
    except BaseException as error:
        raise mapped(error) from error


def _delete(writer: tantivy.IndexWriter, passage_id: int) -> None:
    """By query: ``delete_documents_by_term`` of tantivy-py 0.27 does nothing on unsigned fields, without a word."""
    from tantivy import Query as Q

    writer.delete_documents_by_query(Q.term_query(schema(), "id", passage_id))


def _new_document(fields: dict[str, Any]) -> tantivy.Document:
    from tantivy import Document

    return Document.from_dict(fields, schema())
