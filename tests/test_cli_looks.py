"""How results and progress look on a terminal and in a pipe."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import re

import pytest
from cli_tools import demo_index, on_terminal, run, somewhere_else  # noqa: F401
from rich.cells import cell_len

from searchidx.cli import progress, reading, tables, terminal
from searchidx.ingest import Progress
from searchidx.types import Citation, Document, Failure, Hit, Leg, Passage, Report

HUAWEI = "samples/house-panel-huawei-zte.md"


def hit(text, *, title="A title", uri="", highlights=(), terms=(), others=0, heading="", doc_id="a.md"):
    document = Document(doc_id, "", title=title, uri=uri, published="2018-05-03T10:00:00Z", source="Daily Wire")
    passage = Passage(1, doc_id, 0, heading, 7, 7 + len(text), text)
    citation = Citation(doc_id, title, "Daily Wire", document.published, uri, 7, 7 + len(text))
    legs = {"dense": Leg(3, 0.5123)}
    parts = {"share": 1.0, "cosine": 0.5123}
    return Hit(1, 0.8765, 0.5123, passage, document, legs, citation, highlights, terms, (passage,) * others, parts)


def shown(capsys, *hits, **options):
    terminal.print_hits(hits, **options)
    return capsys.readouterr().out


def test_a_hit_is_title_origin_text_and_citation(capsys):
    out = shown(capsys, hit("The ferry was late.", others=2, heading="News > Sea"))
    assert out == (
        "  1  A title\n"
        "     Daily Wire · 2018-05-03 · score 0.876 · § News > Sea\n"
        "     The ferry was late.\n"
        "     a.md [7-26] · also in this article: 2 more passages\n\n"
    )
    out = shown(capsys, hit("x", title="", others=1))
    assert out.startswith("  1  a.md\n")
    assert "1 more passage\n" in out


def test_a_heading_that_opens_a_passage_is_not_told_twice(capsys):
    text = "## News\n\n### Sea\n\nThe ferry was late."
    spans = {"highlights": ((18, len(text)),), "terms": ((12, 15), (22, 27))}
    out = shown(capsys, hit(text, heading="News > Sea", **spans))
    assert "§ News > Sea\n     The ferry was late.\n" in out
    assert "## News\n" in shown(capsys, hit(text, heading="News > Sea", **spans), full=True)
    assert "## News" in shown(capsys, hit("## News", heading="News"))


def test_explain_shows_every_part_of_the_score(capsys):
    out = shown(capsys, hit("x"), explain=True)
    assert re.search(r"^ +dense +rank +3 +score +0\.5123$", out, re.M)
    assert re.search(r"^ +lexical +not found$", out, re.M)
    assert re.search(r"^ +merged +rank +1 +score +0\.5123$", out, re.M)
    assert re.search(r"^ +score +0\.8765 from share 1\.0000, cosine 0\.5123$", out, re.M)


def test_a_long_passage_is_cut_to_a_few_lines_around_its_best_sentence_between_words(capsys):
    sentences = [f"Sentence number {n} is about nothing in particular." for n in range(40)]
    text = " ".join(sentences)
    start = text.index(sentences[25])
    long = hit(text, highlights=((start, start + len(sentences[25])),))
    lines = shown(capsys, long).splitlines()[2:-2]
    assert 3 <= len(lines) <= 5
    quoted = " ".join(line.strip() for line in lines)
    assert quoted.startswith("… ")
    assert quoted.endswith(" …")
    assert sentences[25] in quoted
    assert set(quoted.strip("… ").split()) <= set(text.split())
    everything = shown(capsys, long, full=True)
    assert all(sentence in " ".join(everything.split()) for sentence in sentences)


@pytest.mark.parametrize("focus", [[], [(0, 5)], [(300, 320)], [(995, 1000)], [(0, 1000)], [(10, 20), (900, 950)]])
@pytest.mark.parametrize("room", [50, 300, 2000])
def test_a_window_lies_within_the_text_and_shows_the_start_of_its_focus(focus, room):
    text = ("word " * 200)[:1000]
    start, end = terminal.window(text, focus, room)
    assert 0 <= start < end <= 1000
    assert end - start <= max(room, 1) * 1.2
    if focus:
        assert start <= focus[0][0] < end


@pytest.mark.parametrize("columns", [40, 80, 100, 300])
def test_lines_keep_to_the_width_and_have_no_blanks_at_the_end(capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    text = "Ferries wait for the tide at the bar of the harbour. " * 40
    out = shown(capsys, hit(text, heading="A heading " * 12), hit("电信" * 300), full=True)
    lines = out.splitlines()
    assert max(map(cell_len, lines)) <= min(columns, terminal.WIDTH)
    assert all(line == line.rstrip() for line in lines)


def test_nothing_in_an_article_is_markup_or_moves_the_cursor(capsys):
    evil = "[red]a[/red] [link=x]b[/link] :smile: \x1b[31mc\x1b[0m \x1b]0;title\x07d "
    evil += "\u202eesrever\u202c \x9b2Je\r\nf\tg\x00h\b"
    out = shown(capsys, hit(evil, title=evil, heading=evil, doc_id=evil, uri="https://x\x1b\\evil"), full=True)
    assert out.startswith("  1  [red]a[/red] [link=x]b[/link] :smile: c d esrever 2Je f gh\n")
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", out)


def test_cleaning_keeps_spans_on_their_words():
    text = "\x1b[1mUS\x1b[0m   bans\n\n\x1b]8;;x\x07Huawei\x1b]8;;\x07 \x00now"
    spans = [(text.index(word), text.index(word) + len(word)) for word in ("US", "bans", "Huawei", "now")]
    for lines in (False, True):
        cleaned, moved = terminal.clean(text, spans, lines=lines)
        assert [cleaned[start:end] for start, end in moved] == ["US", "bans", "Huawei", "now"]
    assert terminal.clean(text)[0] == "US bans Huawei now"
    assert terminal.clean("a\n  b\tc\r\nd", lines=True)[0] == "a\n  b    c \nd"


@pytest.mark.parametrize(
    ("uri", "wanted"),
    [
        ("https://example.org/a b", "https://example.org/a%20b"),
        ("https://example.org/\x1b]8;;", "https://example.org/%1B]8;;"),
        ("javascript:alert(1)", None),
        ("", None),
        ("gone.md", None),
        ("\0", None),
    ],
)
def test_links_lead_to_web_addresses_and_files_only(uri, wanted):
    assert terminal.link(uri) == wanted


def test_a_file_is_linked_by_its_absolute_address(tmp_path):
    (tmp_path / "ä b.md").touch()
    assert terminal.link("ä b.md") == (tmp_path / "ä b.md").as_uri()


def test_a_terminal_gets_links_and_highlights_and_a_bar_that_goes_away(demo_index, tmp_path):
    out = on_terminal("search", "huawei", "-i", demo_index, "-k", "1")
    assert re.search(r"\x1b\]8;id=\d+;file:///.*\.md\x1b\\", out)
    assert re.search(r"\x1b\[[\d;]*1;31m\w", out)
    assert "\x1b[2m" in out
    added = on_terminal("demo", "-i", tmp_path / "demo")
    assert "reading articles" in added
    assert "\x1b[?25h" in added  # the cursor is back
    assert " added; " in added
    assert "reading articles" not in added.rpartition("\x1b[2K")[2]


def test_no_color_and_pipes_have_no_escape_codes(demo_index, run):
    assert not re.search(r"\x1b", on_terminal("search", "huawei", "-i", demo_index, env={"NO_COLOR": "1"}))
    for typed in (["search", "huawei"], ["list"], ["status"], ["context", "huawei"], ["get", HUAWEI]):
        assert not re.search(r"\x1b", run(*typed, "-i", demo_index)[1])


@pytest.mark.parametrize(
    "typed", [["list"], ["list", "--limit", "3"], ["status"], ["encoders"], ["search", "-h"]], ids=" ".join
)
def test_tables_on_a_terminal_keep_to_its_width(demo_index, typed):
    index = ["-i", demo_index] if typed[0] in ("list", "status") else []
    out = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", on_terminal(*typed, *index, columns=90))
    assert max(len(line.rstrip("\r")) for line in out.split("\n")) <= 90


def test_long_lists_on_a_terminal_say_how_to_see_more(monkeypatch, run, demo_index):
    monkeypatch.setattr(reading, "TABLE_ROWS", 5)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    _, out, err = run("list", "-i", demo_index)
    assert len(re.findall(r"^\d{4}-\d\d-\d\d ", out, re.M)) == 5
    assert err == "these are the first 5: --limit N shows more\n"


SET = "dropped from plain text files; what recurs, from pages too"


def test_status_words_follow_the_state_of_the_parts():
    told = {
        "path": "x", "format": 1, "created": "2026-01-02T03:04:05+00:00", "documents": 2000, "passages": 9000,
        "encoder": {"name": "e", "dim": 256}, "max_tokens": 200, "position": 9100, "bytes": 30_000_000,
        "language": "en", "furniture": "drop", "recurring": {"blocks": 1, "sites": 1, "waiting": 2},
        "copies": {"stories": 300, "articles": 1240, "pending": 1},
        "dense": {"kind": "ivf", "recall@10": 0.9876, "bytes": 10_000_000, "tail": 100, "position": 9100},
        "lexical": {"segments": 3, "bytes": 50_000, "position": 9000},
        "roots": ["/a", "/b"], "failures": [{"uri": "/a/x", "reason": "it is empty"}], "problems": ["p1", "p2"],
    }  # fmt: skip
    facts = tables.status_facts(told)
    assert ("size", "30.0 MB (store 19.9 MB, dense 10.0 MB, lexical 50 kB)") in facts
    assert ("copies", "1,240 articles tell 300 stories; 1 article not compared yet: searchidx sync") in facts
    assert ("dense", "nearest clusters (recall@10 0.988), 100 newer changes beside the file, up to date") in facts
    assert (
        "furniture",
        f"{SET}; 1 block known on 1 site, on 2 not yet looked for in earlier articles: searchidx sync",
    ) in facts
    assert ("lexical", "3 segments, 100 changes behind: searchidx sync") in facts
    assert facts[-5:] == [
        ("sources", "/a"),
        ("", "/b"),
        ("failed", "/a/x: it is empty"),
        ("problems", "p1"),
        ("", "p2"),
    ]


def test_a_report_is_one_line():
    report = Report(1200, 2, 3, 4, 5000, 2.5, (Failure("a", "b"),))
    assert tables.report_line(report) == (
        "1,200 added, 2 updated, 4 removed, 3 unchanged, 1 failed; 5,000 passages encoded in 2.5 s (2,000/s)"
    )
    assert tables.report_line(Report(seconds=0.04)) == "nothing found in 0.0 s"


# progress


def test_without_a_terminal_there_is_a_line_every_few_seconds_and_none_for_short_work(capsys, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.watching() as watch:
        for second in range(13):
            now[0] = float(second)
            watch(Progress("articles", 10 * second, 100 * second, second, 20))
            if second == 4:
                assert capsys.readouterr().err == ""
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "reading articles: 25% 50 articles, 500 passages, 5 s",
        "reading articles: 50% 100 articles, 1,000 passages, 100/s, 10 s",
    ]


def test_quiet_shows_nothing_and_still_knows_what_is_finished(capsys):
    with pytest.raises(progress.Interrupted, match="1,234 articles were finished and stay"):  # noqa: PT012, SIM117
        with progress.watching(quiet=True) as watch:
            watch(Progress("articles", 1234, 5000))
            watch(Progress("index", done=0, total=9))
            raise KeyboardInterrupt
    assert capsys.readouterr().err == ""


def test_an_interrupted_change_of_encoder_counts_passages():
    with pytest.raises(progress.Interrupted, match="interrupted: 512 passages were encoded and stay"):  # noqa: PT012, SIM117
        with progress.watching(quiet=True) as watch:
            watch(Progress("encode", passages=512, done=512, total=2000))
            raise KeyboardInterrupt


def test_the_bar_shows_every_stage():
    bar = progress.Bar()
    for stage in (
        Progress("encode", passages=10, done=10, total=100),
        Progress("articles", 5, 20, 300, 0),
        Progress("articles", 5, 20, 300, 200),
        Progress("index", done=50, total=200),
    ):
        bar(stage)
        task = bar.bar.tasks[0]
        assert task.completed <= (task.total or task.completed)
        assert task.description == {"encode": "encoding passages", "articles": "reading articles"}.get(
            stage.stage, "arranging passages"
        )
    assert task.percentage == 25
    assert task.fields["counts"] == "50 of 200 changes"
