"""Every article that can still be read from a damaged ``store.db``, and the names of those that cannot.

The file is read page by page, so it does not matter what SQLite makes of it. An article is taken where its digest
holds, that is where nothing of it has changed, and never else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from searchidx.errors import IndexNotFound
from searchidx.storage.database import FILE
from searchidx.storage.pages import LEAF, UNREADABLE, Pages, Row, Value
from searchidx.storage.store import digest, document_of
from searchidx.types import Document, Failure

_DATE = re.compile(r"\d{4}(-\d\d){0,2}(T[\d:]+Z)?")  # another index of articles is by date
_COLUMNS = 12
"""Columns of ``documents`` in the first format; later ones come after these."""


@dataclass
class _Found:
    """Rows by the number of their article. A row of another table that looks alike fails its digest."""

    documents: dict[int, list[Row]] = field(default_factory=dict)
    texts: dict[int, list[Row]] = field(default_factory=dict)
    latest: dict[str, int] = field(default_factory=dict)  # by doc_id: a removed version may still stand somewhere
    names: dict[int, set[str]] = field(default_factory=dict)  # doc_id and origin, as the indexes have them
    others: set[int] = field(default_factory=set)  # articles of which passages are known


def salvage(folder: Path) -> Iterator[Document | Failure]:
    """Articles in the order they were added, whole as they were; a Failure for each that is lost, with its name.

    Raises:
        IndexNotFound: there is no store in the folder.
    """
    if not (folder / FILE).is_file():
        raise IndexNotFound(f"no {FILE} in {folder}: there is nothing to salvage")
    with Pages(folder / FILE) as pages:
        found = _look(pages)
        latest = set(found.latest.values())
        for number in sorted({*found.documents, *found.texts, *found.names, *found.others}):
            document, name, origin = _article(pages, found, number)
            if name and number not in latest:
                continue  # replaced by a later version
            yield document or _lost(found, number, name, origin)


def _look(pages: Pages) -> _Found:
    found = _Found()
    for row in pages.rows():
        types = row.types
        if row.kind == LEAF and types[0] == 0 and len(types) >= _COLUMNS and types[3] == 44:
            found.documents.setdefault(row.rowid, []).append(row)
            values = _values(pages, row)
            if values and isinstance(values[1], str):
                found.latest[values[1]] = max(row.rowid, found.latest.get(values[1], 0))
        elif row.kind == LEAF and len(types) == 2 and types[0] == 0 and _is_text(types[1]):
            found.texts.setdefault(row.rowid, []).append(row)
        elif row.kind == LEAF and len(types) == 7 and types[0] == 0 and _is_text(types[3]) and types[6] == 28:
            found.others |= {value for value in _values(pages, row)[1:2] if isinstance(value, int)}
        elif row.kind != LEAF and len(types) == 2 and _is_text(types[0]) and 0 < types[1] < 10:
            for name, number in [_values(pages, row)[:2]]:
                if isinstance(name, str) and isinstance(number, int):
                    found.names.setdefault(number, set()).add(name)
    return found


def _is_text(code: int) -> bool:
    return code >= 13 and code % 2 == 1


def _values(pages: Pages, row: Row) -> list[Value]:
    """The columns of a row; as many nulls where it cannot be read."""
    try:
        return pages.values(row)
    except UNREADABLE:
        return [None] * len(row.types)


def _article(pages: Pages, found: _Found, number: int) -> tuple[Document | None, str, str]:
    """The article where its digest holds, else None; its name and origin as far as they can be read."""
    name = origin = ""
    for row in found.documents.get(number, []):
        _, doc_id, where, expected, *values = _values(pages, row)[:_COLUMNS]
        name, origin = str(doc_id or ""), str(where or "")
        for text in [_values(pages, other)[1] for other in found.texts.get(number, [])]:
            with suppress(TypeError, ValueError):
                document = replace(document_of([doc_id, *values]), text=str(text))
                if digest(document) == expected:
                    return document, name, origin
    return None, name, origin


def _lost(found: _Found, number: int, name: str, origin: str) -> Failure:
    part = "its text" if number in found.documents else "what is known of it"
    reason = f"{part} is damaged" + (f"; it was read from {origin}" if origin else "")
    known = sorted(other for other in found.names.get(number, ()) if other and not _DATE.fullmatch(other))
    return Failure(name or " or ".join(known) or f"article number {number}", reason)
