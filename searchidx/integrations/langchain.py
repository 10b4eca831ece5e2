"""A retriever for LangChain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from searchidx.errors import MissingExtra
from searchidx.index import Index
from searchidx.integrations import hit_metadata, opened, passage_id
from searchidx.types import Hit, Mode, Where

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from pydantic import ConfigDict, field_validator
except ImportError as error:
    raise MissingExtra('the LangChain retriever needs an extra: pip install "searchidx[langchain]"') from error

_OPTIONS = ("k", "mode", "where", "after", "before", "sources", "group", "min_score", "all_copies")


class SearchIdxRetriever(BaseRetriever):
    """Passages of an index as LangChain documents, best first.

    Every option but ``index`` can also be given to ``invoke``, ``ainvoke``, ``batch`` or ``bind``, for that call.

    Attributes:
        index: an open index, or the path of one; ``retriever.index.close()`` lets go of its files.
        k: passages wanted.
        mode: as for ``Index.search``; the rest too (see ``SearchOptions``).
        where: filters; ``source`` is the outlet in them.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    index: Index
    k: int = 10
    mode: Mode = "hybrid"
    where: Where = ()
    after: str | None = None
    before: str | None = None
    sources: Sequence[str] = ()
    group: bool = False
    min_score: float = 0.0
    all_copies: bool = False

    @field_validator("index", mode="before")
    @classmethod
    def _open(cls, index: Any) -> Index:
        return opened(index)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        asked = {name: getattr(self, name) for name in _OPTIONS} | options
        return [_document(hit) for hit in self.index.search(query, **asked)]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **options: Any
    ) -> list[Document]:
        """Search in a thread, as the inherited method does, which however takes no options."""
        work = self._get_relevant_documents
        return await asyncio.to_thread(work, query, run_manager=run_manager.get_sync(), **options)


def _document(hit: Hit) -> Document:
    """Make a document; LangChain keeps the address in ``source``, so the outlet goes to ``outlet``."""
    address = hit.document.uri or hit.document.doc_id
    metadata = {**hit_metadata(hit), "outlet": hit.document.source, "source": address}
    return Document(page_content=hit.passage.text, metadata=metadata, id=passage_id(hit))
