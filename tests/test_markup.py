"""What the article view makes of a text, and that every mark stands where a citation says."""

import time

import pytest

from searchidx import Document
from searchidx.serving.markup import MAX_BLOCKS, article


@pytest.mark.parametrize("media_type", ["text/markdown", "text/plain"])
def test_the_marked_passage_is_exactly_that_of_the_span(media_type):
    text = "# One\n\nFirst *line* of\nit, and `code`.\n\n- a\n- b c\n\n> said\n> he\n\n```\nx  <y>\n```\n\nThe [end](https://e.example/x_y)."
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1, 3):
            runs = [
                run
                for group in article(Document("d", text, media_type=media_type), (start, end))
                for block in group.blocks
                for piece in block.pieces
                for run in piece.runs
            ]
            marked = "".join(run.text for run in runs if run.marked)
            unmarked = [character for character in text[start:end] if character not in "# *`->[]()\n"]
            left_out = "https://e.example/x_y" if media_type == "text/markdown" else ""
            kept = iter(unmarked)
            assert all(character in kept for character in marked if character not in "# *`->[]()\n")
            assert len("".join(unmarked)) - len([c for c in marked if c not in "# *`->[]()\n"]) <= len(left_out)
            assert sum(run.anchor for run in runs) == (1 if marked.strip() else 0)
            assert not marked.strip() or next(run for run in runs if run.marked and run.text.strip()).anchor


def test_markdown_becomes_headings_lists_quotations_and_code():
    text = (
        "Title\n=====\n\npara\ngoes on\n### Low ###\n1. x\n2. y\n\n* z\n---\n> q\n> r\n~~~\n# no heading\n~~~\n"
        "**b** _i_ a_b_c [l](http://h.example/) [j](javascript:x)"
    )
    groups = article(Document("d", text, media_type="text/markdown"))
    seen = [
        (group.within, block.tag, [(p.tag, "".join(r.text for r in p.runs).strip()) for p in block.pieces])
        for group in groups
        for block in group.blocks
    ]
    assert seen == [
        ("", "h2", [("", "Title")]),
        ("", "p", [("", "para\ngoes on")]),
        ("", "h4", [("", "Low")]),
        ("ol", "li", [("", "x")]),
        ("ol", "li", [("", "y")]),
        ("ul", "li", [("", "z")]),
        ("", "hr", []),
        ("blockquote", "p", [("", "q"), ("", "r")]),
        ("", "pre", [("", "# no heading")]),
        ("", "p", [("b", "b"), ("", ""), ("i", "i"), ("", "a_b_c"), ("a", "l"), ("", ""), ("", "j")]),
    ]
    plain = article(Document("d", "A heading here\n\nA paragraph that is longer.\n\n# Not one\n\n**x**"))
    assert [(b.tag, b.pieces[0].runs[0].text) for b in plain[0].blocks] == [
        ("h2", "A heading here"),
        ("p", "A paragraph that is longer."),
        ("p", "# Not one"),
        ("p", "**x**"),
    ]


@pytest.mark.parametrize("unit", ["a\n\n", "- a\n", "[*_`", "[a](x", "> ", "# a  ", "**a ", "`", "\n", "<b>", "* * "])
def test_no_text_makes_an_article_slow(unit):
    text = "x " + unit * (2_000_000 // len(unit))
    for media_type in ("text/markdown", "text/plain"):
        began = time.perf_counter()
        groups = article(Document("d", text, media_type=media_type), (1_000_000, 1_000_900))
        assert time.perf_counter() - began < 15  # a square of the length would take minutes
        assert sum(len(group.blocks) for group in groups) <= MAX_BLOCKS + 1
