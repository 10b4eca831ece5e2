"""Chroma: a persistent collection with its default HNSW index."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from peers.protocol import Passage, Peer, Query, main


class Chroma(Peer):
    """Dense only; filters are in its ``where``."""

    packages = ("chromadb", "numpy")
    note = "HNSW with its defaults, dense"

    def _collection(self):
        import chromadb

        client = chromadb.PersistentClient(str(self.folder), chromadb.Settings(anonymized_telemetry=False))
        self.most = client.get_max_batch_size()
        return client.get_or_create_collection("news", embedding_function=None)

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.collection = self._collection()
        self.add(passages, vectors)

    def open(self) -> None:
        self.collection = self._collection()

    def search(self, query: Query, k: int) -> list[str]:
        return self.collection.query(query_embeddings=[query.vector], n_results=k)["ids"][0]

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        found = self.collection.query(query_embeddings=[query.vector], n_results=k, where={"source": source})
        return found["ids"][0]

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        for first in range(0, len(passages), self.most):
            some = passages[first : first + self.most]
            self.collection.add(
                ids=[passage.id for passage in some],
                embeddings=vectors[first : first + self.most],
                documents=[passage.whole for passage in some],
                metadatas=[{"source": passage.source, "doc": passage.doc} for passage in some],
            )

    def remove(self, passages: Sequence[Passage]) -> None:
        self.collection.delete(where={"doc": passages[0].doc})


if __name__ == "__main__":
    main({"chroma": Chroma})
