"""A retriever component for Haystack."""

from __future__ import annotations

import asyncio
from typing import Any, TypeAlias, Unpack

from searchidx.errors import BadFilter, MissingExtra
from searchidx.index import Index
from searchidx.integrations import AnyIndex, SearchOptions, hit_metadata, negated, opened, passage_id
from searchidx.search import Question
from searchidx.types import Hit

try:
    from haystack import Document, component, default_to_dict
except ImportError as error:
    raise MissingExtra('the Haystack retriever needs an extra: pip install "searchidx[haystack]"') from error

Filters: TypeAlias = dict[str, Any] | None
_OPERATORS = {"==": "eq", "!=": "ne", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "in": "in", "not in": "nin"}


@component
class SearchIdxRetriever:
    """Passages of an index as Haystack documents, best first.

    Args:
        index: an open index, or the path of one, which ``close`` (and ``Pipeline.close``) closes again.
        top_k: passages wanted.
        filters: filters over the fields of articles and the keys of their metadata, ``meta.topic`` or ``topic``;
            those given to ``run`` replace them.
        options: see ``SearchOptions``.
    """

    def __init__(
        self, index: AnyIndex, top_k: int = 10, filters: Filters = None, **options: Unpack[SearchOptions]
    ) -> None:
        self.top_k, self.filters = top_k, filters
        self._options: dict[str, Any] = {"group": False, **options}
        Question("", top_k, where=_where(filters), **self._options)  # refuses now what is impossible or unknown
        self._owned = not isinstance(index, Index)
        self.index = opened(index)

    def to_dict(self) -> dict[str, Any]:
        """Plain values with the index by its path; loading the pipeline elsewhere opens what lies there."""
        settings = {"index": str(self.index.folder), "top_k": self.top_k, "filters": self.filters, **self._options}
        return default_to_dict(self, **settings)

    def warm_up(self) -> None:
        """Load the encoder, which the first query would do otherwise."""
        if self._options.get("mode") != "lexical":
            _ = self.index.encoder

    def close(self) -> None:
        """Close the index if it was opened here."""
        if self._owned:
            self.index.close()

    @component.output_types(documents=list[Document])
    def run(self, query: str, filters: Filters = None, top_k: int | None = None) -> dict[str, list[Document]]:
        """Find passages; ``BadFilter`` where a filter cannot be read or has an operator that an index does not know."""
        where = _where(filters or self.filters)
        hits = self.index.search(query, self.top_k if top_k is None else top_k, where=where, **self._options)
        return {"documents": [_document(hit) for hit in hits]}

    @component.output_types(documents=list[Document])
    async def run_async(
        self, query: str, filters: Filters = None, top_k: int | None = None
    ) -> dict[str, list[Document]]:
        """Do the same in a thread."""
        return await asyncio.to_thread(self.run, query, filters, top_k)


def _document(hit: Hit) -> Document:
    return Document(id=passage_id(hit), content=hit.passage.text, meta=hit_metadata(hit), score=hit.score)


def _where(filters: Filters) -> list[dict[str, Any]]:
    return [_tree(filters)] if filters else []


def _tree(filters: dict[str, Any]) -> dict[str, Any]:
    """Translate filters for ``Index.search``; NOT means, as in Haystack, that its conditions do not all hold."""
    match filters:
        case {"field": str(field), "operator": str(operator), "value": value} if (
            operator in _OPERATORS and len(filters) == 3
        ):
            return {"type": _OPERATORS[operator], "key": field.removeprefix("meta."), "value": value}
        case {"operator": "AND" | "OR" as operator, "conditions": [*conditions]} if len(filters) == 2:
            return {"type": operator.lower(), "filters": [_tree(condition) for condition in conditions]}
        case {"operator": "NOT", "conditions": [*conditions]} if len(filters) == 2:
            return negated({"type": "and", "filters": [_tree(condition) for condition in conditions]})
    expected = f"field, value and an operator of {' '.join(_OPERATORS)}, or AND, OR, NOT with conditions"
    raise BadFilter(f"{filters!r:.200}: expected {expected}")
