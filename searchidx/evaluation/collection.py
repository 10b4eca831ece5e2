"""Test collections: documents, queries and relevance judgements, found by the names they go by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from searchidx.errors import BadCollection
from searchidx.evaluation.judgements import Qrels, Queries, read_own, read_qrels, read_queries

CORPUS = ("corpus.jsonl*", "corpus*", "collection*", "documents*", "docs*")
QUERIES = ("queries.jsonl*", "queries.tsv*", "queries*", "topics*", "*.topics")
QRELS = ("qrels.tsv*", "qrels*", "*.qrels")
"""Names that the parts of a collection go by in its folder, in this order."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Something to evaluate with.

    Attributes:
        name: of its folder or file.
        corpus: the documents: a path that ``Index.add`` reads, or files in TREC form; None for an index that exists.
        queries: texts by query id; only those with a relevant document.
        qrels: relevance by query id and document id, for the same queries; above 0 is relevant.
        left_out: queries that do not count, by reason.
    """

    name: str
    corpus: Path | None
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, int] = field(default_factory=dict)


def read_collection(
    path: str | Path, *, qrels: Path | None = None, queries: Path | None = None, split: str = "test"
) -> Collection:
    """Read a collection.

    Args:
        path: a folder in BEIR form (``corpus.jsonl``, ``queries.jsonl``, ``qrels/SPLIT.tsv``) or TREC form (queries or
            topics, qrels, a corpus if there is one); one's own judgements as JSONL; or with ``qrels`` and ``queries``
            a corpus. Files may be compressed.
        qrels: judgements, in place of those found in the folder.
        queries: queries, in place of those found in the folder.
        split: which of several judgements.

    Raises:
        BadCollection: a part is missing, or a line cannot be read: the message names file and line.
    """
    path = Path(path)
    if not path.exists():
        raise BadCollection(f"{path}: no such file or folder")
    name = path.resolve().name if path.is_dir() else path.name.partition(".")[0]
    if qrels is not None and queries is not None:
        return _judged(name, _corpus(path) if path.is_dir() else path, read_queries(queries), read_qrels(qrels))
    if path.is_dir():
        queries = queries or _part(path, "queries", QUERIES, split)
        qrels = qrels or _qrels(path, split)
        return _judged(name, _corpus(path), read_queries(queries), read_qrels(qrels))
    if qrels is not None or queries is not None:
        raise BadCollection(f"{path}: a corpus needs both its queries and its qrels: name the other file too")
    return _judged(name, None, *read_own(path))


def _judged(name: str, corpus: Path | None, queries: Queries, qrels: Qrels) -> Collection:
    """Keep the queries that can be measured."""
    relevant = {query_id for query_id, grades in qrels.items() if any(grade > 0 for grade in grades.values())}
    kept = {query_id: text for query_id, text in queries.items() if query_id in relevant and text.strip()}
    left_out = {
        "without a relevant document": sum(query_id not in relevant for query_id in queries),
        "without a text": len(relevant) - len(kept),
    }
    if not kept:
        raise BadCollection(
            f"{name}: none of the {len(queries):,} queries has a relevant document: queries and qrels must use the "
            "same ids, and a relevance above 0"
        )
    judged = {query_id: qrels[query_id] for query_id in kept}
    return Collection(name, corpus, kept, judged, {reason: count for reason, count in left_out.items() if count})


def _corpus(folder: Path) -> Path | None:
    return next(iter(_matching(folder, CORPUS)), None)


def _qrels(folder: Path, split: str) -> Path:
    """The judgements of a split: a file in ``qrels/``, or one with a name of its own."""
    inner = folder / "qrels"
    if not inner.is_dir():
        return _part(folder, "qrels", QRELS, split)
    found = {file.name.partition(".")[0]: file for file in sorted(inner.iterdir()) if not file.name.startswith(".")}
    if split not in found:
        raise BadCollection(f"{inner}: there is no split {split!r}; choose one of: {', '.join(found) or 'none'}")
    return found[split]


def _part(folder: Path, what: str, patterns: tuple[str, ...], split: str) -> Path:
    """The one file of a kind; among several, the one that names the split."""
    found = _matching(folder, patterns, files=True)
    named = [path for path in found if split in path.name]
    if len(found) == 1 or named:
        return (named or found)[0]
    if not found:
        raise BadCollection(f"{folder}: no {what} are there: expected one of {', '.join(patterns)}")
    names = ", ".join(path.name for path in found)
    raise BadCollection(f"{folder}: several files may be the {what} ({names}): say which one with --{what}")


def _matching(folder: Path, patterns: tuple[str, ...], *, files: bool = False) -> list[Path]:
    """What matches the first pattern that anything matches."""
    for pattern in patterns:
        named = sorted(path for path in folder.glob(pattern) if not path.name.endswith(("~", ".md")))
        if found := [path for path in named if path.is_file() or not files]:
            return found
    return []
