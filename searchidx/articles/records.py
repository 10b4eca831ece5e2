"""A row of JSONL, front matter, or a Python dict as a Document."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from searchidx.articles.cleaning import parse_language
from searchidx.articles.dates import parse_date
from searchidx.errors import ExtractError
from searchidx.types import Document

FIELDS = {
    "doc_id": ("id", "_id", "doc_id"),
    "title": ("title",),
    "text": ("text", "body", "content"),
    "uri": ("url", "uri", "link"),
    "published": ("published", "date", "published_at", "pubdate"),
    "author": ("author", "authors"),
    "source": ("source", "site", "publisher"),
    "language": ("language", "lang"),
    "media_type": ("media_type",),
}
"""Keys under which a field is looked for, in this order, upper and lower case alike."""
_NAMES = {name for names in FIELDS.values() for name in names}
_NOTHING: tuple[Any, ...] = (None, "", [], {})


def from_record(record: Mapping[str, Any], default_id: str) -> Document:
    """The document in a record.

    Keys that the top level lacks, or leaves empty, are looked for in a nested ``metadata``; but a title that is given
    as empty stays empty, because retrieval collections keep the headline that is their query there. What is no field,
    and a date or language that cannot be read, goes to the metadata of the document. A title stands in for an empty
    text.

    Raises:
        ExtractError: there is neither text nor title, or one of them is no text.
    """
    values, metadata = _fields(record)
    title, text = _line(values.get("title")), _text(values.get("text"), default_id) or _line(values.get("title"))
    if not text.strip():
        raise ExtractError(default_id, f"no text: expected one of {', '.join(FIELDS['text'])}, or a title")
    return Document(
        doc_id=_line(values.get("doc_id")) or default_id,
        text=text,
        title=title,
        uri=_line(values.get("uri")),
        published=parse_date(values.get("published")),
        author=_line(values.get("author")),
        source=_line(values.get("source")),
        language=parse_language(_line(values.get("language"))),
        metadata=metadata,
        media_type="text/markdown" if values.get("media_type") == "text/markdown" else "text/plain",
    )


def _fields(record: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Values by field, and everything else."""
    nested = record.get("metadata")
    rows = [record, nested] if isinstance(nested, Mapping) else [record]
    keys = [{key.lower(): key for key in row if isinstance(key, str) and row[key] not in _NOTHING} for row in rows]
    values, used = dict[str, Any](), {(0, "metadata")} if len(rows) == 2 else set()
    untitled = any(isinstance(key, str) and key.lower() in FIELDS["title"] for key in record)
    for field, names in FIELDS.items():
        searched = keys[:1] if field == "title" and untitled else keys
        places = ((number, known[name]) for number, known in enumerate(searched) for name in names if name in known)
        for number, key in islice(places, 1):
            values[field] = rows[number][key]
            if _is_read(field, values[field]):
                used.add((number, key))
    rest = [
        {str(key): value for key, value in row.items() if (number, key) not in used and not _is_blank(key, value)}
        for number, row in enumerate(rows)
    ]
    return values, {**rest[-1], **rest[0]}


def _is_blank(key: Any, value: Any) -> bool:
    """Whether there is nothing to keep: no value, or a field that was left empty."""
    return value is None or (value in _NOTHING and str(key).lower() in _NAMES)


def _is_read(field: str, value: Any) -> bool:
    if field == "published":
        return parse_date(value) != ""
    return field != "language" or parse_language(_line(value)) != ""


def _text(value: Any, name: str) -> str:
    """A body: a string, or paragraphs."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return "\n\n".join(value)
    raise ExtractError(name, f"the text is of type {type(value).__name__}, not a string")


def _line(value: Any) -> str:
    """A field as a reader would print it: names of a list are joined, of an object its name is taken."""
    if isinstance(value, Mapping):
        return _line(value.get("name"))
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_line, value)))
    return "" if value is None else str(value).strip()
