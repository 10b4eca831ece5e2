"""Furniture of scraped texts: what goes, what stays, and how it is told."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import json
import time

import pytest
from cli_tools import on_terminal, run, somewhere_else  # noqa: F401
from conftest import SHARED

from searchidx import Document, Index
from searchidx.articles.boilerplate import judge, strip

BODY = (
    "The harbour board voted on Tuesday to close the old ferry pier for the winter, after divers found cracks in two "
    "of its nine piles.\n\n"
    "Repairs will cost about four million crowns and take until April, the engineer in charge told the meeting.\n\n"
    "A long argument\n\n"
    "Fishermen have asked for the work since 2011. “We said it would come to this,” said one of them, who has moored "
    "there for thirty years.\n\n"
    "The board will meet again in March."
)
BIO = "Ina Vestergaard\n\nIna Vestergaard is a reporter for the Northern Courier. She covers ports, fish and weather."
LIST = (
    "Recent Posts\n\n"
    "Bakers Win Right To Open On Sundays\n\nCourt rules for eleven bakeries after a dispute of…\n\n2 days ago\n\n"
    "Lighthouse Sold To A Poet\n\nThe last keeper hands over the keys to a writer from the…\n\n3 days ago\n\n"
    "Snow Closes Pass Road\n\nDrivers are told to take the tunnel while ploughs work their way up to…\n\n1 week ago"
)


def kept(text):
    return strip(text)[0]


def dropped(text):
    return [text[block.start : block.end] for block in judge(text) if not block.kept]


# what stays


def test_an_article_without_furniture_stays_as_it_is():
    assert kept(BODY) == BODY
    assert all(block.kept for block in judge(BODY))


@pytest.mark.parametrize(
    "ending",
    [
        "Results\n\nNorth 3, South 1\n\nEast 0, West 0\n\nHills 2, Valley 2",
        "You need:\n- 200 g flour\n- two eggs\n- a pinch of salt\n- Milk From Any Cow",
        "She covers her eyes.\n\n“Follow us,” he said, and they followed.",
        "The terms of the sale were not disclosed.",
        "An agreement with the divers can be reached by the middle of the month, both sides said on Tuesday evening.",
        "Tags\n\nred\n\nblue\n\nThe engineer hung one of these on every pile that he looked at, and missed none.",
        "He read more: three books a week, then four, and in the end he wrote one himself.",
        "It came an hour ago, she said, and yesterday, and the day before that.",
        "More than forty boats were moored there when the storm came, and none of them was lost.",
        "Click on “Add a boat” and then choose the pier at which it is to lie.",
        "This post was originally published on the harbour blog.",
        "Join us on Wednesday, when the board opens its doors to the public today.",
        "For example, here is the comment policy of another harbour:",
    ],
)
def test_what_only_resembles_furniture_stays(ending):
    text = f"{BODY}\n\n{ending}"
    assert kept(text) == text


def test_hard_wrapped_lines_are_one_block():
    lines = (
        "The harbour board voted on Tuesday to close the old ferry pier",
        "for the winter, after divers found cracks in two of its nine",
        "piles, which were driven in 1931 and never looked at.",
    )
    assert len(judge("\n".join(lines))) == 1
    assert len(judge("\n".join(LIST.split("\n\n")))) == len(LIST.split("\n\n"))


def test_teasers_of_whole_sentences_go_below_a_bio_where_they_are_many():
    teasers = [
        f"Snow Closes Pass Road {n}\n\nDrivers take the tunnel while {n} ploughs clear the road." for n in range(9)
    ]
    assert kept("\n\n".join([BODY, BODY, BIO, *teasers])) == f"{BODY}\n\n{BODY}"
    topics = [teaser.replace("\n\n", "\n\nLocal news\n\n") for teaser in teasers[:4]]
    assert kept("\n\n".join([BODY, BODY, BIO, *topics])) == f"{BODY}\n\n{BODY}"


def test_what_an_article_lists_stays():
    first, rest = BODY.split("\n\n", 1)
    listed = (
        "You can now:\n\n* Sign up to receive e-mail alerts about the pier\n\n- Read: what the board wrote in March"
    )
    assert kept(f"{first}\n\n{listed}\n\n{rest}") == f"{first}\n\n{listed}\n\n{rest}"


def test_a_list_of_stories_in_the_middle_does_not_take_the_rest_of_the_article_with_it():
    first, rest = BODY.split("\n\n", 1)
    text = f"{first}\n\nRelated stories\n\nPier Had Been Closed In 1987\n\n{rest}"
    assert kept(text).endswith(rest)


def test_a_menu_over_an_article_does_not_take_the_article_with_it():
    menu = "Menu\n\nContact us\n\nMost read\n\n" + "\n\n".join(f"Section {number}" for number in range(200))
    text = f"{menu}\n\n{BODY}\n\n© 2024 Northern Courier"
    assert kept(text).endswith(BODY)


# what goes


@pytest.mark.parametrize(
    "furniture", [BIO, LIST, f"{BIO}\n\n{LIST}", f"Do you know all about boats? Try our quiz!\n\n{LIST}"]
)
def test_what_follows_an_article_goes_whole(furniture):
    assert kept(f"{BODY}\n\n{furniture}") == BODY


@pytest.mark.parametrize(
    ("furniture", "reason"),
    [
        ("Advertisement", "advertisement"),
        ("Read more: Ferries to stop at noon", "pointer to another story"),
        ("Sign up for our free daily newsletter", "call to act"),
        ("Share on Facebook", "share bar"),
        ("Facebook Twitter Email", "share bar"),
        ("3 hours ago", "time ago"),
        ("vor 3 Stunden", "time ago"),
        ("il y a 2 jours", "time ago"),
        ("hace 5 minutos", "time ago"),
        ("3日前", "time ago"),
    ],
)
def test_some_blocks_go_wherever_they_stand(furniture, reason):
    first, rest = BODY.split("\n\n", 1)
    text = f"{first}\n\n{furniture}\n\n{rest}"
    assert kept(text) == BODY
    assert [block.reason for block in judge(text) if not block.kept] == [reason]


@pytest.mark.parametrize(
    ("furniture", "reason"),
    [
        ("© 2024 Northern Courier. All rights reserved.", "notice"),
        ("We use cookies to make this site better for you.", "notice"),
        ("Reporting by Ina Vestergaard; editing by Per Holm", "author"),
        ("Most read", "list of other stories"),
        ("Das könnte Sie auch interessieren", "list of other stories"),
    ],
)
def test_other_blocks_go_at_the_end_only(furniture, reason):
    text = f"{BODY}\n\n{furniture}"
    assert kept(text) == BODY
    assert judge(text)[-1].reason == reason
    if reason != "notice":
        first, rest = BODY.split("\n\n", 1)
        assert dropped(f"{first}\n\n{furniture}\n\n{rest}") == []


def test_readers_comments_go_with_what_stands_between_their_marks():
    comments = "\n\n".join(
        f"Reader{number} says:\n\nI was there that day, and it was not at all as the board now wants us to believe."
        for number in range(5)
    )
    assert kept(f"{BODY}\n\nLeave a comment\n\nMore Comments\n\n{comments}\n\nReply\n\n© 2024 Courier") == BODY


def test_lines_without_blank_lines_between_them_are_judged_one_by_one():
    text = "\n".join(part for part in f"{BODY}\n\n{LIST}".split("\n\n"))
    assert kept(text) == BODY.replace("\n\n", "\n")


def test_a_text_of_nothing_but_furniture_stays_whole():
    text = "Advertisement\n\nSign up for our newsletter\n\nRecent Posts"
    assert kept(text) == text
    assert all(block.kept for block in strip(text)[1])


# how it is told


def test_blocks_cover_the_text_in_order_and_each_has_a_score_and_a_reason():
    text = f"{BODY}\n\n{LIST}"
    blocks = judge(text)
    assert "".join("".join(text[block.start : block.end].split()) for block in blocks) == "".join(text.split())
    assert all(block.reason for block in blocks)
    assert all(block.score < 0 for block in blocks if len(text[block.start : block.end]) > 90 and block.kept)
    assert all(block.score > 0 for block in blocks if not block.kept)


# bad input


@pytest.mark.parametrize(
    "text",
    [
        "word " * 2_000_000,
        "word. " * 1_600_000,
        "x" * 10_000_000,
        f"{BODY}\n\n" * 15_000,
        "Recent Posts\n\n" * 100_000,
        "1 day ago\n" * 50_000,
        "Facebook Twitter " * 600_000,
        "\n\n".join(["Facebook Twitter Email Print " * 20] * 2000),
        "\n\n".join(["a " * 349] * 10_000),
        "\n\n".join([f"By {'Ab ' * 200}"] * 2000),
        "\n\n".join([f"{'Privacy Policy | ' * 40}!"] * 2000),
        "\n\n".join([f"Ab Cd is a {'b-c ' * 150}"] * 2000),
        "\n" * 10_000_000,
        "",
    ],
    ids=range(14),
)
def test_ten_megabytes_of_anything_are_judged_in_seconds(text):
    began = time.process_time()
    strip(text)
    assert time.process_time() - began < 20


# in an index


def test_an_index_drops_furniture_of_plain_text_files_and_cites_the_cleaned_text(tmp_path):
    path = tmp_path / "pier.txt"
    path.write_text(f"{BODY}\n\n{LIST}", encoding="utf-8")
    with Index.create(tmp_path / "index") as index:
        index.add(path)
        (article,) = index.export()
        assert article.text == BODY
        (hit,) = index.search("closing the ferry pier", 1)
        assert article.text[hit.citation.start : hit.citation.end] == hit.passage.text
        assert all("poet" not in hit.passage.text for hit in index.search("lighthouse sold to a poet", mode="lexical"))


def test_furniture_of_records_markdown_and_documents_is_left_alone(tmp_path):
    text = f"{BODY}\n\n{LIST}"
    (tmp_path / "a.jsonl").write_text(json.dumps({"id": "a", "text": text}), encoding="utf-8")
    (tmp_path / "b.md").write_text(text, encoding="utf-8")
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "a.jsonl", tmp_path / "b.md", Document("c", text))
        assert [article.text for article in index.export()] == [text] * 3


def test_sync_repeats_the_choice_and_changes_it_for_files_that_did_not_change(tmp_path):
    path = tmp_path / "pier.txt"
    path.write_text(f"{BODY}\n\n{LIST}", encoding="utf-8")
    with Index.create(tmp_path / "index", furniture="keep") as index:
        index.add(path)
        assert index.sync().unchanged == 1
        assert next(index.export()).text == f"{BODY}\n\n{LIST}"
        assert index.sync(furniture="drop").updated == 1
        assert next(index.export()).text == BODY
        assert index.status()["furniture"] == "drop"
        assert index.sync(furniture="drop").unchanged == 1
        assert index.sync(furniture="keep").updated == 1
    with Index.open(tmp_path / "index") as index:
        assert index.status()["furniture"] == "keep"
        with pytest.raises(ValueError, match="choose drop, everywhere or keep"):
            index.sync(furniture="burn")
    with pytest.raises(ValueError, match="choose drop, everywhere or keep"):
        Index.create(tmp_path / "other", furniture="burn")
    assert not (tmp_path / "other").exists()


def test_the_command_line_sets_the_choice_once_and_sync_changes_it(tmp_path, run):
    path = tmp_path / "pier.txt"
    path.write_text(f"{BODY}\n\n{LIST}", encoding="utf-8")
    assert run("add", path, "-q", "-i", "./i", "--furniture", "keep")[0] == 0
    status, _, err = run("add", path, "-i", "./i", "--furniture", "drop")
    assert status == 2
    assert "sync --furniture drop" in err
    assert "Lighthouse" in run("export", "-i", "./i")[1]
    assert run("sync", "-q", "-i", "./i", "--furniture", "drop")[0] == 0
    assert "Lighthouse" not in run("export", "-i", "./i")[1]
    assert "dropped from plain text files" in run("status", "-i", "./i")[1]


# inspect


def test_inspect_shows_what_is_dropped_and_why_and_indexes_nothing(tmp_path, run):
    (tmp_path / "pier.txt").write_text(f"Ferry pier to close\n\n{BODY}\n\n{BIO}\n\n{LIST}", encoding="utf-8")
    status, out, err = run("inspect", "pier.txt")
    assert (status, err) == (0, "")
    assert out.startswith("Ferry pier to close\n")
    lines = out.splitlines()
    assert any("- Recent Posts  ← list of other stories" in line for line in lines)
    assert any("- 2 days ago  ← time ago" in line for line in lines)
    assert not any("←" in line for line in lines if "Fishermen" in line)
    assert "passage   1 [0-" in out
    assert not (tmp_path / "indexes").exists()
    everything = run("inspect", "pier.txt", "--furniture", "keep")[1]
    assert "←" not in everything
    assert "kept as it is" in everything


def test_inspect_tells_the_same_as_json_and_add_stores_the_same(tmp_path, run):
    (tmp_path / "pier.txt").write_text(f"{BODY}\n\n{LIST}", encoding="utf-8")
    status, out, _ = run("inspect", "pier.txt", "--json")
    (told,) = json.loads(out)
    assert status == 0
    assert told["document"]["text"] == BODY
    assert [part["text"] for part in told["parts"] if part["kept"]] == BODY.split("\n\n")
    assert {part["reason"] for part in told["parts"] if not part["kept"]} >= {"list of other stories", "time ago"}
    assert all(BODY[one["start"] : one["end"]] == one["text"] for one in told["passages"])
    with Index.create(tmp_path / "i") as index:
        index.add("pier.txt")
        assert next(index.export()).text == told["document"]["text"]


def test_inspect_of_a_page_tells_what_extraction_left_out(tmp_path, run):
    paragraphs = "".join(f"<p>{part}</p>" for part in BODY.split("\n\n"))
    page = (
        "<html lang='en'><head><title>Ferry pier to close</title><script>var x = 'hidden';</script></head><body>"
        f"<nav><a href='/a'>Home</a></nav><article><h1>Ferry pier to close</h1>{paragraphs}"
        "</article><footer>© 2024 Northern Courier. All rights reserved.</footer></body></html>"
    )
    (tmp_path / "pier.html").write_text(page, encoding="utf-8")
    (told,) = json.loads(run("inspect", "pier.html", "--json")[1])
    parts = {part["text"]: part for part in told["parts"]}
    assert parts["The board will meet again in March."]["kept"]
    assert not parts["© 2024 Northern Courier. All rights reserved."]["kept"]
    assert not any("hidden" in text for text in parts)
    assert told["format"] == "text/html"
    assert told["document"]["title"] == "Ferry pier to close"


def test_inspect_reads_all_that_add_reads_and_reports_what_failed(tmp_path, run, monkeypatch):
    (tmp_path / "a.jsonl").write_text('{"id": "a", "text": "One body."}\nnot json\n', encoding="utf-8")
    status, out, err = run("inspect", "a.jsonl")
    assert (status, "One body." in out, "kept as it is" in out) == (0, True, True)
    assert "a.jsonl:2: line 2 is not valid JSON" in err
    status, out, err = run("inspect", "gone.txt")
    assert (status, out) == (1, "")
    assert "no such file or folder" in err
    assert run("inspect", "gone.txt", "--json")[:2] == (1, "[]\n")
    assert run("inspect")[0] == 2
    assert json.loads(run("inspect", "a.jsonl", "a.jsonl", "--limit", "1", "--json")[1])[0]["document"]["doc_id"] == "a"


def test_inspect_says_when_a_text_is_nothing_but_furniture(tmp_path, run):
    (tmp_path / "a.txt").write_text("Read more: boats\n\nAdvertisement\n\nRecent Posts", encoding="utf-8")
    status, out, _ = run("inspect", "a.txt")
    assert status == 0
    assert "nothing but furniture: kept whole" in out


def test_inspect_strikes_out_on_a_terminal_what_is_dropped_and_cleans_what_it_prints(tmp_path):
    path = tmp_path / "pier.txt"
    path.write_text(f"{BODY}\n\nRecent Posts\n\nA \x1b[31mred\x1b[0m teaser[bold]\n\n2 days ago", encoding="utf-8")
    out = on_terminal("inspect", path)
    assert "\x1b[2;9mRecent Posts" in out
    assert "\x1b[31m" not in out
    assert "teaser[bold]" in out


# real texts


@pytest.mark.skipif(not (SHARED / "samples").is_dir(), reason="needs the shared data")
def test_the_sample_article_keeps_its_body_and_loses_everything_below_it():
    text = (SHARED / "samples" / "best-buy-huawei.txt").read_text(encoding="utf-8").strip()
    body, prompt, _ = text.partition("\n\nDo you know all about security? Try our quiz!")
    assert prompt
    assert kept(text) == body
