"""Dates as articles print them, with the precision that is known."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache

from searchidx.errors import BadFilter

_PARTIAL = re.compile(r"(\d{4})(?:-(\d{2}))?", re.ASCII)
_UNIX = re.compile(r"(\d{9,10})(?:\.\d+)?|(\d{9,10})\d{3}")
_EAST_ASIAN = re.compile(r"(\d{4}) ?[年년] ?(\d{1,2}) ?[月월](?: ?(\d{1,2}) ?[日일])?")
_DOTTED = re.compile(r"\d{1,2}\. ?\d{1,2}\. ?\d{4}\b")
_ELSEWHERE = timezone(timedelta(0), "a zone that is not known")
_HOURS = {"UT": 0, "UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6}
_HOURS |= {"PST": -8, "PDT": -7, "CET": 1, "CEST": 2}


def parse_date(value: object) -> str:
    """A date in ISO 8601 and UTC, as precise as it is known; ``""`` where it cannot be read.

    Takes ISO 8601, RFC 2822, Unix seconds and milliseconds, ``date`` and ``datetime``, and written dates in English
    (``May 2018`` is ``2018-05``). Nothing is guessed: ``03/04/2018`` is ``2018``, since it may be March or April, and
    ``yesterday`` is nothing. A time without a zone is taken for UTC, midnight without a zone for the whole day.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if isinstance(value, str):
        return _parse(value.strip())
    try:
        return _written(value) if isinstance(value, datetime) else value.isoformat() if isinstance(value, date) else ""
    except (OverflowError, ValueError):
        return ""


@lru_cache(maxsize=4096)
def _parse(text: str) -> str:
    if partial := _PARTIAL.fullmatch(text):
        return text if int(partial[1]) and 1 <= int(partial[2] or 1) <= 12 else ""
    for read in (_iso, _unix, _prose):
        try:
            if found := read(text):
                return found
        except (ValueError, OverflowError, TypeError):  # dateutil raises all of them on odd input
            continue
    return ""


def _written(moment: datetime) -> str:
    """A moment in UTC; a day where it is midnight without a zone."""
    if moment.tzinfo is None:
        if moment.time() == datetime.min.time():
            return moment.date().isoformat()
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _iso(text: str) -> str:
    return _written(datetime.fromisoformat(text))


def _unix(text: str) -> str:
    found = _UNIX.fullmatch(text)
    return _written(datetime.fromtimestamp(int(found[1] or found[2]), UTC)) if found else ""


def _prose(text: str) -> str:
    """What two readings have in common that fill gaps differently and take 3/4 for March and for April."""
    if east := _EAST_ASIAN.fullmatch(text):
        text = "-".join(part.zfill(2) for part in east.groups() if part)
    if len(text) > 60 or not re.search(r"(?<!\d)\d{4}(?!\d)", text):
        return ""
    year_first, dotted = text[:4].isdigit(), bool(_DOTTED.match(text))
    one = _read(text, datetime(2000, 1, 1), day_first=dotted)
    other = _read(text, datetime(2004, 2, 2, 1, 1), day_first=not year_first)
    if one.year != other.year or str(one.year) not in text:
        return ""
    day = one.date().isoformat()
    if one.month != other.month:
        return day[:4]
    if one.day != other.day:
        return day[:7]
    return _written(one) if one.hour == other.hour and one.tzinfo is not _ELSEWHERE else day


def _read(text: str, default: datetime, *, day_first: bool) -> datetime:
    from dateutil import parser  # type: ignore[import-untyped]

    moment: datetime = parser.parse(text, default=default, dayfirst=day_first, tzinfos=_zone)
    return moment


def _zone(name: str | None, offset: int | None) -> timezone | None:
    if offset is not None:
        return timezone(timedelta(seconds=offset))
    if name is None:
        return None
    return timezone(timedelta(hours=_HOURS[name])) if name in _HOURS else _ELSEWHERE


def require_date(text: str) -> str:
    """A date that a person typed.

    Raises:
        BadFilter: it is none.
    """
    if date := parse_date(text):
        return date
    raise BadFilter(f"{text!r} is no date: write it as 2018, 2018-05 or 2018-05-03")
