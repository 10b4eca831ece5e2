"""LlamaIndex: a VectorStoreIndex over its FAISS store, persisted as its pages show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from peers.protocol import Passage, Peer, Query, main


class LlamaIndex(Peer):
    """``FaissVectorStore`` with ``IndexFlatL2``: exact, no filters, no deletion."""

    packages = ("llama-index-core", "llama-index-vector-stores-faiss", "faiss-cpu", "numpy")
    note = "FaissVectorStore, flat, dense"

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        import faiss
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.vector_stores.faiss import FaissVectorStore

        store = FaissVectorStore(faiss_index=faiss.IndexFlatL2(vectors.shape[1]))
        storage = StorageContext.from_defaults(vector_store=store)
        self.index = VectorStoreIndex(nodes(passages, vectors), storage_context=storage, embed_model=self._model())
        self.index.storage_context.persist(str(self.folder))

    def open(self) -> None:
        from llama_index.core import StorageContext, load_index_from_storage
        from llama_index.vector_stores.faiss import FaissVectorStore

        store = FaissVectorStore.from_persist_dir(str(self.folder))
        storage = StorageContext.from_defaults(vector_store=store, persist_dir=str(self.folder))
        self.index = load_index_from_storage(storage, embed_model=self._model())

    def _model(self):
        from llama_index.core import MockEmbedding

        return MockEmbedding(embed_dim=384)  # never asked: every node and query brings its vector

    def _retrieve(self, query: Query, k: int, **options: object) -> list[str]:
        from llama_index.core import QueryBundle

        retriever = self.index.as_retriever(similarity_top_k=k, **options)
        found = retriever.retrieve(QueryBundle(query.text, embedding=query.vector.tolist()))
        return [hit.node.metadata["id"] for hit in found]

    def search(self, query: Query, k: int) -> list[str]:
        return self._retrieve(query, k)

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        from llama_index.core.vector_stores import ExactMatchFilter, MetadataFilters

        return self._retrieve(query, k, filters=MetadataFilters(filters=[ExactMatchFilter(key="source", value=source)]))

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.index.insert_nodes(nodes(passages, vectors))
        self.index.storage_context.persist(str(self.folder))

    def remove(self, passages: Sequence[Passage]) -> None:
        self.index.delete_nodes([passage.id for passage in passages])
        self.index.storage_context.persist(str(self.folder))


def nodes(passages: Sequence[Passage], vectors: np.ndarray):
    from llama_index.core.schema import TextNode

    return [
        TextNode(
            id_=passage.id,
            text=passage.whole,
            embedding=vector.tolist(),
            metadata={"id": passage.id, "doc": passage.doc, "source": passage.source},
        )
        for passage, vector in zip(passages, vectors, strict=True)
    ]


if __name__ == "__main__":
    main({"llamaindex": LlamaIndex})
