"""What OpenAI's clients see of an article as attributes, and filters by them: what is shown, filters find."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from searchidx.errors import BadFilter
from searchidx.ranking.filters import COLUMNS, MAX_DEPTH
from searchidx.serving.public import article_of, is_web
from searchidx.types import Document

MAX_ATTRIBUTES, MAX_KEY, MAX_VALUE = 16, 64, 512
"""Attributes of a file, and characters of a name and of a value: OpenAI's bounds."""
_NAME = re.compile(rf'[^"\\]{{1,{MAX_KEY}}}')  # SQLite's paths, which filters are made of, have no escapes
OF_PASSAGES = ("heading", "start", "end")
"""Attributes of a passage: shown, but filters are of whole articles."""


def attributes(document: Document, place: Mapping[str, str | int] | None = None) -> dict[str, str | float | bool]:
    """What is shown of an article, and of the passage at a place of it, within OpenAI's bounds.

    Values that are empty or too long are left out: cut ones would be wrong, and no filter would find them.

    Args:
        document: with an address that a stranger may see.
        place: heading, start and end of the passage.
    """
    own: dict[str, Any] = {
        "doc_id": document.doc_id,
        "title": document.title,
        "url": document.uri,
        "published": seconds_of(document.published),
        "author": document.author,
        "source": document.source,
        "language": document.language,
        **(place or {}),
    }
    known = {*own, *OF_PASSAGES, *COLUMNS}
    values = [*own.items(), *((name, value) for name, value in document.metadata.items() if name not in known)]
    shown = {name: value for name, value in values if _NAME.fullmatch(name) and _is_shown(value)}
    return dict(islice(shown.items(), MAX_ATTRIBUTES))


def _is_shown(value: Any) -> bool:
    if isinstance(value, str):
        return 0 < len(value) <= MAX_VALUE
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) <= 2**53  # beyond, floats round


def seconds_of(published: str) -> int | None:
    """The first moment of a date in Unix seconds, as filters compare it; None where there is no date."""
    rest = {4: "-01-01", 7: "-01"}.get(len(published), "")
    try:
        moment = datetime.fromisoformat(published + rest)
    except ValueError:
        return None
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp())


def translated(filters: Any, index: str, base: str, depth: int = 1) -> Any:
    """Filters by the attributes that are shown, as filters of ``Index.search``; what is malformed stays as it is.

    Args:
        filters: nested, in OpenAI's form.
        index: name of the index that is searched.
        base: address of this server.
        depth: of ``filters`` in those around it.

    Raises:
        BadFilter: an attribute is one that no filter can ask for.
    """
    if not isinstance(filters, Mapping):
        return filters
    parts = filters.get("filters")
    if isinstance(parts, list) and depth <= MAX_DEPTH:
        return {**filters, "filters": [translated(part, index, base, depth + 1) for part in parts]}
    key = filters.get("key")
    if key in OF_PASSAGES:
        raise BadFilter(f"{key} is of a passage, and filters are of whole articles: leave it out")
    if key == "uri":
        raise BadFilter("uri is called url here")
    return _by_address(filters, index, base) if key == "url" and "value" in filters else filters


def _by_address(comparison: Mapping[str, Any], index: str, base: str) -> dict[str, Any]:
    """A comparison with the address that is shown, which for an article outside the web is that of its page here.

    Only whole addresses can be compared: others would tell, bit by bit, where the files of an index lie.
    """
    kind, value = comparison.get("type"), comparison["value"]
    if kind not in ("eq", "ne", "in", "nin"):
        raise BadFilter("url: its type must be one of eq ne in nin")
    many, junction = ("in", "or") if kind in ("eq", "in") else ("nin", "and")
    urls = value if kind in ("in", "nin") and isinstance(value, list) else [value]
    texts = [url for url in urls if isinstance(url, str)]
    places = filter(None, (article_of(url, base) for url in texts))
    pages = [doc_id for name, doc_id in places if name == index]
    web = [url for url in texts if is_web(url)]
    either = [{"type": many, "key": "doc_id", "value": pages}, {"type": many, "key": "uri", "value": web}]
    return {"type": junction, "filters": either}
