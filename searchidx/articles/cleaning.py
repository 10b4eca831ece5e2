"""The border of the house: what a text and a document look like once they are inside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from functools import cache
from math import isfinite
from typing import Any

from searchidx.articles.dates import parse_date
from searchidx.errors import ExtractError
from searchidx.types import Document

MAX_METADATA_VALUES = 10_000
"""Values in the metadata of one document, nested ones counted: a few lines of YAML can stand for billions."""

# Everything invisible that is no blank: controls, soft hyphen, zero width, direction marks and overrides, byte order
# mark, fillers, annotations, lone surrogates, tags; and the line breaks other than \n.
_INVISIBLE = (
    "\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufeff\uffa0\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f"
)
# Joiners go where they join nothing, that is but after the scripts and emoji that are spelled with them. A search for
# this alternative is ten times as slow as one for a set of characters, which therefore comes first.
# Of variation selectors one may follow what it varies, as a row of them can spell a hidden text.
_SELECTORS = "\ufe00-\ufe0f\U000e0100-\U000e01ef"
_SUSPECT = re.compile(f"[{_INVISIBLE}{_SELECTORS}\u200c\u200d]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_BREAKS = dict.fromkeys("\v\f\x85\u2028\u2029", "\n")
_LANGUAGE = re.compile(r"([a-z]{2,3})(?:[-_].*)?")


def clean(text: str) -> str:
    r"""The text in NFC, with ``\n`` for every line break, U+FFFD for lone surrogates, without invisible characters."""
    if _SUSPECT.search(text):
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        if _SURROGATE.search(text):
            text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        before, text = "", _composed(text)
        while text != before:  # what goes can bring together what must not stand together
            before, text = text, _unwanted().sub(lambda found: _LINE_BREAKS.get(found.group(), ""), text)
    return _composed(text)


@cache
def _unwanted() -> re.Pattern[str]:
    """What goes; it takes 2 ms to compile, and few texts need it."""
    return re.compile(
        f"[{_INVISIBLE}]|(?<=[{_SELECTORS}{_INVISIBLE}\u200c\u200d])[{_SELECTORS}]"
        "|(?<![\u0590-\u061b\u061d-\u1fff\u2190-\ud7ff\ue000-\ufefe\uff00-\U000dffff])[\u200c\u200d]"
    )


def _composed(text: str) -> str:
    return text if unicodedata.is_normalized("NFC", text) else unicodedata.normalize("NFC", text)


def clean_line(text: str) -> str:
    """A cleaned text on one line, with single blanks."""
    return " ".join(clean(text).split())


def normalise(document: Document) -> Document:
    """The document as every other module expects it; doing it twice changes nothing.

    Raises:
        ExtractError: doc_id or text are empty or no strings, another field is no string, the metadata holds what JSON
            cannot, or the media type is not one of text.
    """
    name = document.uri or document.doc_id
    for key in ("doc_id", "text", "title", "uri", "published", "author", "source", "language"):
        if not isinstance(value := getattr(document, key), str):
            raise ExtractError(str(name), f"{key} is {type(value).__name__}, not a string")
    if document.media_type not in ("text/plain", "text/markdown"):
        raise ExtractError(name, f"media type {document.media_type!r} is neither text/plain nor text/markdown")
    doc_id, text = clean_line(document.doc_id), clean(document.text).strip()
    if not doc_id:
        raise ExtractError(name or "document", "it has no doc_id: give each document a unique one")
    if not text:
        raise ExtractError(name, "it has no text")
    return Document(
        doc_id=doc_id,
        text=text,
        title=clean_line(document.title),
        uri=clean_line(document.uri),
        published=parse_date(document.published),
        author=clean_line(document.author),
        source=clean_line(document.source),
        language=parse_language(document.language),
        metadata=_metadata(document.metadata, name),
        media_type=document.media_type,
    )


def parse_language(value: str) -> str:
    """The ISO 639 code of a language tag: ``en`` of ``en-GB``; ``""`` of anything else."""
    found = _LANGUAGE.fullmatch(value.strip().lower())
    return found[1] if found else ""


def _metadata(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(metadata, Mapping):
        raise ExtractError(name, f"metadata is {type(metadata).__name__}, not a mapping")
    left = [MAX_METADATA_VALUES]
    plain = {}
    for key, value in metadata.items():
        try:
            plain[clean_line(str(key))] = _json_value(value, left)
        except (TypeError, RecursionError) as error:
            reason = "it refers to itself" if isinstance(error, RecursionError) else error
            raise ExtractError(name, f"metadata {str(key)!r} cannot be kept as JSON: {reason}") from None
    return plain


def _json_value(value: Any, left: list[int]) -> Any:
    """The value as JSON has it, strings cleaned, dates in ISO 8601; ``left[0]`` values may still come."""
    left[0] -= 1
    if left[0] < 0:
        raise TypeError(f"more than {MAX_METADATA_VALUES:,} values")
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and isfinite(value)):
        return value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {clean_line(str(key)): _json_value(item, left) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json_value(item, left) for item in value]
    raise TypeError(f"{value!r:.40} is of type {type(value).__name__}")
