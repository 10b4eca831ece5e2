"""The queries to measure with: those of a file, or made of what the index holds."""

from __future__ import annotations

from pathlib import Path

from searchidx.errors import BadCollection
from searchidx.evaluation.lines import head, json_lines, text_lines
from searchidx.ranking.highlight import sentences
from searchidx.storage.store import Store
from searchidx.types import Document, Passage

WORDS = range(4, 25)
"""Words of a sentence that makes a query: longer ones nobody types, shorter ones are remains."""
CHARACTERS = 120
"""Longest query made where no sentence is of that length, as in languages without blanks."""


def read_queries(path: Path) -> list[str]:
    """Queries of a file: one a line, lines ``id<TAB>text``, or JSON lines with ``text`` or ``query``.

    Raises:
        BadCollection: the file cannot be read, or there is no query in it.
    """
    if head(path).startswith(b"{"):
        found = [row.get("text", row.get("query")) for _, row in json_lines(path)]
    else:
        found = [line.rpartition("\t")[2] for _, line in text_lines(path)]
    queries = [text.strip() for text in found if isinstance(text, str) and text.strip()]
    if not queries:
        raise BadCollection(
            f'{path}: there is no query in it: expected one a line, or JSON lines such as {{"text": "..."}}'
        )
    return queries


def own_queries(store: Store, count: int) -> list[str]:
    """Queries made of titles and sentences in turn, spread evenly over the index and the same each time.

    Args:
        store: with at least one passage.
        count: queries at most; articles that repeat their texts give fewer.
    """
    step = store.last_passage_id() / count
    sampled = [found for number in range(count) for found in store.passage_ids(int(number * step), 1)]
    passages = store.passages(list(dict.fromkeys(sampled))).values()
    texts = [
        document.title if number % 2 == 0 and document.title else _sentence(passage, document)
        for number, (passage, document) in enumerate(sorted(passages, key=lambda found: found[0].passage_id))
    ]
    return list(dict.fromkeys(" ".join(text.split()) for text in texts if text.strip()))


def _sentence(passage: Passage, document: Document) -> str:
    """The first sentence of a length that people type, or the beginning of the passage."""
    texts = [passage.text[start:end] for start, end in sentences(passage.text, document.language)]
    return next((text for text in texts if len(text.split()) in WORDS), passage.text[:CHARACTERS])
