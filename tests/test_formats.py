"""From files to documents: every format but web pages, and every bad input."""

# ruff: noqa: RUF001 (texts in many scripts)

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from searchidx.articles import jsonl
from searchidx.articles.formats import read
from searchidx.articles.sources import MAX_ARTICLE_BYTES
from searchidx.types import Document, Failure, Source

Reading = Callable[..., list[Document | Failure]]


@pytest.fixture
def reading(tmp_path: Path) -> Reading:
    """Reads bytes as the file ``news/a``."""

    def read_bytes(content: bytes | str, media_type: str = "text/plain") -> list[Document | Failure]:
        path = tmp_path / "a"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(read(Source("/news/a", "/news", "news/a", media_type, path)))

    return read_bytes


def one(items: list[Document | Failure]) -> Document:
    (document,) = items
    assert isinstance(document, Document), document
    return document


def reason(items: list[Document | Failure]) -> str:
    (failure,) = items
    assert isinstance(failure, Failure), failure
    return failure.reason


def rows(*values: Any) -> str:
    return "\n".join(json.dumps(value) for value in values)


# plain text


def test_a_plain_text_is_itself(reading):
    document = one(reading("First paragraph, of some length.\r\n\r\nSecond.\r\n"))
    assert document == Document(
        doc_id="news/a", text="First paragraph, of some length.\n\nSecond.", uri="/news/a", media_type="text/plain"
    )


@pytest.mark.parametrize(
    ("text", "title", "body"),
    [
        ("Best Buy drops Huawei\n\nThe chain said.", "Best Buy drops Huawei", "The chain said."),
        ("\n\n“Never again”, he says?\n \nThe chain said.", "“Never again”, he says?", "The chain said."),
        ("A sentence ends here.\n\nMore.", "", "A sentence ends here.\n\nMore."),
        ("No blank line\nbelow it", "", "No blank line\nbelow it"),
        ("Nothing below it\n\n", "", "Nothing below it"),
        ("- a list\n\nof things", "", "- a list\n\nof things"),
        ("x" * 121 + "\n\nbody", "", "x" * 121 + "\n\nbody"),
    ],
)
def test_a_short_first_line_that_stands_alone_is_the_title(reading, text, title, body):
    document = one(reading(text))
    assert (document.title, document.text) == (title, body)


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("utf-8", "Zürich – naïve 日本"),
        ("utf-8-sig", "Zürich – naïve 日本"),
        ("utf-16", "Zürich – naïve 日本"),
        ("utf-32", "Zürich – naïve 日本"),
        ("latin-1", "L'été dernier, le président a déclaré que les négociations étaient terminées."),
        ("cp1252", "L’été dernier, le président a déclaré “que les négociations étaient terminées”."),
        ("cp1251", "Президент заявил вчера, что переговоры завершены. Решение будет принято осенью."),
        ("shift_jis", "日本の首相は昨日、新しい経済政策を発表した。これにより、企業の投資が増えると期待されている。"),
        ("gb18030", "中国电信公司昨天宣布将扩大在非洲的投资。分析人士认为此举将加剧竞争。"),
    ],
)
def test_texts_in_many_encodings_are_read(reading, encoding, text):
    assert one(reading(text.encode(encoding))).text == text


@pytest.mark.parametrize("content", [b"PK\x03\x04\0\0\x08", b"\x89PNG\r\n\x1a\n\0\0", bytes(range(1, 256)) * 9])
def test_a_binary_renamed_to_text_is_told(reading, content):
    assert any(sign in reason(reading(content)) for sign in ("binary", "encoding cannot be told"))


def test_a_nul_far_into_a_text_is_dropped(reading):
    assert one(reading("word " * 2000 + "a\0b")).text.endswith("word ab")


def test_an_empty_text_and_a_missing_file_are_told(reading, tmp_path):
    assert reason(reading(" \n\t ")) == "it has no text"
    assert reason(list(read(Source("/x", "/x", "x", "text/plain", tmp_path / "gone")))) == (
        "cannot be read: No such file or directory"
    )
    assert "media type 'text/csv'" in reason(reading("a,b", "text/csv"))


