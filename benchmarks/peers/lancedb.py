"""LanceDB: a table with a full-text index, hybrid queries with its default reranker (reciprocal ranks)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from peers.protocol import Passage, Peer, Query, main


class Lance(Peer):
    """It makes no vector index unless told to: vectors are scanned."""

    packages = ("lancedb", "pyarrow", "numpy")
    note = "full-text index and scanned vectors, hybrid"

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        import lancedb
        from lancedb.index import FTS

        self.table = lancedb.connect(self.folder).create_table("news", rows(passages, vectors))
        self.table.create_index("text", config=FTS())

    def open(self) -> None:
        import lancedb

        self.table = lancedb.connect(self.folder).open_table("news")

    def _hybrid(self, query: Query, k: int):
        from lancedb.query import MatchQuery

        words = MatchQuery(query.text, "text")  # no syntax to trip over
        return self.table.search(query_type="hybrid").vector(query.vector).text(words).limit(k)

    def search(self, query: Query, k: int) -> list[str]:
        return self._hybrid(query, k).select(["id", "text"]).to_arrow()["id"].to_pylist()

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        found = self._hybrid(query, k).where(f"source = '{source}'").select(["id", "text"])
        return found.to_arrow()["id"].to_pylist()

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        self.table.add(rows(passages, vectors))

    def remove(self, passages: Sequence[Passage]) -> None:
        self.table.delete(f"doc = '{passages[0].doc}'")


def rows(passages: Sequence[Passage], vectors: np.ndarray):
    """An Arrow table."""
    import pyarrow

    flat = pyarrow.array(vectors.ravel(), pyarrow.float32())
    columns = {name: [getattr(passage, name) for passage in passages] for name in ("id", "doc", "source")}
    return pyarrow.table(
        {
            **columns,
            "text": [passage.whole for passage in passages],
            "vector": pyarrow.FixedSizeListArray.from_arrays(flat, vectors.shape[1]),
        }
    )


if __name__ == "__main__":
    main({"lancedb": Lance})
