"""searchidx itself: with its bundled encoder, and with the vectors that the peers are given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from peers.protocol import Passage, Peer, Query, main

from searchidx import Document, Index

UNCUT = 1_000_000
"""Budget of a passage that leaves every text whole: the peers are given the same passages."""


class Bundled(Peer):
    """As anyone uses it: no model to load, queries are encoded when they are asked."""

    packages = ("searchidx", "faiss-cpu", "tantivy", "numpy")
    note = "bundled encoder, hybrid; encodes passages and queries itself"

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        with self.create() as index:
            index.add(*map(document, passages))

    def create(self) -> Index:
        return Index.create(self.folder, max_tokens=UNCUT)

    def open(self) -> None:
        self.index = Index.open(self.folder)

    def search(self, query: Query, k: int) -> list[str]:
        return [hit.document.doc_id for hit in self.index.search(query.text, k)]

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        return [hit.document.doc_id for hit in self.index.search(query.text, k, sources=[source])]

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.index.add(*map(document, passages))

    def remove(self, passages: Sequence[Passage]) -> None:
        self.index.remove(*(passage.id for passage in passages))


class Same(Bundled):
    """With the vectors that everybody is given."""

    note = "the given vectors, hybrid"

    def create(self) -> Index:
        return Index.create(self.folder, encoder=self.encoder(), max_tokens=UNCUT)

    def open(self) -> None:
        self.index = Index.open(self.folder, encoder=self.encoder())

    def encoder(self) -> Vectors:
        return Vectors(self)

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.take(passages, vectors)
        super().build(passages, vectors)

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.take(passages, vectors)
        super().add(passages, vectors)

    def take(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Know the vectors by what searchidx asks its encoder for."""
        from searchidx.articles.chunking import encoder_input

        made = map(document, passages)
        self.given.take([encoder_input(made.title, "", made.text, UNCUT) for made in made], vectors)


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
    """A passage as an article of its own; in one line, so that no heading cuts it."""
    body = " ".join(f"{passage.heading} {passage.text}".split())
    return Document(passage.id, body, passage.title, source=passage.source, published=passage.published)


if __name__ == "__main__":
    main({"searchidx": Bundled, "searchidx-minilm": Same})
