"""Furniture of sites: articles are counted as they come, and lose the blocks that many of their site share.

``take`` is called in the transaction that stores the articles; ``earlier`` gives those back that were stored before a
block was found, or was found wrong. Nothing is lost: what is taken out of an article is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

from searchidx.articles import recurring
from searchidx.storage.recurrence import Recurrence, Row, Seen, Share, known_of
from searchidx.types import Document

Placed = tuple[Document, str]
"""A document, and where it was read."""


def take(counts: Recurrence, batch: Sequence[Placed], shared: Collection[str]) -> list[Placed]:
    """Documents as they are to be stored: those whose ids are in ``shared`` counted, and without what recurs."""
    counts.forget([document.doc_id for document, _ in batch if document.doc_id not in shared])
    looked_at = {document.doc_id: recurring.pieces(document.text) for document, _ in batch if document.doc_id in shared}
    if not looked_at:
        return list(batch)
    seen = {
        document.doc_id: Seen(
            document.doc_id,
            recurring.site_of(document),
            {block.number: block.end - block.start for block in looked_at[document.doc_id] if block.number > 0},
        )
        for document, _ in batch
        if document.doc_id in shared
    }
    levels = counts.count(list(seen.values()))
    rows, taken = list[Row](), list[Placed]()
    for document, origin in batch:
        if document.doc_id in shared:
            article = seen[document.doc_id]
            known = levels[article.site]
            text, removed = recurring.strip(document.text, looked_at[document.doc_id], known)
            rows.append(Row(document.doc_id, known_of(article.blocks, known), removed))
            document = replace(document, text=text) if removed else document
        taken.append((document, origin))
    counts.note(rows)
    return taken


def earlier(counts: Recurrence, site: str, recall: Callable[[str], Document | None]) -> Iterator[Document]:
    """Articles of a site, whole, that are to be taken again since something else is known of their blocks."""
    for row in counts.outdated(site):
        if document := recall(row.doc_id):
            yield replace(document, text=recurring.restore(document.text, row.removed))


def told(document: Document, counts: Recurrence) -> tuple[Document, list[tuple[str, str]]]:
    """A document without what recurs, and the blocks that it lost, with the reason; nothing is counted."""
    site = recurring.site_of(document)
    shares = counts.shares(site)
    blocks = recurring.pieces(document.text)
    levels = {block: share.level for block, share in shares.items()}
    text, removed = recurring.strip(document.text, blocks, levels)
    gone = sorted(recurring.dropped(document.text, blocks, levels)) if removed else []
    return replace(document, text=text), [
        (document.text[blocks[at].start : blocks[at].end], _reason(site, shares.get(blocks[at].number))) for at in gone
    ]


def _reason(site: str, share: Share | None) -> str:
    if share is None:
        return "beside what recurs"
    return f"recurs in {share.articles:,} of {share.total:,} articles of {site or 'this index'}"
