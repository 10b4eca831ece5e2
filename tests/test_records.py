"""Rows and Python documents: what becomes of their fields, and the form that every document ends in."""

# ruff: noqa: RUF001 (texts in many scripts)

from __future__ import annotations

import unicodedata
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchidx.articles.formats import clean, from_record, normalise
from searchidx.errors import ExtractError
from searchidx.types import Document


def test_fields_of_the_record_win_over_nested_ones_and_nothing_is_lost():
    document = from_record(
        {
            "Title": "T",
            "BODY": ["one", "two"],
            "id": "",
            "metadata": {"id": 0, "title": "other", "x": 1},
            "x": 2,
            "y": 3,
        },
        "d",
    )
    assert (document.doc_id, document.title, document.text) == ("0", "T", "one\n\ntwo")
    assert document.metadata == {"title": "other", "x": 2, "y": 3}


def test_a_title_given_as_empty_is_not_taken_from_the_metadata():
    record = {"_id": "1", "title": "", "text": "Profits rose.", "metadata": {"title": "The headline that is the query"}}
    document = from_record(record, "x")
    assert document.title == ""
    assert document.metadata == {"title": "The headline that is the query"}


def test_a_date_or_language_that_cannot_be_read_stays_in_the_metadata():
    document = from_record({"text": "x", "date": "last spring", "language": "Old Norse"}, "d")
    assert (document.published, document.language) == ("", "")
    assert document.metadata == {"date": "last spring", "language": "Old Norse"}


def test_a_metadata_key_that_is_no_mapping_is_kept():
    assert from_record({"text": "x", "metadata": "abc"}, "d").metadata == {"metadata": "abc"}


@pytest.mark.parametrize(
    "record", [{}, {"text": " "}, {"text": None, "title": ""}, {"text": {"a": 1}}, {"text": ["a", 1]}]
)
def test_a_record_without_text_is_refused(record):
    with pytest.raises(ExtractError):
        from_record(record, "d")


@given(st.text())
def test_a_cleaned_text_is_clean_and_stays_as_it_is(text):
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    assert not any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in cleaned)
    assert cleaned.encode().decode() == cleaned


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("a\r\nb\rc\u2028d\x0ce\x85f", "a\nb\nc\nd\ne\nf"),
        ("\ufeffe\u0301 \x00\x1b[31mred\x7f", "é [31mred"),
        ("in\xadter\u200bna\u2060tional", "international"),
        ("safe\u202etxt.exe\u2066\U000e0041\U000e0042", "safetxt.exe"),
        ("ad\u200dmin", "admin"),
        ("می\u200cخواهم 👩\u200d🚀 ❤\ufe0f\u200d🔥", "می\u200cخواهم 👩\u200d🚀 ❤\ufe0f\u200d🔥"),
        ("e\u200b\u0301", "é"),
        ("a\U000e0148\U000e0149b ❤\ufe0f\ufe00\ufe01 葛\U000e0100", "a\U000e0148b ❤\ufe0f 葛\U000e0100"),
        ("x\u200b\ufe00\u3164y\u034f\u180ez", "xyz"),
        ("tab\tand\nline", "tab\tand\nline"),
    ],
)
def test_what_cleaning_does(text, cleaned):
    assert clean(text) == cleaned


def test_a_document_given_in_python_is_brought_into_form():
    document = normalise(
        Document(
            doc_id=" a\x001 ",
            text="\n e\u0301\r\nx ",
            title="Two\nlines ",
            published="May 3, 2018",
            language="EN-us",
            metadata={"when": date(2018, 5, 3), "pair": (1, 2), 3: "a\0", "f": 1.5, "none": None, "b": True},
        )
    )
    assert document == Document(
        doc_id="a1",
        text="é\nx",
        title="Two lines",
        published="2018-05-03",
        language="en",
        metadata={"when": "2018-05-03", "pair": [1, 2], "3": "a", "f": 1.5, "none": None, "b": True},
    )
    assert normalise(document) == document


looped: list[Any] = []
looped.append(looped)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"doc_id": " "}, "no doc_id"),
        ({"doc_id": 5}, "doc_id is int, not a string"),
        ({"text": " \u200b "}, "no text"),
        ({"text": None}, "text is NoneType"),
        ({"title": ["x"]}, "title is list"),
        ({"media_type": "text/html"}, "media type 'text/html'"),
        ({"metadata": {"key": {1}}}, "metadata 'key' cannot be kept as JSON: {1} is of type set"),
        ({"metadata": {"key": [float("nan")]}}, "metadata 'key'"),
        ({"metadata": {"key": b"x"}}, "metadata 'key'"),
        ({"metadata": {"key": looped}}, "metadata 'key' cannot be kept as JSON"),
        ({"metadata": [1]}, "metadata is list"),
    ],
)
def test_a_document_that_cannot_be_kept_is_refused(fields, said):
    with pytest.raises(ExtractError, match=r"^(a|5| ): ") as caught:
        normalise(Document(**{"doc_id": "a", "text": "x", **fields}))
    assert said in caught.value.reason
