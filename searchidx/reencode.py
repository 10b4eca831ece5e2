"""What is made anew for articles that are there: vectors by another encoder or in place of damaged ones, fingerprints.

Vectors of another encoder are made beside the old ones, which answer until the switch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from searchidx.articles.chunking import encoder_input
from searchidx.ingest import Progress
from searchidx.storage.writer import StoreWriter, describe
from searchidx.types import Encoder

BATCH = 512
"""Passages encoded for each transaction; a killed run goes on after the last."""


def reencode(
    store: StoreWriter, encoder: Encoder, progress: Callable[[Progress], None], arrange: Callable[[int], None]
) -> int:
    """Encode every passage with another encoder, then switch in one transaction.

    A run that was interrupted goes on where it stopped if it is asked for the same encoder again. ``arrange`` is called
    with the number of the new vectors before the switch: once they are in files, nobody who searches has to wait.

    Returns:
        The number of passages encoded by this run.
    """
    described = describe(encoder)
    old: int = store.setting("generation")
    pending = store.setting("pending")
    if pending != described:
        with store.transaction():
            store.drop_generation(old + 1)
            store.begin_generation(old + 1)
            store.set(pending=described)
    encoded, total = 0, store.counts()["passages"]
    while ids := store.unencoded(old + 1, BATCH):
        vectors = encoder.encode_passages(_inputs(store, ids))
        with store.transaction():
            store.put_vectors(ids, vectors, old + 1)
        encoded += len(ids)
        progress(Progress("encode", passages=encoded, done=encoded, total=total))
    with store.transaction():
        store.drop_orphans(old + 1)
    arrange(old + 1)
    with store.transaction():
        store.set(generation=old + 1, encoder=described, pending=None)
        store.drop_generation(old)
    return encoded


def mend_vectors(store: StoreWriter, encoder: Encoder) -> int:
    """Encode again the passages whose vectors are damaged or missing; returns how many there were."""
    generation: int = store.setting("generation")
    with store.transaction():
        store.drop_orphans(generation)
    damaged = store.damaged_vectors(generation)
    for first in range(0, len(damaged), BATCH):
        ids = damaged[first : first + BATCH]
        vectors = encoder.encode_passages(_inputs(store, ids))
        with store.transaction():
            store.put_vectors(ids, vectors, generation)
    return len(damaged)


def compare_old(store: StoreWriter, progress: Callable[[Progress], None]) -> int:
    """Find the copies among articles that an older version stored; returns how many were compared."""
    compared, total = 0, store.copy_counts()["pending"]
    while total and (some := store.compare_pending()):
        compared += some
        progress(Progress("copies", done=compared, total=total))
    return compared


def _inputs(store: StoreWriter, ids: Sequence[int]) -> list[str]:
    """What is encoded for some passages: the same text as when their articles were added."""
    found, max_tokens = store.passages(ids), store.setting("max_tokens")
    return [encoder_input(found[i][1].title, found[i][0].heading, found[i][0].text, max_tokens) for i in ids]
