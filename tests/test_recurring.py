"""Furniture of a site: found as articles arrive, taken out of earlier ones by sync, put back where it is none."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import json
import random
import sqlite3
import subprocess
import sys
import time
from subprocess import PIPE

import pytest
from cli_tools import run, somewhere_else  # noqa: F401

from searchidx import Document, Index
from searchidx.articles import recurring
from searchidx.encoders import load_encoder
from searchidx.storage import recurrence
from searchidx.storage.recurrence import level_of

WORDS = (
    *("harbour", "council", "bridge", "winter", "teacher", "engine", "village", "market", "signal", "orchard"),
    *("minister", "ferry", "granite", "doctor", "window", "lantern", "season", "railway", "cotton", "verdict"),
    *("archive", "mountain", "printer", "hunger", "tunnel", "painter", "reservoir", "summer", "captain", "glass"),
)
NOTICE = "The Northern Courier is owned by its readers and answers to nobody else in the whole of the county"
CALL = "The Courier counts on what its readers send in, every week of the year, so write to the desk about your street."


def body(number, paragraphs=3):
    """Paragraphs that no other number has."""
    chosen = random.Random(number)
    return "\n\n".join(
        f"{' '.join(chosen.choices(WORDS, k=24)).capitalize()} in the year {1000 + number}." for _ in range(paragraphs)
    )


def write(folder, numbers, *below, above=""):
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        text = "\n\n".join(filter(None, [above, body(number), *below]))
        (folder / f"{number:04}.txt").write_text(text, encoding="utf-8")


def texts(index):
    return {document.doc_id.rpartition("/")[2]: document.text for document in index.export()}


def counts(index):
    path = index.folder / "store.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
        return {
            "counted": connection.execute("SELECT count(*) FROM counted").fetchone()[0],
            "documents": connection.execute("SELECT count(*) FROM documents").fetchone()[0],
            "articles": connection.execute("SELECT coalesce(sum(articles), 0) FROM sites").fetchone()[0],
            "blocks": connection.execute("SELECT count(*) FROM recurring").fetchone()[0],
        }


# texts


@pytest.mark.parametrize("seed", range(50))
def test_what_was_taken_out_can_be_put_back_to_the_character(seed):
    chosen = random.Random(seed)
    common = ["Share this", "Follow us on Twitter", NOTICE, CALL, "* * *", "- one item", "## More from us", "Yes."]
    parts = [chosen.choice([*common, body(number, 1)]) for number in range(chosen.randrange(1, 12))]
    text = "".join(part + chosen.choice(["\n\n", "\n", "\n \n\n"]) for part in parts).strip()
    blocks = recurring.pieces(text)
    levels = {block.number: chosen.randrange(1, 4) for block in blocks if text[block.start : block.end] in common}
    left, removed = recurring.strip(text, blocks, levels)
    assert recurring.restore(left, removed) == text
    assert left == left.strip() != ""
    assert sum(len(piece) for _, piece in removed) == len(text) - len(left)


def without(text, *shared, level=recurring.ANYWHERE):
    blocks = recurring.pieces(text)
    numbers = {block.number for part in shared for block in recurring.pieces(part)}
    return recurring.strip(text, blocks, dict.fromkeys(numbers, level))[0]


@pytest.mark.parametrize("heading", ["Background", "## Background", "What happens next?", "- What we know", "LONDON"])
def test_a_heading_that_a_site_repeats_stays_where_text_follows(heading):
    text = f"{body(1, 1)}\n\n{heading}\n\n{body(2, 1)}"
    assert without(text, heading) == text
    assert without(f"{heading}\n\n{body(1)}", heading) == f"{heading}\n\n{body(1)}"


@pytest.mark.parametrize("line", ["Yes.", "Thank you very much.", "“No.”", "Amen", "No, sir."])
def test_a_short_line_that_a_site_repeats_stays(line):
    text = f"{body(1, 1)}\n\n{line}\n\n{body(2, 1)}\n\n{line}"
    assert without(text, line) == text


def test_a_repeated_block_goes_by_where_it_stands_and_how_often_it_recurs():
    below, within, above = f"{body(1)}\n\n{CALL}", f"{body(1)}\n\n{CALL}\n\n{body(2)}", f"{CALL}\n\n{body(1)}"
    with_sign, at_end, anywhere = recurring.WITH_SIGN, recurring.AT_END, recurring.ANYWHERE
    assert without(below, CALL, level=with_sign) == below
    assert without(below, CALL, level=at_end) == body(1)
    assert without(within, CALL, level=at_end) == within
    assert without(within, CALL, level=anywhere) == f"{body(1)}\n\n{body(2)}"
    assert without(above, CALL, level=at_end) == above
    assert without(above, CALL, level=anywhere) == body(1)
    sign = "Sign up for our daily newsletter"
    assert without(f"{body(1)}\n\n{sign}\n\n{body(2)}", sign, level=with_sign) == f"{body(1)}\n\n{body(2)}"


def test_a_menu_above_goes_and_the_line_next_to_the_article_stays():
    menu = ["Front page", "Local sports", "Opinion and letters"]
    text = "\n\n".join([*menu, body(1)])
    assert without(text, *menu) == f"{menu[-1]}\n\n{body(1)}"


def test_a_text_that_is_nothing_but_what_recurs_stays_whole():
    assert without(f"{CALL}\n\n{NOTICE}", CALL, NOTICE) == f"{CALL}\n\n{NOTICE}"


@pytest.mark.parametrize("text", ["a b\n" * 2_500_000, "x" * 10_000_000, "word " * 2_000_000, f"{CALL}\n\n" * 4_000])
def test_a_text_of_any_shape_is_looked_at_in_seconds(text):
    began = time.process_time()
    blocks = recurring.pieces(text)
    assert recurring.strip(text, blocks, {block.number: 3 for block in blocks}) == (text, [])
    assert time.process_time() - began < 5
    assert len(blocks) <= recurring.MOST


def test_the_site_is_the_host_else_the_outlet_else_the_folder():
    assert recurring.site_of(Document("a", "t", uri="https://www.Example.com/x", source="The Paper")) == "example.com"
    assert recurring.site_of(Document("a", "t", uri="http://m.example.com/x")) == "example.com"
    assert recurring.site_of(Document("a", "t", uri="/news/x.txt", source="The Paper")) == "the paper"
    assert recurring.site_of(Document("a", "t", uri="/news/x.txt")) == "/news"
    assert recurring.site_of(Document("a", "t")) == ""


def test_levels_are_won_by_count_and_share_and_lost_later_than_won():
    assert [level_of(4, 4), level_of(5, 5), level_of(8, 8)] == [0, 1, 3]
    assert [level_of(5, 500), level_of(5, 501)] == [1, 0]
    assert [level_of(40, 1000), level_of(39, 1000), level_of(100, 1000)] == [2, 1, 3]
    assert [level_of(30, 1000, 2), level_of(29, 1000, 2)] == [2, 1]


# an index


def test_what_a_folder_repeats_goes_from_new_articles_and_by_sync_from_earlier_ones(tmp_path):
    write(tmp_path / "site", range(4), NOTICE)
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "site")
        assert all(text.endswith(NOTICE) for text in texts(index).values())
        write(tmp_path / "site", range(4, 10), NOTICE)
        index.add(tmp_path / "site")
        told = texts(index)
        assert [told[f"{number:04}.txt"].endswith(NOTICE) for number in range(10)] == [True] * 4 + [False] * 6
        assert index.status()["recurring"] == {"blocks": 1, "sites": 1, "waiting": 1}
        report = index.sync()
        assert (report.updated, report.unchanged) == (4, 6)
        assert texts(index) == {f"{number:04}.txt": body(number) for number in range(10)}
        assert index.status()["recurring"]["waiting"] == 0
        assert index.search("who owns the Northern Courier", mode="lexical", where=["title=x"]) == []
        hits = index.search("harbour council bridge", 10, group=False)
        assert all(
            index.get(hit.document.doc_id).text[hit.citation.start : hit.citation.end] == hit.passage.text
            for hit in hits
        )
        again = index.sync()
        assert (again.updated, again.unchanged, again.passages) == (0, 10, 0)
        assert index.status(check=True)["problems"] == []


def test_one_add_of_many_files_takes_it_from_all_of_them(tmp_path):
    write(tmp_path / "site", range(30), NOTICE)
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "site")
        assert texts(index) == {f"{number:04}.txt": body(number) for number in range(30)}


def test_what_recurs_on_another_site_is_left_alone(tmp_path):
    write(tmp_path / "site", range(10), NOTICE)
    write(tmp_path / "other", range(10, 14), NOTICE)
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "site", tmp_path / "other")
        assert sum(text.endswith(NOTICE) for text in texts(index).values()) == 4


def test_a_block_whose_share_falls_comes_back_with_the_next_sync(tmp_path):
    write(tmp_path / "site", range(10), CALL)
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "site")
        assert not any(text.endswith(CALL) for text in texts(index).values())
        write(tmp_path / "site", range(100, 450))
        index.add(tmp_path / "site")
        assert not any(text.endswith(CALL) for text in texts(index).values())
        assert index.sync().updated == 10
        told = texts(index)
        assert [told[f"{number:04}.txt"] for number in range(10)] == [f"{body(n)}\n\n{CALL}" for n in range(10)]


def test_versions_and_copies_of_one_article_make_no_furniture(tmp_path):
    folder = tmp_path / "site"
    write(folder, range(10))
    story = body(50, 6).split("\n\n")
    for version in range(30):  # its opening is written anew each time, the rest stays
        lead = body(500 + version, 1)
        (folder / f"version-{version}.txt").write_text("\n\n".join([lead, *story]), encoding="utf-8")
    with Index.create(tmp_path / "index") as index:
        index.add(folder)
        index.sync()
        assert all(story[-1] in text for name, text in texts(index).items() if name.startswith("version"))
        assert index.status()["recurring"]["blocks"] == 0


def test_an_article_that_changes_is_counted_once_and_one_that_goes_no_more(tmp_path):
    write(tmp_path / "site", range(7), NOTICE)
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "site")
        for edition in range(5):
            (tmp_path / "site" / "0000.txt").write_text(f"{body(90 + edition)}\n\n{NOTICE}", encoding="utf-8")
            index.sync()
            assert counts(index) == {"counted": 7, "documents": 7, "articles": 7, "blocks": 22}
        for number in range(3):
            (tmp_path / "site" / f"000{number}.txt").unlink()
        index.sync()
        assert counts(index) == {"counted": 4, "documents": 4, "articles": 4, "blocks": 13}
        assert all(text.endswith(NOTICE) for text in texts(index).values())  # four are too few to tell
        index.remove(*[document.doc_id for document in index.list()])
        assert counts(index) == {"counted": 0, "documents": 0, "articles": 0, "blocks": 0}


def test_records_and_documents_are_left_alone_unless_everywhere_is_said(tmp_path):
    rows = [{"id": f"r{number}", "text": f"{body(number)}\n\n{NOTICE}", "source": "Courier"} for number in range(8)]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    given = [Document(f"d{number}", f"{body(number)}\n\n{NOTICE}", source="Courier") for number in range(20, 28)]
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "rows.jsonl", *given)
        index.sync()
        assert all(text.endswith(NOTICE) for text in texts(index).values())
        assert index.sync(furniture="everywhere").updated == 8
        assert sum(text.endswith(NOTICE) for text in texts(index).values()) == 8  # Documents are not read again
        index.add(*given)
        assert not any(text.endswith(NOTICE) for text in texts(index).values())
        assert index.sync(furniture="drop").updated == 16
        assert all(text.endswith(NOTICE) for text in texts(index).values())


def test_keep_puts_everything_back_even_what_cannot_be_read_again(tmp_path):
    given = [Document(f"d{number}", f"{body(number)}\n\n{NOTICE}", source="Courier") for number in range(8)]
    with Index.create(tmp_path / "index", furniture="everywhere") as index:
        index.add(*given)
        assert [document.text for document in index.export()] == [body(number) for number in range(8)]
        assert index.sync(furniture="keep").updated == 8
        assert sorted(index.export(), key=lambda document: document.doc_id) == given
        assert counts(index) == {"counted": 0, "documents": 8, "articles": 0, "blocks": 0}
    with Index.create(tmp_path / "kept", furniture="keep") as index:
        write(tmp_path / "site", range(8), NOTICE)
        index.add(tmp_path / "site")
        index.sync()
        assert all(text.endswith(NOTICE) for text in texts(index).values())


def test_pages_lose_what_their_site_repeats(tmp_path):
    for number in range(8):
        paragraphs = "".join(f"<p>{part}</p>" for part in [*body(number, 5).split("\n\n"), CALL])
        (tmp_path / f"{number}.html").write_text(
            f"<html><head><title>Story {number}</title><link rel='canonical' href='https://www.example.com/{number}'>"
            f"</head><body><article><h1>Story {number}</h1>{paragraphs}</article></body></html>",
            encoding="utf-8",
        )
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "*.html")
        assert {document.text for document in index.export()} == {body(number, 5) for number in range(8)}
        told = index.inspect(str(tmp_path / "3.html"))
        reasons = {part.text: part.reason for one in told for part in one.parts if not part.kept}
        assert reasons[CALL] == "recurs in 8 of 8 articles of example.com"


def test_what_the_user_says_is_body_comes_back_and_stays(tmp_path, run):
    write(tmp_path / "site", range(10), NOTICE, CALL)
    assert run("add", "site", "-q", "-i", "./i")[0] == 0
    assert "Courier" not in run("export", "-i", "./i")[1]
    assert run("sync", "-q", "-i", "./i", "--body", NOTICE.upper())[0] == 0
    with Index.open(tmp_path / "i") as index:
        assert texts(index) == {f"{number:04}.txt": f"{body(number)}\n\n{NOTICE}" for number in range(10)}
        write(tmp_path / "site", range(10, 20), NOTICE, CALL)
        index.sync()
        assert texts(index) == {f"{number:04}.txt": f"{body(number)}\n\n{NOTICE}" for number in range(20)}


def test_inspect_with_an_index_says_how_often_a_block_recurs(tmp_path, run):
    write(tmp_path / "site", range(10), NOTICE)
    run("add", "site", "-q", "-i", "./i")
    write(tmp_path / "site", [99], NOTICE)
    status, out, _ = run("inspect", "site/0099.txt", "-i", "./i")
    assert status == 0
    assert f"- {NOTICE} ← recurs in 10 of 10 articles of " in " ".join(out.split())
    assert "← " not in run("inspect", "site/0099.txt")[1]
    assert "1 block known on 1 site" in " ".join(run("status", "-i", "./i")[1].split())
    assert run("inspect", "site/0099.txt", "-i", "./i", "--furniture", "keep")[0] == 2
    assert counts(Index.open(tmp_path / "i"))["documents"] == 10


# what is promised


class Failing:
    """The bundled encoder, until a text is too much for it."""

    def __init__(self):
        self._encoder = load_encoder("bundled-en")

    def __getattr__(self, name):
        return getattr(self._encoder, name)

    def encode_passages(self, given):
        if any("enough" in text for text in given):
            raise MemoryError("no more")
        return self._encoder.encode_passages(given)


def test_what_is_not_acknowledged_is_not_counted(tmp_path):
    good = [Document(f"d{number}", f"{body(number)}\n\n{NOTICE}", source="Courier") for number in range(4)]
    with Index.create(tmp_path / "index", encoder=Failing(), furniture="everywhere") as index:
        index.add(*good)
        before = counts(index)
        with pytest.raises(MemoryError):
            index.add(
                *[Document(f"e{n}", f"{body(n)} That is enough.\n\n{NOTICE}", source="Courier") for n in range(50, 60)]
            )
        assert counts(index) == before == {"counted": 4, "documents": 4, "articles": 4, "blocks": 13}


KILLED = """
import sys
from searchidx import Index
with Index.open(sys.argv[1]) as index:
    print("begun", flush=True)
    index.add(sys.argv[2])
    index.sync()