def test_a_file_that_grew_beyond_the_limit_is_refused(tmp_path):
    path = tmp_path / "a.txt"
    with open(path, "wb") as file:
        file.truncate(MAX_ARTICLE_BYTES + 1)
    assert "at most" in reason(list(read(Source(str(path), str(path), "a.txt", "text/plain", path))))


# Markdown


def test_front_matter_fills_the_fields(reading):
    document = one(
        reading(
            "---\ntitle: 'Data: rights'\ndate: 2018-05-03\nauthors: [Ada, Bo]\nurl: https://example.org/a\n"
            "lang: en-GB\nsite: Example\ntags: [law, data]\nissue: 7\nupdated: 2019-01-02 10:00:00\n"
            "---\n\n# Rights\n\nBody *here*.\n",
            "text/markdown",
        )
    )
    assert document == Document(
        doc_id="news/a",
        text="# Rights\n\nBody *here*.",
        title="Data: rights",
        uri="https://example.org/a",
        published="2018-05-03",
        author="Ada, Bo",
        source="Example",
        language="en",
        metadata={"tags": ["law", "data"], "issue": 7, "updated": "2019-01-02T10:00:00"},
        media_type="text/markdown",
    )


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# The *big* one\n\nText", "The big one"),
        ("Title\n=====\nText", "Title"),
        ("## Second level\n\nText", ""),
        ("```\n# code\n```\nText", ""),
        ("---\nid: 5\n---\n# Heading\nText", "Heading"),
    ],
)
def test_the_first_heading_of_level_1_is_the_title(reading, text, title):
    assert one(reading(text, "text/markdown")).title == title


@pytest.mark.parametrize("text", ["---\n\nA text between rules.\n\n---\n\nMore.", "---\nno end\n\ntext", "----\ntext"])
def test_a_rule_is_no_front_matter(reading, text):
    assert one(reading(text, "text/markdown")).text == text


@pytest.mark.parametrize(
    ("matter", "said"),
    [
        ("title: a\nbad: [1, 2\nx: y", "not valid YAML in line 4"),
        ("title: 'open", "not valid YAML in line"),
        ("a: !!python/object/apply:os.system [ls]", "not valid YAML in line 2"),
        ("a: !!set {x, y}", "metadata 'a' cannot be kept as JSON: {'x', 'y'}"),
        (
            "\n".join(["a0: &a0 [x, x]", *(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 40))]),
            "10,000 values",
        ),
        ("a: &a [*a]", "it refers to itself"),
    ],
)
def test_bad_front_matter_is_told_with_its_line(reading, matter, said):
    items = reading(f"---\n{matter}\n---\nText", "text/markdown")
    assert said.replace("{'x', 'y'}", "{") in reason(items)


# JSONL and JSON


def test_rows_become_documents_with_all_their_fields(reading):
    row = {
        "_id": 7,
        "title": "T",
        "text": "Body",
        "url": "https://example.org",
        "metadata": {"date": "May 2018", "topic": "law"},
    }
    row |= {
        "authors": ["Ada", {"name": "Bo"}],
        "source": {"id": None, "name": "CNN"},
        "lang": "de",
        "score": 1.5,
        "none": None,
    }
    document = one(reading(rows(row), "application/jsonl"))
    assert document == Document(
        doc_id="7",
        text="Body",
        title="T",
        uri="https://example.org",
        published="2018-05",
        author="Ada, Bo",
        source="CNN",
        language="de",
        metadata={"topic": "law", "score": 1.5},
    )


def test_a_document_written_as_json_comes_back_the_same(reading):
    document = Document(
        "a", "Text", "T", "u", "2018", "A", "S", "en", {"x": [1, {"y": None}], "z": ""}, "text/markdown"
    )
    assert reading(rows(document.to_dict()), "application/jsonl") == [document]


