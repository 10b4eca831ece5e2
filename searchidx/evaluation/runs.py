"""Runs: what a system returned for each query, and the TREC files they are kept in."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import quote

from searchidx.errors import BadCollection
from searchidx.evaluation.lines import text_lines
from searchidx.storage.files import replace_durably

Run: TypeAlias = Mapping[str, Sequence[tuple[str, float]]]
"""Documents with scores, best first, by query id."""
_FORM = "query_id Q0 doc_id rank score tag"


def write_run(path: Path, run: Run, tag: str) -> None:
    """Write a run as a TREC file, which then is whole or as before; ``tag`` names the system that made it."""
    lines = (line for query_id, ranking in run.items() for line in trec_lines(query_id, ranking, tag))
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_durably(path, lambda file: [file.write(line.encode()) for line in lines])


def trec_lines(query_id: str, ranking: Sequence[tuple[str, float]], tag: str) -> Iterator[str]:
    """Lines ``query_id Q0 doc_id rank score tag``; a blank in an id or tag becomes ``%20``.

    Scores are float32 and fall from line to line: trec_eval sorts by the score in that precision and settles ties by
    id, so that equal scores would be read in another order than they were found in.
    """
    import numpy as np

    last = np.float32(np.inf)
    for rank, (doc_id, score) in enumerate(ranking, 1):
        last = min(np.float32(score), np.nextafter(last, np.float32(-np.inf)))
        yield f"{_column(query_id)} Q0 {_column(doc_id)} {rank} {last:.9g} {_column(tag)}\n"


def read_run(path: Path, qrels: Mapping[str, Mapping[str, int]] | None = None) -> dict[str, list[tuple[str, float]]]:
    """Read a TREC run, compressed or not.

    Args:
        path: the file; documents are ranked by their scores, equal ones as they stand there.
        qrels: the judgements it is meant for: their ids that hold blanks are known again where ``%20`` stands.

    Raises:
        BadCollection: a line cannot be read; the message names it.
    """
    known = {_column(name): name for query_id, judged in (qrels or {}).items() for name in (query_id, *judged)}
    found: dict[str, dict[str, float]] = {}
    for number, line in text_lines(path):
        parts = line.split()
        score = _number(parts[4]) if len(parts) == 6 else None
        if score is None:
            raise BadCollection(f"{path}:{number}: this is no line of a TREC run: expected six columns, {_FORM}")
        query_id, doc_id = (known.get(name, name) for name in (parts[0], parts[2]))
        ranking = found.setdefault(query_id, {})
        if doc_id in ranking:
            raise BadCollection(
                f"{path}:{number}: document {doc_id!r} is there twice for query {query_id!r}: remove one of the lines"
            )
        ranking[doc_id] = score
    if not found:
        raise BadCollection(f"{path}: the run is empty: expected lines of six columns, {_FORM}")
    return {query_id: sorted(ranking.items(), key=lambda item: -item[1]) for query_id, ranking in found.items()}


def _column(name: str) -> str:
    """A name as one column: blanks as in a web address, all else as it is, so that ids stay what qrels call them."""
    return re.sub(r"\s", lambda blank: quote(blank[0]), name)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return None if math.isnan(value) else value