"""


@pytest.mark.slow
def test_a_killed_process_leaves_articles_and_counts_that_belong_together(tmp_path):
    write(tmp_path / "site", range(2500), NOTICE)
    Index.create(tmp_path / "index").close()
    for delay in (0.2, 0.6, 1.2, 2.0):
        run = subprocess.Popen([sys.executable, "-c", KILLED, tmp_path / "index", tmp_path / "site"], stdout=PIPE)
        run.stdout.readline()
        time.sleep(delay)
        run.kill()
        run.communicate()
        with Index.open(tmp_path / "index") as index:
            told = counts(index)
            assert told["counted"] == told["documents"] == told["articles"]
            assert all(
                text in (body(int(name[:4])), f"{body(int(name[:4]))}\n\n{NOTICE}")
                for name, text in texts(index).items()
            )
    with Index.open(tmp_path / "index") as index:
        index.add(tmp_path / "site")
        index.sync()
        assert texts(index) == {f"{number:04}.txt": body(number) for number in range(2500)}
        assert index.status(check=True)["problems"] == []


def test_a_sync_that_ends_early_is_finished_by_the_next(tmp_path):
    write(tmp_path / "site", range(4), f"{NOTICE} enough")
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "site")
        write(tmp_path / "site", range(4, 9), f"{NOTICE} enough")
        index.add(tmp_path / "site")
        (tmp_path / "site" / "0000.txt").rename(tmp_path / "away.txt")
        assert index.sync().removed == 1
    with Index.open(tmp_path / "index") as index:
        assert index.status()["recurring"]["waiting"] == 0
        assert texts(index) == {f"{number:04}.txt": body(number) for number in range(1, 9)}


def test_memory_of_a_site_is_bounded_and_its_furniture_outlives_the_pruning(tmp_path, monkeypatch):
    monkeypatch.setattr(recurrence, "MOST", 200)
    with Index.create(tmp_path / "index", furniture="everywhere") as index:
        for first in range(0, 400, 50):
            index.add(
                *[
                    Document(f"d{number}", f"{body(number, 6)}\n\n{NOTICE}", source="Courier")
                    for number in range(first, first + 50)
                ]
            )
            assert counts(index)["blocks"] <= 200 + 50 * 7
        index.sync()
        assert {document.text for document in index.export()} == {body(number, 6) for number in range(400)}
