"""The article inside a web page, and pages that hold none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import trafilatura

from searchidx.articles.formats import read
from searchidx.types import Document, Failure, Source

PARAGRAPH = "The committee met on Tuesday and agreed to publish its findings before the summer recess. " * 4


@pytest.fixture
def reading(tmp_path: Path) -> Callable[[bytes | str], Document | Failure]:
    """Reads one page, the file ``news/a``."""

    def read_page(content: bytes | str) -> Document | Failure:
        path = tmp_path / "a.html"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        (item,) = read(Source("/news/a", "/news", "news/a", "text/html", path))
        return item

    return read_page


def page(body: str, head: str = "") -> str:
    return f"<!DOCTYPE html><html lang='en'><head>{head}</head><body>{body}</body></html>"


HEAD = """
<title>Data rights - Example News</title><meta property='og:title' content='Data rights'>
<meta name='author' content='Ada Byron'><meta property='article:published_time' content='2018-05-03T10:00:00Z'>
<meta property='og:site_name' content='Example News'><link rel='canonical' href='https://example.org/a'>
"""
ARTICLE = page(
    f"""<nav><a href='/'>Home</a> <a href='/x'>Sport</a></nav><article><h1>Data rights</h1><p>{PARAGRAPH}</p>
    <h2>What <em>changes</em></h2>
    <p>See <a href='https://example.org/b'>the <b>law</b></a>: a_b [1] * 2. {PARAGRAPH}</p>
    <ul><li>First item</li><li>Second item</li></ul><table><tr><td>One</td><td>Two</td></tr></table>
    <p>{PARAGRAPH}</p></article><footer>Copyright</footer>""",
    HEAD,
)


def test_the_article_of_a_page_is_markdown_with_headings_and_no_other_marks(reading):
    document = reading(ARTICLE)
    assert document.title == "Data rights"
    assert document.text.startswith("The committee met")
    assert "\n## What changes\n" in document.text
    assert "See the law: a_b [1] * 2. The committee" in document.text
    assert "First item" in document.text
    assert "One" in document.text
    assert not any(furniture in document.text for furniture in ("Sport", "Copyright", "https://", "**", "\\"))
    assert (document.doc_id, document.published, document.author) == ("news/a", "2018-05-03", "Ada Byron")
    assert (document.uri, document.source) == ("https://example.org/a", "Example News")
    assert (document.language, document.media_type) == ("en", "text/markdown")


def test_a_page_that_says_nothing_of_itself_is_found_under_its_file(reading):
    document = reading(page(f"<article><p>{PARAGRAPH}</p><p>{PARAGRAPH}</p></article>"))
    assert (document.uri, document.author, document.published) == ("/news/a", "", "")


@pytest.mark.parametrize("declared", ["<meta charset='windows-1251'>", ""])
def test_a_page_in_another_encoding_is_read(reading, declared):
    text = "Президент заявил вчера, что переговоры завершены. Решение будет принято осенью после встречи в Женеве. "
    content = page(f"<article><p>{text * 5}</p><p>{text * 5}</p></article>", declared)
    assert "Президент заявил вчера" in reading(content.encode("cp1251")).text


@pytest.mark.parametrize("content", [page(""), "<html></html>", "<p>", page("<script>x</script>"), "just words"])
def test_a_page_without_an_article_is_told_and_nothing_is_logged(reading, content, caplog):
    with caplog.at_level(logging.DEBUG):
        failure = reading(content)
    assert failure.reason == "no article found in this page: save its text in a file, or remove it"
    assert [record for record in caplog.records if record.name.startswith(("trafilatura", "htmldate"))] == []


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (page("<div " + " ".join(f"a{n}=1" for n in range(50_000)) + ">x</div>"), "attributes"),
        (page("<p>" + "<a href=x>b</a> " * 30_000 + "</p>"), "thousands of parts"),
        (page("<div>" * 100_000), "no article"),
        (b"PK\x03\x04\0\0", "binary"),
    ],
    ids=["attributes", "links", "depth", "binary"],
)
def test_a_page_that_would_take_minutes_is_refused(reading, content, said):
    assert said in reading(content).reason


def test_a_parser_that_breaks_costs_one_article(reading, monkeypatch):
    def broken(*_: object, **__: object) -> None:
        raise AssertionError("met what nobody expected")

    monkeypatch.setattr(trafilatura, "bare_extraction", broken)
    assert reading(ARTICLE).reason == "cannot be read: AssertionError: met what nobody expected"
