"""searchidx itself: with its bundled encoder, and with the vectors that the peers are given."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from peers.protocol import Passage, Peer, Query, main

from searchidx import Document, Index
from searchidx.errors import ExtractError

UNCUT = 1_000_000
"""Budget of a passage that leaves every text whole: the peers are given the same passages."""


class Bundled(Peer):
    """As anyone uses it: no model to load, queries are encoded when they are asked."""

    packages = ("searchidx", "faiss-cpu", "tantivy", "numpy")
    note = "bundled encoder, hybrid; encodes passages and queries itself"

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        with self.create() as index:
            index.add(*map(self.document, passages))

    def create(self) -> Index:
        return Index.create(self.folder)

    def document(self, passage: Passage) -> Document:
        return document(passage)

    def open(self) -> None:
        self.index = Index.open(self.folder)

    def close(self) -> None:
        self.index.close()

    def search(self, query: Query, k: int) -> list[str]:
        return self._found(query, k)

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        return self._found(query, k, sources=[source])

    def _found(self, query: Query, k: int, **options: Any) -> list[str]:
        """Copies as hits of their own: a hit would name them, and the others have no such thing."""
        return [hit.document.doc_id for hit in self.index.search(query.text, k, all_copies=True, **options)]

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.index.add(*map(self.document, passages))

    def remove(self, passages: Sequence[Passage]) -> None:
        self.index.remove(*(passage.id for passage in passages))


class Same(Bundled):
    """With the vectors that everybody is given."""

    note = "the given vectors, hybrid"

    def create(self) -> Index:
        return Index.create(self.folder, encoder=self.encoder(), max_tokens=UNCUT)

    def open(self) -> None:
        self.index = Index.open(self.folder, encoder=self.encoder())

    def document(self, passage: Passage) -> Document:
        return uncut(passage)

    def encoder(self) -> Vectors:
        return Vectors(self)

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.take(passages, vectors)
        super().build(passages, vectors)

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.take(passages, vectors)
        super().add(passages, vectors)

    def take(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Know the vectors by what searchidx asks its encoder for: its inputs, after it has cleaned the texts."""
        from searchidx.articles.chunking import encoder_input
        from searchidx.articles.formats import normalise

        for passage, vector in zip(passages, vectors, strict=True):
            with suppress(ExtractError):  # an article without text, of which some sets have one
                made = normalise(uncut(passage))
                self.given.take([encoder_input(made.title, "", made.text, UNCUT)], vector[None])


class Vectors:
    """An encoder that knows its answers."""

    name = fingerprint = "st:given"
    dim, max_tokens = 384, 0

    def __init__(self, peer: Peer) -> None:
        self.given = peer.given

    def encode_passages(self, texts: Sequence[str]) -> np.ndarray:
        return self.given.of(texts).reshape(len(texts), self.dim)

    encode_queries = encode_passages

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text) // 4 for text in texts]


def document(passage: Passage) -> Document:
    """A passage as an article of its own."""
    body = f"{passage.heading}\n\n{passage.text}" if passage.heading else passage.text
    return Document(passage.id, body, passage.title, source=passage.source, published=passage.published)


def uncut(passage: Passage) -> Document:
    """The same in one line, where no heading cuts it."""
    whole = document(passage)
    return replace(whole, text=" ".join(whole.text.split()))


if __name__ == "__main__":
    main({"searchidx": Bundled, "searchidx-minilm": Same})
