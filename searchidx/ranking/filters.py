"""One small filter grammar and its SQL.

``FIELD OP VALUE``, where OP is one of ``= != < <= > >=`` and FIELD is a field of a document or a key of its metadata.
Several filters must all hold. Text is compared without regard to case; a metadata list matches where one of its
elements does; ``uri`` has only ``=`` and ``!=``; ``published`` takes as much of a date as you know:
``published<=2018-06`` includes all of June.

For programs the same in the form of OpenAI's vector stores, which nests: ``{"type": "or", "filters": [...]}`` over
comparisons ``{"type": "eq", "key": "topic", "value": "law"}`` with ``eq ne gt gte lt lte in nin``. A number compared
with ``published`` is in Unix seconds, and a partial date then stands for its first moment.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from searchidx.errors import BadFilter
from searchidx.types import Where

COLUMNS = ("doc_id", "title", "uri", "published", "author", "source", "language")
"""Fields of a document that a filter can name."""
_FILTER = re.compile(r"\s*([^=!<>]*[^\s=!<>])\s*(!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_DATE = re.compile(r"\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01])(T\d{2}(:\d{2}(:\d{2})?)?)?)?)?Z?", re.ASCII)
_AS_TEXT = "CASE type WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(value AS TEXT) END"
_SURROGATE = re.compile("[\ud800-\udfff]")
_AFTER_ALL = "~"  # sorts after every character of a date, so 2018-06~ is the end of June
_OPERATORS = {"eq": "=", "ne": "!=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
_TYPES = (*_OPERATORS, "in", "nin", "and", "or")
MAX_DEPTH = 20
"""Levels of nested filters; SQLite itself refuses an expression 1,000 deep."""
MAX_COMPARISONS = 500
"""Comparisons in one search, each value of a list counted, for the same reason."""
_SECONDS = (
    "CAST(strftime('%s', d.published || CASE length(d.published) WHEN 4 THEN '-01-01' WHEN 7 THEN '-01' ELSE '' END) "
    "AS INTEGER)"
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition in SQL over ``documents d``, with its parameters."""

    sql: str
    parameters: tuple[str | float, ...]


@dataclass(slots=True)
class _Reading:
    """Filters being read: metadata keys in use, whether dates let pass what has none, comparisons that may come."""

    known: Collection[str]
    undated: bool
    left: int = MAX_COMPARISONS

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise BadFilter(f"more than {MAX_COMPARISONS} comparisons")

    def of_date(self, condition: Condition) -> Condition:
        """A condition on the date of an article, which one without a date may be let pass."""
        return Condition(f"d.published = '' OR ({condition.sql})", condition.parameters) if self.undated else condition


def compile_filters(
    where: Where = (),
    *,
    after: str | None = None,
    before: str | None = None,
    sources: Sequence[str] = (),
    known: Collection[str] = (),
    undated: bool = False,
) -> Condition | None:
    """Turn filters into one condition, or None where there is nothing to filter.

    Args:
        where: expressions, or mappings in the form of OpenAI's vector stores, that must all hold.
        after: only articles published on this date or later.
        before: only articles published before this date.
        sources: only articles from one of these outlets.
        known: metadata keys in use.
        undated: let an article without a date pass every comparison with a date.

    Raises:
        BadFilter: an expression cannot be read, or names a field that no article has.
    """
    if isinstance(where, str | Mapping):
        raise BadFilter(f"where is a list of filters: write [{where!r}]")
    if isinstance(sources, str):
        raise BadFilter(f"sources is a list of outlets: write [{sources!r}]")
    reading = _Reading(known, undated)
    conditions = [_entry(entry, reading) for entry in where]
    if after:
        conditions.append(reading.of_date(_compare_date(">=", after)))
    if before:
        conditions.append(reading.of_date(_compare_date("<", before)))
    if sources:
        either = [Condition("d.source = ? COLLATE NOCASE", (source,)) for source in sources]
        conditions.append(_join(either, "OR"))
    return _join(conditions, "AND") if conditions else None


def _join(conditions: Sequence[Condition], operator: str) -> Condition:
    sql = f" {operator} ".join(f"({condition.sql})" for condition in conditions)
    return Condition(sql, tuple(value for condition in conditions for value in condition.parameters))


