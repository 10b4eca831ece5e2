"""How dates take part in the order of hits: the newest first, or a relevance that halves with age.

Pure functions over the relevance and the dates of candidates. A date of which only a part is known counts from its
first moment, so that nothing looks newer than it is. docs/decisions/021-dates-in-ranking.md has the reasons.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from searchidx.articles.dates import parse_date

ENOUGH = 0.3
"""Share of the relevance of the best candidate from which on a hit is relevant enough to be sorted by its date."""
POOL = 1000
"""Passages of each leg among which dates choose, at least."""
_UNITS: Mapping[str, float] = {"h": 1 / 24, "d": 1.0, "w": 7.0, "m": 365.25 / 12, "y": 365.25}
_SPAN = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)\s*([hdwmy]?)\s*", re.ASCII | re.IGNORECASE)
_FIRST = ("01", "01")


def check(sort: str, half_life: str | float | None, as_of: str | datetime | None) -> None:
    """Refuse what cannot be meant.

    Raises:
        ValueError: one of them cannot be read, or they exclude one another.
    """
    if sort not in ("relevance", "date"):
        raise ValueError(f"sort is {str(sort)[:40]!r}: choose relevance or date")
    if half_life is not None:
        days_of(half_life)
        if sort == "date":
            raise ValueError("sort by date and half_life exclude one another: choose one")
    if as_of is not None:
        moment_of(as_of)


def days_of(span: str | float) -> float:
    """A span of time in days: ``30``, ``30d``, ``12h``, ``6w``, ``3m`` (months), ``1y``.

    Raises:
        ValueError: it is none, or not above 0.
    """
    text = f"{span:f}" if isinstance(span, int | float) else span
    found = _SPAN.fullmatch(text)
    if not found or not (days := float(found[1]) * _UNITS[found[2].lower() or "d"]):
        raise ValueError(f"half_life is {str(span)[:40]!r}: write it as 30 (days), 12h, 30d, 6w, 3m (months) or 1y")
    return days


def day_of(published: str) -> float | None:
    """The first moment of a date, in days since 1970; None where there is none, or none that can be read.

    Args:
        published: ISO 8601 in UTC, as much of it as is known.
    """
    if not published:
        return None
    parts = published.split("-")
    try:
        moment = datetime.fromisoformat("-".join([*parts, *_FIRST[len(parts) - 1 :]]))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() / 86_400


def moment_of(as_of: str | datetime | None) -> float:
    """The moment that ages are counted from, in days since 1970: a date as people write it, or now.

    Raises:
        ValueError: it is no date.
    """
    if as_of is None:
        return datetime.now(UTC).timestamp() / 86_400
    day = day_of(parse_date(as_of))
    if day is None:
        raise ValueError(f"as_of is {str(as_of)[:40]!r}, which is no date: write it as 2018, 2018-05 or 2018-05-03")
    return day


def newest(relevance: Sequence[float], days: Sequence[float | None]) -> list[int]:
    """The places of the candidates that are relevant enough, newest first, those without a date last.

    Enough is ``ENOUGH`` of the best. Candidates of the same moment stay in the order they came in.

    Args:
        relevance: of each candidate, best first.
        days: its date in days since 1970.
    """
    least = ENOUGH * max(relevance, default=0.0)
    enough = [place for place, value in enumerate(relevance) if value >= least]
    return sorted(enough, key=lambda place: math.inf if (day := days[place]) is None else -day)


def decayed(
    relevance: Sequence[float], days: Sequence[float | None], half_life: float, now: float
) -> list[tuple[int, float]]:
    """The places of the candidates in the order of ``relevance * 0.5 ** (age / half_life)``, each with that product.

    An article of the future has age 0. One without a date counts as old as the median of those that have one, so that
    it neither gains nor loses by what is not known of it. Candidates with the same product stay in their order.

    Args:
        relevance: of each candidate, best first, above 0.
        days: its date in days since 1970.
        half_life: in days.
        now: in days since 1970.
    """
    known = [max(0.0, now - day) for day in days if day is not None]
    unknown = median(known) if known else 0.0
    ages = [unknown if day is None else max(0.0, now - day) for day in days]
    # by its logarithm, as a short half-life leaves nothing of the product of an old article
    order = sorted(range(len(ages)), key=lambda place: ages[place] / half_life - math.log2(relevance[place]))
    return [(place, relevance[place] * 0.5 ** (ages[place] / half_life)) for place in order]
