"""A retriever for LlamaIndex."""

from __future__ import annotations

import asyncio
from typing import Any, Unpack

from searchidx.errors import BadFilter, MissingExtra
from searchidx.integrations import AnyIndex, SearchOptions, hit_metadata, negated, opened, passage_id
from searchidx.search import Question
from searchidx.types import Hit

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
    from llama_index.core.vector_stores import FilterCondition, MetadataFilter, MetadataFilters
except ImportError as error:
    raise MissingExtra('the LlamaIndex retriever needs an extra: pip install "searchidx[llamaindex]"') from error

_OPERATORS = {"==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "in": "in", "nin": "nin"}
_BOOKKEEPING = ["doc_id", "uri", "language", "start", "end", "rank", "score", "citation"]
"""LlamaIndex puts metadata before the text for language models and embeddings: all but this."""


class SearchIdxRetriever(BaseRetriever):
    """Passages of an index as LlamaIndex nodes, best first.

    Args:
        index: an open index, or the path of one; ``retriever.index.close()`` lets go of its files.
        similarity_top_k: passages wanted.
        filters: metadata filters, nested ones too, over the fields of articles and the keys of their metadata.
        options: see ``SearchOptions``.

    Raises:
        BadFilter: a filter has an operator that an index does not know, such as ``text_match``.
    """

    def __init__(
        self,
        index: AnyIndex,
        similarity_top_k: int = 10,
        filters: MetadataFilters | None = None,
        **options: Unpack[SearchOptions],
    ) -> None:
        super().__init__()
        self._k, self._where = similarity_top_k, [_tree(filters)] if filters and filters.filters else []
        self._options: dict[str, Any] = {"group": False, **options}
        Question("", self._k, where=self._where, **self._options)  # refuses now what is impossible or unknown
        self.index = opened(index)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self.index.search(query_bundle.query_str, self._k, where=self._where, **self._options)
        return [_node(hit) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """Search in a thread; the inherited method would block the event loop."""
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _tree(filters: MetadataFilters | MetadataFilter) -> dict[str, Any]:
    """Translate filters for ``Index.search``; NOT means, as in LlamaIndex's own store, that no filter in it holds."""
    if isinstance(filters, MetadataFilter):
        if filters.operator.value not in _OPERATORS:
            raise BadFilter(f"{filters.key}: no operator {filters.operator.value} here; use {' '.join(_OPERATORS)}")
        return {"type": _OPERATORS[filters.operator.value], "key": filters.key, "value": filters.value}
    inner = [_tree(filter) for filter in filters.filters]
    if filters.condition is FilterCondition.NOT:
        return negated({"type": "or", "filters": inner})
    return {"type": (filters.condition or FilterCondition.AND).value, "filters": inner}


def _node(hit: Hit) -> NodeWithScore:
    node = TextNode(
        id_=passage_id(hit),
        text=hit.passage.text,
        metadata=hit_metadata(hit),
        start_char_idx=hit.passage.start,
        end_char_idx=hit.passage.end,
        excluded_llm_metadata_keys=_BOOKKEEPING,
        excluded_embed_metadata_keys=_BOOKKEEPING,
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.document.doc_id)},
    )
    return NodeWithScore(node=node, score=hit.score)