def _entry(entry: Any, reading: _Reading) -> Condition:
    if not isinstance(entry, str):
        return _tree(entry, reading)
    reading.count()
    return _compile(entry, reading)


def _compile(expression: str, reading: _Reading) -> Condition:
    match = _FILTER.fullmatch(expression)
    if not match or match[3][:1] in ("=", "<", ">"):
        raise BadFilter(f'"{expression}": expected FIELD OP VALUE with one of = != < <= > >=')
    return _compare(match[1], match[2], match[3], reading)


def _tree(entry: Any, reading: _Reading, depth: int = 1) -> Condition:
    """Compile a nested filter."""
    if not isinstance(entry, Mapping):
        raise BadFilter(f"{entry!r:.80}: expected FIELD OP VALUE, or a mapping with a type")
    kind = entry.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        raise BadFilter(f"{entry!r:.80}: type must be one of {' '.join(_TYPES)}")
    if depth > MAX_DEPTH:
        raise BadFilter(f"filters are nested more than {MAX_DEPTH} deep")
    if kind in ("and", "or"):
        _expect(entry, "filters")
        if not isinstance(entry["filters"], list | tuple) or not entry["filters"]:
            raise BadFilter(f"{entry!r:.80}: filters must be a list of at least one")
        return _join([_tree(inner, reading, depth + 1) for inner in entry["filters"]], kind.upper())
    _expect(entry, "key", "value")
    if not isinstance(entry["key"], str):
        raise BadFilter(f"{entry!r:.80}: key must be a string")
    if kind not in ("in", "nin"):
        return _value(entry["key"], _OPERATORS[kind], entry["value"], reading)
    if not isinstance(entry["value"], list | tuple):
        raise BadFilter(f"{entry!r:.80}: {kind} needs a list of values")
    operator, junction, of_none = ("=", "OR", "0") if kind == "in" else ("!=", "AND", "1")
    each = [_value(entry["key"], operator, value, reading) for value in entry["value"]]
    if not each:
        _value(entry["key"], "=", "", reading)  # an unknown field is refused all the same
    return _join(each or [Condition(of_none, ())], junction)


def _expect(entry: Mapping[str, Any], *names: str) -> None:
    """Refuse a filter that lacks one of its parts, or has another."""
    for name in names:
        if name not in entry:
            raise BadFilter(f"{entry!r:.80}: {name} is missing")
    unknown = sorted(str(name) for name in entry if name not in ("type", *names))
    if unknown:
        raise BadFilter(f"{entry!r:.80}: unknown {', '.join(unknown)}; a filter of this type has {' '.join(names)}")


def _value(field: str, operator: str, value: Any, reading: _Reading) -> Condition:
    """Compare with a value of JSON."""
    reading.count()
    if isinstance(value, bool):
        return _compare(field, operator, str(value).lower(), reading)
    if isinstance(value, str):
        return _compare(field, operator, value, reading)
    if not isinstance(value, int | float) or not isfinite(value):
        raise BadFilter(f"{field}: a value must be a string, a number or a boolean, not {value!r:.40}")
    if field == "published":
        absent = " OR d.published = ''" if operator == "!=" else ""
        dated = f"d.published != '' AND {_SECONDS} {operator} ?"
        return reading.of_date(Condition(f"({dated}){absent}", (float(value),)))
    return _compare(field, operator, str(int(value) if value == int(value) else value), reading)


def _compare(field: str, operator: str, value: str, reading: _Reading) -> Condition:
    if not (field + value).isascii() and _SURROGATE.search(field + value):
        raise BadFilter(f"{field!r}: the value holds half a character, which no article can")
    if field == "published":
        return reading.of_date(_compare_date(operator, value))
    if field == "uri" and operator not in ("=", "!="):  # an order of addresses says nothing, but where files lie
        raise BadFilter("uri can be compared with = and != only")
    if field in COLUMNS:
        return Condition(f"d.{field} {operator} ? COLLATE NOCASE", (value,))
    if field not in reading.known:
        raise BadFilter(_unknown(field, reading.known))
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
