"""How results look to a program: JSON, JSON lines and TREC runs on standard output, JSON lines in a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from searchidx.types import Hit


def _dump(value: Mapping[str, Any], indent: int | None = None) -> str:
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    return json.dumps(value, ensure_ascii=plain, indent=indent)


def print_json(value: Mapping[str, Any]) -> None:
    """Print one value."""
    sys.stdout.write(_dump(value, 2) + "\n")


def print_json_array(values: Iterable[Mapping[str, Any]]) -> None:
    """Print an array, an element per line as they come; ``[]`` when empty."""
    opening = "["
    for value in values:
        sys.stdout.write(f"{opening}\n{_dump(value)}")
        opening = ","
    sys.stdout.write("[]\n" if opening == "[" else "\n]\n")


def print_json_lines(values: Iterable[Mapping[str, Any]]) -> None:
    """Print one value per line."""
    for value in values:
        sys.stdout.write(_dump(value) + "\n")


def print_trec(hits: Sequence[Hit]) -> None:
    """Print a TREC run with query id 1, with the scores that hits are sorted by; blanks in an id become ``%20``."""
    from searchidx.evaluation.runs import trec_lines

    sys.stdout.writelines(trec_lines("1", [(hit.document.doc_id, hit.merged) for hit in hits], "searchidx"))


def write_json_lines(path: Path, values: Iterable[Mapping[str, Any]]) -> int:
    """Write one value per line into a file, which then is whole or as before; returns how many there are."""
    from searchidx.storage.files import replace_durably

    count = 0

    def write(file: Any) -> None:
        nonlocal count
        for value in values:
            file.write(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
            count += 1

    replace_durably(path, write)
    return count