def test_every_bad_line_is_told_by_its_number_and_the_rest_is_read(reading):
    lines = [
        b"\xef\xbb\xbf" + b'{"text": "one"}',
        b"",
        b'{"text": "two"',
        b"[1, 2]",
        b'"text"',
        b'{"text": "caf\xe9"}',
        b'{"title": "", "x": 1}',
        b'{"text": 5}',
        b'{"text": "x", "deep": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"text": "x", "n": ' + b"9" * 5000 + b"}",
        b'{"text": "x", "n": 1e999}',
        b"   ",
        b'{"text": "last", "nan": NaN}',
    ]
    items = reading(b"\r\n".join(lines), "application/jsonl")
    assert [item.text for item in items if isinstance(item, Document)] == ["one", "last"]
    assert [item.doc_id for item in items if isinstance(item, Document)] == ["news/a#L1", "news/a#L13"]
    failures = {item.uri: item.reason for item in items if isinstance(item, Failure)}
    assert list(failures) == [f"/news/a:{number}" for number in (3, 4, 5, 6, 7, 8, 9, 10, 11)]
    signs = ["line 3 is not valid JSON: Expecting", "no JSON object but [1, 2]", 'but "text"', "not UTF-8", "no text"]
    signs += ["the text is of type int", "nested too deeply", "not valid JSON", "metadata 'n' cannot be kept as JSON"]
    assert all(sign in said for sign, said in zip(signs, failures.values(), strict=True)), failures


def test_the_title_stands_in_for_an_empty_text(reading):
    document = one(reading(rows({"_id": "a", "title": "Only a title", "text": ""}), "application/jsonl"))
    assert (document.title, document.text) == ("Only a title", "Only a title")


def test_lone_surrogates_and_joined_pairs_in_escapes_are_mended(reading):
    document = one(reading('{"text": "a\\ud83d b\\ud83d\\ude00", "k\\udc00": "v\\udc00"}', "application/jsonl"))
    assert document.text == "a\ufffd b😀"
    assert document.metadata == {"k\ufffd": "v\ufffd"}


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = tmp_path / "big.jsonl"
    line = rows({"text": "x" * 100_000}).encode() + b"\n"
    with open(path, "wb") as file:
        file.writelines(line for _ in range(300))
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(Source("/b", "/b", "b", "application/jsonl", path))) == 300
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def test_a_line_that_is_too_long_is_passed_over(reading, monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 2**20)
    long = rows({"text": "x" * 3 * 2**20})
    before, failure, after = reading(f'{{"text": "a"}}\n{long}\n{{"text": "b"}}', "application/jsonl")
    assert failure == Failure("/news/a:2", "line 2 is longer than 1 MiB; split or remove it")
    assert [before.text, after.text] == ["a", "b"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_compressed_rows_are_read_and_a_cut_is_told(reading, pack):
    packed = pack("\n".join(rows({"id": n, "text": f"{n} {n * 7919 % 1009} " * 50}) for n in range(3000)).encode())
    assert len(reading(packed, "application/jsonl")) == 3000
    *good, failure = reading(packed[: len(packed) * 2 // 3], "application/jsonl")
    assert isinstance(failure, Failure)
    assert f"damaged or cut off after line {len(good)} " in failure.reason
    assert all(isinstance(item, Document) for item in good)
    assert isinstance(reading(packed[:20] + bytes(40), "application/jsonl")[-1], Failure)


def test_a_json_file_holds_one_article_or_a_list(reading):
    assert one(reading('{\n"text": "x"\n}', "application/json")).doc_id == "news/a"
    first, failure = reading('[{"text": "x"},\n 5]', "application/json")
    assert (first.doc_id, failure.uri) == ("news/a#1", "/news/a:2")
    assert "not valid JSON" in reason(reading("{", "application/json"))


def test_progress_counts_the_bytes_of_the_file(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(rows({"text": str(n)}) for n in range(9)).encode()))
    for media_type in ("application/jsonl", "text/plain"):
        if media_type == "text/plain":
            path.write_bytes(b"text")
        seen: list[int] = []
        list(read(Source("/a", "/a", "a", media_type, path), seen.append))
        assert seen[-1] == path.stat().st_size
        assert seen == sorted(seen)


def test_an_interrupt_passes_through(tmp_path, monkeypatch):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "a"
    path.write_text('{"text": "x"}')
    with pytest.raises(KeyboardInterrupt):
        list(read(Source("/a", "/a", "a", "application/jsonl", path), interrupt))
