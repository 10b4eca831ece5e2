"""What leaves the machine: articles and hits with addresses that a stranger may see and follow, never a path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, unquote

from searchidx.types import Citation, Copy, Document, Hit

_WEB = re.compile(r"https?://[^\s/]", re.IGNORECASE)


def is_web(uri: str) -> bool:
    """Whether an address leads to the web, and may be linked to."""
    return bool(_WEB.match(uri))


def public_name(encoder: str, fingerprint: str = "") -> str:
    """What an encoder is called: one in a folder by the last part of its path, and the end of its fingerprint."""
    if not encoder.startswith((".", "/", "~")) and encoder.count("/") < 2 and "\\" not in encoder:
        return encoder
    name = encoder.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return f"{name}-{fingerprint[-8:]}" if fingerprint else name


def article_page(base: str, index: str, doc_id: str, span: tuple[int, int] | None = None) -> str:
    """Address of an article on this server's own pages; with a span, of the passage in it."""
    query = f"?start={span[0]}&end={span[1]}#passage" if span else ""
    return f"{base}/article/{quote(index, safe='')}/{quote(doc_id, safe='')}{query}"


def article_of(link: str, base: str) -> tuple[str, str] | None:
    """The index and doc_id behind an address that ``article_page`` made, or None where it is no such address."""
    prefix = f"{base}/article/"
    if not link.startswith(prefix):
        return None
    path = link.removeprefix(prefix).partition("#")[0].partition("?")[0]
    index, slash, doc_id = path.partition("/")
    return (unquote(index), unquote(doc_id)) if index and slash and doc_id and "/" not in doc_id else None


def public_document(document: Document, index: str, base: str) -> Document:
    """The article with an address to follow: its own on the web, or else that of its page on this server.

    Args:
        document: of the index.
        index: name of the index.
        base: address of this server, without a slash at its end; where there is none, an article that is not on the
            web has no address.
    """
    if is_web(document.uri):
        return document
    return replace(document, uri=article_page(base, index, document.doc_id) if base else "")


def public_citation(citation: Citation, index: str, base: str, *, exact: bool = True) -> Citation:
    """The citation with an address to follow, as ``public_document``; ``exact``: that of the passage in its article."""
    if is_web(citation.uri):
        return citation
    span = (citation.start, citation.end) if exact else None
    return replace(citation, uri=article_page(base, index, citation.doc_id, span) if base else "")


def public_copy(copy: Copy, index: str, base: str) -> Copy:
    """The copy with an address to follow, as ``public_document``."""
    if is_web(copy.uri):
        return copy
    return replace(copy, uri=article_page(base, index, copy.doc_id) if base else "")


def public_hits(hits: Sequence[Hit], index: str, base: str, *, exact: bool = True) -> list[Hit]:
    """Hits with addresses to follow; not ``exact`` where their passages are to be joined."""
    return [
        replace(
            hit,
            document=public_document(hit.document, index, base),
            citation=public_citation(hit.citation, index, base, exact=exact),
            copies=tuple(public_copy(copy, index, base) for copy in hit.copies),
        )
        for hit in hits
    ]
