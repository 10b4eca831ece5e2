"""Queries and relevance judgements in the forms they come in: BEIR, TREC, and the user's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from searchidx.articles.decoding import decode
from searchidx.errors import BadCollection, ExtractError
from searchidx.evaluation.lines import head, json_lines, opened, text_lines

Queries: TypeAlias = dict[str, str]
"""Texts by query id."""
Qrels: TypeAlias = dict[str, dict[str, int]]
"""Relevance by query id and document id; above 0 is relevant."""
_HEADER = {"score", "rel", "relevance", "relevancy", "label", "grade", "judgement", "judgment"}
_TOPIC = re.compile(r"<top>(.*?)(?:</top>|(?=<top>)|\Z)", re.IGNORECASE | re.DOTALL)
_NUMBER = re.compile(r"<num>\s*(?:number\s*:)?\s*([^\s<]+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:topic\s*:)?\s*([^<]*)", re.IGNORECASE)
_OWN = '{"query": "...", "relevant": ["doc-id", ...]}'


def read_queries(path: Path) -> Queries:
    """Read queries: JSONL with ``_id`` and ``text``, lines ``id<TAB>text``, or TREC topics, of which the title counts.

    Raises:
        BadCollection: a line cannot be read, an id is used twice, or there is none.
    """
    start = head(path)
    if start.startswith(b"{"):
        queries = _json_queries(path)
    elif start[:5].lower() == b"<top>" or b"<top>" in start.lower():
        queries = _topics(path)
    else:
        queries = _tsv_queries(path)
    if not queries:
        raise BadCollection(f"{path}: there is no query in it: expected JSONL, lines id<TAB>text, or TREC topics")
    return queries


def _json_queries(path: Path) -> Queries:
    queries: Queries = {}
    for number, row in json_lines(path):
        query_id = _id(row.get("_id", row.get("id")))
        text = row.get("text", row.get("query"))
        if not query_id or not isinstance(text, str):
            raise BadCollection(f'{path}:{number}: no query: expected {{"_id": "...", "text": "..."}}')
        _put(queries, query_id, text, f"{path}:{number}")
    return queries


def _tsv_queries(path: Path) -> Queries:
    queries: Queries = {}
    for number, line in text_lines(path):
        query_id, tab, text = line.partition("\t")
        if not tab or not query_id.strip():
            raise BadCollection(f"{path}:{number}: no query: expected id<TAB>text, with a tab between them")
        _put(queries, query_id.strip(), text.strip(), f"{path}:{number}")
    return queries


def _topics(path: Path) -> Queries:
    with opened(path) as file:
        raw = file.read()
    try:
        text = decode(raw, str(path))
    except ExtractError as error:
        raise BadCollection(str(error)) from error
    queries: Queries = {}
    for topic in _TOPIC.finditer(text):
        place = f"{path}:{text.count(chr(10), 0, topic.start()) + 1}"
        number, title = _NUMBER.search(topic[1]), _TITLE.search(topic[1])
        if number is None or title is None:
            raise BadCollection(f"{place}: this topic lacks its <num> or <title>: add it, or remove the topic")
        _put(queries, number[1], " ".join(title[1].split()), place)
    return queries


def read_qrels(path: Path) -> Qrels:
    """Read judgements: BEIR (``query_id doc_id relevance``, with or without a header) or TREC (``0`` as second column).

    Columns are separated by tabs or blanks.

    Raises:
        BadCollection: a line cannot be read or contradicts an earlier one, or there is none.
    """
    qrels: Qrels = {}
    first = True
    for number, line in text_lines(path):
        parts = _columns(line)
        heading, first = first and parts[-1].lower() in _HEADER, False
        if heading:
            continue
        grade = _grade(parts[-1]) if len(parts) in (3, 4) else None
        if grade is None:
            raise BadCollection(
                f"{path}:{number}: no judgement: expected query_id doc_id relevance, "
                "or query_id 0 doc_id relevance, with a whole number as relevance"
            )
        judged = qrels.setdefault(parts[0], {})
        if judged.setdefault(parts[-2], grade) != grade:
            raise BadCollection(
                f"{path}:{number}: document {parts[-2]!r} of query {parts[0]!r} was judged {judged[parts[-2]]} above "
                f"and {grade} here: remove one of the lines"
            )
    if not qrels:
        raise BadCollection(f"{path}: there is no judgement in it: expected lines query_id doc_id relevance")
    return qrels


def _columns(line: str) -> list[str]:
    """Columns by tabs, so that ids may hold blanks; by blanks where tabs do not make a judgement."""
    parts = [part.strip() for part in line.split("\t")]
    whole = len(parts) in (3, 4) and all(parts) and (parts[-1].lower() in _HEADER or _grade(parts[-1]) is not None)
    return parts if whole else line.split()


def read_own(path: Path) -> tuple[Queries, Qrels]:
    """Read one's own judgements: JSONL with ``query``, ``relevant`` (ids, or grades by id) and, if wanted, ``id``.

    Raises:
        BadCollection: a line cannot be read, an id is used twice, or there is none.
    """
    queries: Queries = {}
    qrels: Qrels = {}
    for count, (number, row) in enumerate(json_lines(path), 1):
        place = f"{path}:{number}"
        text, relevant = row.get("query"), row.get("relevant")
        if not isinstance(text, str) or not text.strip() or not isinstance(relevant, list | dict):
            raise BadCollection(f"{place}: no judgement: expected {_OWN}, where relevant may also be {{doc-id: grade}}")
        query_id = _id(row.get("id", count))
        if not query_id:
            raise BadCollection(f"{place}: the id is no text or number: change it, or leave it out")
        _put(queries, query_id, text, place)
        qrels[query_id] = _relevant(relevant, place)
    if not queries:
        raise BadCollection(f"{path}: there is no judgement in it: expected lines {_OWN}")
    return queries, qrels


def _relevant(relevant: list[Any] | Mapping[str, Any], place: str) -> dict[str, int]:
    """Grades by document id; 1 for each id of a list."""
    pairs = relevant.items() if isinstance(relevant, Mapping) else [(_id(name), 1) for name in relevant]
    grades = {name: _grade(grade) for name, grade in pairs}
    if not all(grades) or None in grades.values():
        raise BadCollection(
            f"{place}: relevant holds something else than document ids and whole numbers as grades: expected "
            '["doc-id", ...] or {"doc-id": 2, ...}'
        )
    return {name: grade for name, grade in grades.items() if grade is not None}


def _put(queries: Queries, query_id: str, text: str, place: str) -> None:
    if query_id in queries:
        raise BadCollection(f"{place}: query id {query_id!r} is used twice: give each query an id of its own")
    queries[query_id] = text


def _id(value: Any) -> str:
    """An id as text; ``""`` for what can be none."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def _grade(value: Any) -> int | None:
    """A whole number, also where it is written as ``1.0``; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
        return int(number) if number == int(number) else None
    except (ValueError, OverflowError):
        return None
