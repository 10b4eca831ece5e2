"""LangChain: its FAISS store and BM25Retriever in an EnsembleRetriever."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from peers.protocol import K, Passage, Peer, Query, main


class LangChain(Peer):
    """BM25 has no file of its own: it is built from the texts whenever the store is opened or has changed."""

    packages = ("langchain-core", "langchain-community", "langchain-classic", "faiss-cpu", "rank-bm25", "numpy")
    note = "FAISS flat and rank_bm25, EnsembleRetriever; the docstore is a pickle"

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        from langchain_community.vectorstores import FAISS

        self.store = FAISS.from_embeddings(*pairs(passages, vectors), **about(passages), embedding=self._model())
        self._save()

    def open(self) -> None:
        from langchain_community.vectorstores import FAISS

        model = self._model()
        self.store = FAISS.load_local(str(self.folder), model, allow_dangerous_deserialization=True)
        self._words()

    def _save(self) -> None:
        self.store.save_local(str(self.folder))
        self._words()

    def _words(self) -> None:
        from langchain_community.retrievers import BM25Retriever

        self.words = BM25Retriever.from_documents(list(self.store.docstore._dict.values()), k=K)
        self.ensemble = self._ensemble({"k": K})

    def _ensemble(self, options: dict[str, object]):
        from langchain_classic.retrievers import EnsembleRetriever

        retrievers = [self.words, self.store.as_retriever(search_kwargs=options)]
        return EnsembleRetriever(retrievers=retrievers, weights=[0.5, 0.5])

    def _model(self):
        from langchain_core.embeddings import Embeddings

        given = self.given

        class Vectors(Embeddings):
            def embed_documents(self, texts: list[str]) -> list[list[float]]:
                return given.of(texts).tolist()

            def embed_query(self, text: str) -> list[float]:
                return given.of([text])[0].tolist()

        return Vectors()

    def search(self, query: Query, k: int) -> list[str]:
        return [found.metadata["id"] for found in self.ensemble.invoke(query.text)[:k]]

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        """FAISS filters what it found; BM25Retriever takes no filter, so its part is filtered here."""
        found = self._ensemble({"k": k, "filter": {"source": source}}).invoke(query.text)
        return [hit.metadata["id"] for hit in found if hit.metadata["source"] == source][:k]

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.store.add_embeddings(*pairs(passages, vectors), **about(passages))
        self._save()

    def remove(self, passages: Sequence[Passage]) -> None:
        self.store.delete([passage.id for passage in passages])
        self._save()


def pairs(passages: Sequence[Passage], vectors: np.ndarray):
    return ([(passage.whole, vector.tolist()) for passage, vector in zip(passages, vectors, strict=True)],)


def about(passages: Sequence[Passage]):
    names = ("id", "doc", "source")
    metadatas = [{name: getattr(passage, name) for name in names} for passage in passages]
    return {"metadatas": metadatas, "ids": [passage.id for passage in passages]}


if __name__ == "__main__":
    main({"langchain": LangChain})
