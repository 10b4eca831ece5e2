"""Dates: as precise as they are known, and never more."""

# ruff: noqa: RUF001 (dates in many scripts)

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchidx.articles.dates import parse_date


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("2018", "2018"),
        ("2018-05", "2018-05"),
        ("2018-05-03", "2018-05-03"),
        (" 2018-05-03 ", "2018-05-03"),
        ("20180503", "2018-05-03"),
        ("2018-W18-4", "2018-05-03"),
        ("2018/5/3", "2018-05-03"),
        ("2018-05-03T10:00:00Z", "2018-05-03T10:00:00Z"),
        ("2018-05-03T10:00:00.123+02:00", "2018-05-03T08:00:00Z"),
        ("2018-05-03 10:00:00 +0000", "2018-05-03T10:00:00Z"),
        ("2018-05-03T23:30:00-05:00", "2018-05-04T04:30:00Z"),
        ("2018-05-03 00:00:00", "2018-05-03"),
        ("Thu, 03 May 2018 10:00:00 +0200", "2018-05-03T08:00:00Z"),
        ("Thu, 3 May 2018 10:00:00 EST", "2018-05-03T15:00:00Z"),
        ("Dec 31, 2018 11 PM PST", "2019-01-01T07:00:00Z"),
        ("May 3, 2018, 10:15 p.m. ET", "2018-05-03"),
        ("May 3, 2018", "2018-05-03"),
        ("3rd of May 2018", "2018-05-03"),
        ("Sept. 4, 2019", "2019-09-04"),
        ("May 2018", "2018-05"),
        ("05/2018", "2018-05"),
        ("29 February 2016", "2016-02-29"),
        ("13/04/2018", "2018-04-13"),
        ("04/13/2018", "2018-04-13"),
        ("03/04/2018", "2018"),
        ("3.5.2018", "2018-05-03"),
        ("2018年5月3日", "2018-05-03"),
        ("2018년 5월", "2018-05"),
        (1525341600, "2018-05-03T10:00:00Z"),
        ("1525341600", "2018-05-03T10:00:00Z"),
        (1525341600000, "2018-05-03T10:00:00Z"),
        (1525341600.5, "2018-05-03T10:00:00Z"),
        (2018, "2018"),
        (2018.0, "2018"),
        (20180503, "2018-05-03"),
        (date(2018, 5, 3), "2018-05-03"),
        (datetime(2018, 5, 3), "2018-05-03"),
        (datetime(2018, 5, 3, 10, tzinfo=UTC), "2018-05-03T10:00:00Z"),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), ""),
        *((text, "") for text in ("", "yesterday", "5 minutes ago", "Monday", "May 3", "10:30", "12/25", "99", "now")),
        *((text, "") for text in ("2018-13", "2018-02-30", "0000", "2018-00-00", "abc", "9" * 400, "٢٠١٨-٠٥")),
        *((value, "") for value in (None, True, float("nan"), float("inf"), 5, -1, [2018], {})),
    ],
)
def test_dates_are_written_as_precisely_as_they_are_known(value, written):
    assert parse_date(value) == written


@given(st.one_of(st.text(max_size=30), st.datetimes().map(str), st.dates().map("{:%d %B %Y}".format), st.integers()))
def test_any_value_gives_a_date_that_reads_as_itself_or_nothing(value):
    written = parse_date(value)
    assert parse_date(written) == written
    assert written.isascii()
