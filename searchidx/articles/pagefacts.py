"""What a web page says of itself: title, author, site, address, language, dates."""

from __future__ import annotations

from typing import Any

from searchidx.types import Document, Source


def page_facts(tree: Any, source: Source) -> Document:
    """A document with all but its text."""
    from trafilatura.metadata import extract_metadata

    found = extract_metadata(tree)
    address = found.url or ""
    return Document(
        doc_id=source.label,
        text="",
        title=found.title or "",
        uri=address if address.startswith(("http://", "https://")) else source.uri,
        published=found.date or "",
        author=(found.author or "").replace("; ", ", "),
        source=found.sitename or found.hostname or "",
        language=found.language or tree.get("lang") or "",
        metadata={key: value for key in ("description", "categories", "tags") if (value := getattr(found, key))},
        media_type="text/markdown",
    )
