"""One small filter grammar and its SQL.

``FIELD OP VALUE``, where OP is one of ``= != < <= > >=`` and FIELD is a field of a document or a key of its metadata.
Several filters must all hold. Text is compared without regard to case; a metadata list matches where one of its
elements does; ``published`` takes as much of a date as you know: ``published<=2018-06`` includes all of June.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from searchidx.errors import BadFilter

COLUMNS = ("doc_id", "title", "uri", "published", "author", "source", "language")
"""Fields of a document that a filter can name."""
_FILTER = re.compile(r"\s*([^=!<>]*[^\s=!<>])\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2}(T\d{2}(:\d{2}(:\d{2})?)?)?)?)?Z?")
_AS_TEXT = "CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(value AS TEXT) END"
_AFTER_ALL = "~"  # sorts after every character of a date, so 2018-06~ is the end of June


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in SQL over ``documents d``, with its parameters."""

    sql: str
    parameters: tuple[str | float, ...]


def compile_filters(
    where: Sequence[str] = (),
    *,
    after: str | None = None,
    before: str | None = None,
    sources: Sequence[str] = (),
    known: Collection[str] = (),
) -> Condition | None:
    """Turn filters into one condition, or None where there is nothing to filter.

    Args:
        where: expressions that must all hold.
        after: only articles published on this date or later.
        before: only articles published before this date.
        sources: only articles from one of these outlets.
        known: metadata keys in use.

    Raises:
        BadFilter: an expression cannot be read, or names a field that no article has.
    """
    conditions = [_compile(expression, known) for expression in where]
    if after:
        conditions.append(_compare_date(">=", after))
    if before:
        conditions.append(_compare_date("<", before))
    if sources:
        either = [Condition("d.source = ? COLLATE NOCASE", (source,)) for source in sources]
        conditions.append(_join(either, "OR"))
    return _join(conditions, "AND") if conditions else None


def _join(conditions: Sequence[Condition], operator: str) -> Condition:
    sql = f" {operator} ".join(f"({condition.sql})" for condition in conditions)
    return Condition(sql, tuple(value for condition in conditions for value in condition.parameters))


def _compile(expression: str, known: Collection[str]) -> Condition:
    match = _FILTER.fullmatch(expression)
    if not match or match[3][:1] in ("=", "<", ">"):
        raise BadFilter(f'"{expression}": expected FIELD OP VALUE with one of = != < <= > >=')
    field, operator, value = match.groups()
    if field == "published":
        return _compare_date(operator, value)
    if field in COLUMNS:
        return Condition(f"d.{field} {operator} ? COLLATE NOCASE", (value,))
    if field not in known:
        raise BadFilter(_unknown(field, known))
    return _compare_metadata(field, operator, value)


def _unknown(field: str, known: Collection[str]) -> str:
    names = [*COLUMNS, *sorted(known)]
    close = difflib.get_close_matches(field, names, 1)
    hint = f"; did you mean {close[0]}?" if close else ""
    return f'no article has a field "{field}"; known are {", ".join(names)}{hint}'


def _compare_date(operator: str, value: str) -> Condition:
    """Compare as text, which ISO 8601 in UTC allows; a partial date stands for its whole period."""
    if value == "" and operator in ("=", "!="):
        return Condition(f"d.published {operator} ''", ())
    if not _DATE.fullmatch(value):
        raise BadFilter(f'"{value}" is no date: expected YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDTHH:MM:SSZ')
    start, end = value.removesuffix("Z"), value.removesuffix("Z") + _AFTER_ALL
    dated = "d.published != '' AND "
    match operator:
        case "=":
            return Condition("d.published >= ? AND d.published < ?", (start, end))
        case "!=":
            return Condition("d.published < ? OR d.published >= ?", (start, end))
        case "<":
            return Condition(dated + "d.published < ?", (start,))
        case "<=":
            return Condition(dated + "d.published < ?", (end,))
        case ">":
            return Condition("d.published >= ?", (end,))
        case _:
            return Condition("d.published >= ?", (start,))


def _compare_metadata(field: str, operator: str, value: str) -> Condition:
    """Compare numbers as numbers and all else as text; json_each gives the elements of a list, or the one value."""
    path = "$." + json.dumps(field, ensure_ascii=False)
    test = "=" if operator == "!=" else operator
    choices = [Condition(f"{_AS_TEXT} {test} ? COLLATE NOCASE", (value,))]
    number = _number(value)
    if number is not None:
        numeric = Condition(f"type IN ('integer', 'real') AND value {test} ?", (number,))
        textual = Condition("type NOT IN ('integer', 'real')", ())
        choices = [numeric, _join([textual, *choices], "AND")]
    inner = _join(choices, "OR")
    negated = "NOT " if operator == "!=" else ""
    sql = f"{negated}EXISTS (SELECT 1 FROM json_each(d.metadata, ?) WHERE {inner.sql})"
    return Condition(sql, (path, *inner.parameters))


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
