"""Retrievers over an index for other people's frameworks: one file each, and here what they share.

The three modules subclass classes of their framework, so they are imported by name
(``from searchidx.integrations.langchain import SearchIdxRetriever``) and raise ``MissingExtra`` where it is absent.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, TypeAlias, TypedDict

from searchidx.articles.pages import PAGE_STARTS
from searchidx.index import Index
from searchidx.types import Hit, Mode

AnyIndex: TypeAlias = Index | str | os.PathLike[str]
"""An open index, or the path of one."""
_OPPOSITES = {"eq": "ne", "gt": "lte", "lt": "gte", "in": "nin", "and": "or"}
_OPPOSITES |= {right: left for left, right in _OPPOSITES.items()}


class SearchOptions(TypedDict, total=False):
    """Options of ``Index.search`` that a retriever takes.

    Attributes:
        mode: ``hybrid``, ``dense`` or ``lexical``.
        after: only articles published on this date or later.
        before: only articles published before this date.
        sources: only articles of one of these outlets.
        group: only the best passage of each article; False unless asked, as a language model wants the best passages.
        min_score: only passages at least this relevant, from 0 to 1.
        all_copies: also passages of copies of a better article: the same story in another paper.
    """

    mode: Mode
    after: str | None
    before: str | None
    sources: Sequence[str]
    group: bool
    min_score: float
    all_copies: bool


def opened(index: AnyIndex) -> Index:
    """Give the index itself, or open the one at a path."""
    return index if isinstance(index, Index) else Index.open(index)


def passage_id(hit: Hit) -> str:
    """Name the passage of a hit, the same in every search for as long as its article does not change."""
    return f"{hit.document.doc_id}#{hit.passage.start}-{hit.passage.end}"


def hit_metadata(hit: Hit) -> dict[str, Any]:
    """Everything a framework should know of a hit beyond its text, as JSON values.

    The fields of the article go by the names that filters use (``source`` is the outlet); ``start`` and ``end`` are the
    passage's characters in the article, ``score`` is from 0 to 1. The article's own metadata never replaces any of it.
    """
    document, passage = hit.document, hit.passage
    return {
        **{name: value for name, value in document.metadata.items() if name != PAGE_STARTS},
        "doc_id": document.doc_id,
        "title": document.title,
        "uri": document.uri,
        "published": document.published,
        "author": document.author,
        "source": document.source,
        "language": document.language,
        "heading": passage.heading,
        "start": passage.start,
        "end": passage.end,
        "rank": hit.rank,
        "score": hit.score,
        "citation": str(hit.citation),
    }


def negated(tree: dict[str, Any]) -> dict[str, Any]:
    """Turn a nested filter (see ``searchidx.ranking.filters``) into its opposite, by De Morgan's laws.

    ``gt`` becomes ``lte``: an article without the field passes neither.
    """
    opposite = {**tree, "type": _OPPOSITES[tree["type"]]}
    if "filters" in tree:
        opposite["filters"] = [negated(inner) for inner in tree["filters"]]
    return opposite
