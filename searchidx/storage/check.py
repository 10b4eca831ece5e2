"""Say what an index holds; read all of it and say what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from searchidx.errors import SearchIdxError
from searchidx.storage.analysis import analysis
from searchidx.storage.dense import DenseIndex
from searchidx.storage.lexical import LexicalIndex
from searchidx.storage.schema import FORMAT
from searchidx.storage.store import Store

RESTORE = "restore it from a backup, or take out what can be read with: searchidx check --salvage FILE"


def describe(store: Store, dense: DenseIndex, lexical: LexicalIndex) -> dict[str, Any]:
    """What ``Index.status`` tells: settings, counts, sizes in bytes, and how far each arrangement has come."""
    return {
        "path": str(store.folder),
        "format": FORMAT,
        "created": store.setting("created"),
        **store.counts(),
        "encoder": store.setting("encoder"),
        "max_tokens": store.setting("max_tokens"),
        "language": store.setting("language") or analysis().language,
        "furniture": store.furniture(),
        "copies": store.copy_counts(),
        "recurring": store.recurrence.status(),
        "position": store.position(),
        "dense": dense.status(),
        "lexical": lexical.status(),
        "bytes": sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file()),
        "roots": store.roots(),
        "failures": [{"uri": failure.uri, "reason": failure.reason} for failure in store.failures()],
    }


def find_problems(store: Store, dense: DenseIndex, lexical: LexicalIndex) -> list[str]:
    """One sentence per problem, with the remedy; an empty list means that every checksum and count holds."""
    parts: list[Callable[[], Iterable[str]]] = [
        lambda: (f"store.db: {finding}; {RESTORE}" for finding in store.integrity()),
        lambda: (f"store.db: {finding}; {RESTORE}" for finding in store.contradictions()),
        lambda: _texts(store),
        lambda: _passages(store),
        lambda: _vectors(store),
        lambda: store.copy_problems(),
        lambda: dense.problems(),
        lambda: _arrangement("dense", dense, store),
        lambda: _arrangement("lexical", lexical, store),
    ]
    return list(dict.fromkeys(problem for part in parts for problem in _found(part)))


def _found(part: Callable[[], Iterable[str]]) -> Iterator[str]:
    """The problems of a part, the one that ends its reading too."""
    try:
        yield from part()
    except SearchIdxError as error:
        yield str(error)


def _texts(store: Store) -> Iterator[str]:
    for doc_id in store.all_doc_ids():
        try:
            store.document(doc_id)
        except SearchIdxError as error:
            yield str(error)


def _passages(store: Store) -> Iterator[str]:
    last = 0
    while ids := store.passage_ids(last, 1000):
        last = ids[-1]
        yield from _examine(store, ids)


def _examine(store: Store, ids: Sequence[int]) -> Iterator[str]:
    """Read many passages at once, and halves where one of them is damaged."""
    try:
        found = store.passages(ids)
    except SearchIdxError as error:
        half = len(ids) // 2
        if not half:
            yield str(error)
        for some in (ids[:half], ids[half:]) if half else ():
            yield from _examine(store, some)
    else:
        yield from (f"passage {i} has no article; {RESTORE}" for i in ids if i not in found)


def _vectors(store: Store) -> Iterator[str]:
    for passage_id in store.damaged_vectors(store.setting("generation")):
        yield f"the vector of passage {passage_id} is damaged: encode it again with: searchidx sync --rebuild"


def _arrangement(name: str, arrangement: DenseIndex | LexicalIndex, store: Store) -> Iterator[str]:
    behind, passages = store.position() - arrangement.position(), store.counts()["passages"]
    if behind > 0:
        yield f"{name} lacks the last {behind} changes: they are applied when no other process writes"
    elif arrangement.count() != passages:
        yield f"{name} holds {arrangement.count()} of {passages} passages: rebuild it with: searchidx sync --rebuild"
    elif not np.array_equal(np.sort(arrangement.ids()), store.all_passage_ids()):
        yield f"{name} holds other passages than the store: rebuild it with: searchidx sync --rebuild"
