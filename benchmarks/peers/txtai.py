"""txtai: an Embeddings database with its defaults, dense and hybrid; ``content`` keeps texts, as filters need it."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from peers.protocol import Given, Passage, Peer, Query, main

GIVEN = Given()
"""Where ``transform`` finds the vectors; txtai knows it by its name."""


def transform(texts: Sequence[str]) -> np.ndarray:
    return GIVEN.of(texts)


class Dense(Peer):
    """FAISS chosen by size: flat up to 5,000 rows, inverted lists beyond."""

    packages = ("txtai", "faiss-cpu", "torch", "transformers", "numpy")
    note = "its defaults with content, dense"
    hybrid = False

    def __init__(self, folder) -> None:
        super().__init__(folder)
        self.given = GIVEN
        os.environ["ALLOW_RESOLVE_TRANSFORM"] = "True"

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        from txtai import Embeddings

        GIVEN.take([passage.whole for passage in passages], vectors)
        options = {"method": "external", "transform": "peers.txtai.transform", "content": True, "hybrid": self.hybrid}
        self.embeddings = Embeddings(**options)
        self.embeddings.index(rows(passages))
        self.embeddings.save(str(self.folder))

    def open(self) -> None:
        from txtai import Embeddings

        self.embeddings = Embeddings()
        self.embeddings.load(str(self.folder))

    def close(self) -> None:
        self.embeddings.close()

    def search(self, query: Query, k: int) -> list[str]:
        return [hit["id"] for hit in self.embeddings.search(query.text, k)]

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        sql = "select id, text, score from txtai where similar(:query) and source = :source"
        found = self.embeddings.search(sql, k, parameters={"query": query.text, "source": source})
        return [hit["id"] for hit in found]

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        GIVEN.take([passage.whole for passage in passages], vectors)
        self.embeddings.upsert(rows(passages))
        self.embeddings.save(str(self.folder))

    def remove(self, passages: Sequence[Passage]) -> None:
        self.embeddings.delete([passage.id for passage in passages])
        self.embeddings.save(str(self.folder))


class Hybrid(Dense):
    note = "hybrid=True with content: BM25 beside the vectors"
    hybrid = True


def rows(passages: Sequence[Passage]):
    return [(p.id, {"text": p.whole, "doc": p.doc, "source": p.source}, None) for p in passages]


if __name__ == "__main__":
    from peers import txtai  # the module by the name that txtai looks for, not __main__

    main({"txtai": txtai.Dense, "txtai-hybrid": txtai.Hybrid})
