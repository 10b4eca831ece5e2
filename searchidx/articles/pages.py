"""Which page of a document a passage stands on."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from typing import Any

from searchidx.articles.cleaning import clean

PAGE_STARTS = "page_starts"
"""Key of the metadata that holds, for each page, its first character in the text of the document."""
_BREAK = "\n\n"


def join_pages(pages: Iterable[str]) -> tuple[str, list[int]]:
    """One text from those of the pages, cleaned, and where each page starts in it.

    An empty page starts where the next one does.
    """
    length, starts, parts = 0, list[int](), list[str]()
    for page in pages:
        cleaned = clean(page).strip()
        starts.append(length)
        if cleaned:
            parts.append(cleaned)
            length += len(cleaned) + len(_BREAK)
    return _BREAK.join(parts), starts


def pages_of(metadata: Mapping[str, Any], start: int, end: int) -> str:
    """The pages of ``text[start:end]``: ``"3"``, ``"3-4"``, or ``""`` where the document has none."""
    starts = metadata.get(PAGE_STARTS)
    if not isinstance(starts, list) or starts[:1] != [0] or not all(type(first) is int for first in starts):
        return ""
    first, last = bisect_right(starts, start), max(bisect_left(starts, end), 1)
    return str(first) if first >= last else f"{first}-{last}"
