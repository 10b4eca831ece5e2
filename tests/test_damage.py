"""Truncated files and flipped bits, in every file of an index: repaired from the truth, or refused, and never wrong."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cli_tools import run  # noqa: F401

from searchidx import Document, Index, IndexCorrupted
from searchidx.storage import dense, lexical
from searchidx.storage.pages import Pages

WORKER = Path(__file__).with_name("damage_worker.py")
ARTICLES = 30
TRUTH = ("store.db", "store.db-wal")


def article(number):
    text = "\n\n".join(
        f"word{number}y{part} The harbour was closed by a storm, and ministers spoke of grain exports. "
        * (4 + number % 9)
        for part in range(3)
    )
    return Document(
        f"articles/{number}.md", text, title=f"Report {number}", published=f"20{10 + number % 14}-05-0{1 + number % 9}",
        source="Paper" if number % 2 else "Wire", metadata={"topic": f"t{number % 4}", "n": number},
    )  # fmt: skip


def make(folder, closed):
    """An index with a FAISS file, several tantivy segments, removed and replaced articles, and a log unless closed."""
    with Index.create(folder) as index:
        index.add(*map(article, range(10)))
        for number in range(10, ARTICLES):
            index.add(article(number))
        index.remove("articles/3.md")
        index.add(Document("articles/5.md", article(5).text, title="Report 5 again"), article(3))
        if not closed:
            shutil.copytree(folder, folder.with_name("log"))
            shutil.rmtree(folder.with_name("log") / "dense", ignore_errors=True)
    return folder if closed else folder.with_name("log")


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    """Two indexes: with all in ``store.db``, and with much of it in the log of a writer that is still there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense, "TAIL_LIMIT", 20)
        patch.setattr(lexical, "SMALL", 0)
        patch.setattr(lexical, "TAIL_LIMIT", 12)
        folder = tmp_path_factory.mktemp("whole")
        yield {True: make(folder / "index", closed=True), False: make(folder / "open", closed=False)}


def files_of(whole):
    """What an index consists of; of tantivy's files the largest of each kind."""
    sized = {path: path.stat().st_size for path in whole.rglob("*") if path.is_file()}
    left_out = ("store.db-shm", "writer.json")
    files = [path for path, size in sized.items() if size and path.name not in left_out and path.suffix != ".lock"]
    kinds = {path.suffix if len(path.stem) == 32 or ".del" in path.name else path.name: path
             for path in sorted(files, key=lambda path: (sized[path], path))}  # fmt: skip
    return {str(path.relative_to(whole)): sized[path] for path in sorted(kinds.values())}


def cases(whole, cuts, flips, rng, only=None):
    """Places to cut and bits to flip, in every file that an index consists of."""
    for name, size in files_of(whole).items():
        if only is None or name in only:
            yield name, "missing", 0
            places = {0, size - 1, *(rng.randrange(size) for _ in range(cuts - 2))}
            yield from ((name, "cut", place) for place in sorted(places))
            yield from ((name, "flip", bit) for bit in sorted(rng.randrange(8 * size) for _ in range(flips)))


def outcomes(whole, scratch, chosen):
    scratch.mkdir()
    run = subprocess.run(
        [sys.executable, str(WORKER), str(whole), str(scratch)],
        input="\n".join(map(json.dumps, chosen)), capture_output=True, text=True, cwd=WORKER.parents[1], check=False,
    )  # fmt: skip
    told = [json.loads(line) for line in run.stdout.splitlines()]
    assert (run.returncode, len(told)) == (0, len(chosen)), (chosen[len(told) : len(told) + 1], run.stderr[-2000:])
    return told


def assert_survived(told, articles=ARTICLES):
    for name, kind, number, outcome, rescued in told:
        where = (name, kind, number, outcome, rescued)
        if name in TRUTH or (name, kind) == ("store.db", "missing"):
            assert outcome in ("same", "same, and the check says so", "refused", "less, and the check says so"), where
        else:
            assert outcome == "same", where  # arrangements are made anew from the truth
        if rescued is None:
            continue
        right, others, lost = rescued
        if name == "store.db":
            assert others == 0, where
        if kind == "flip" and name == "store.db":
            assert right + lost >= articles, where
            assert lost <= 8, where


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "with a log"])
def test_damage_in_any_file_is_repaired_or_refused_and_never_a_wrong_answer(wholes, memory, closed):
    cuts, flips = int(os.environ.get("SEARCHIDX_TEST_CUTS", "2")), int(os.environ.get("SEARCHIDX_TEST_FLIPS", "2"))
    chosen = list(cases(wholes[closed], cuts, flips, random.Random(7), None if closed else TRUTH))
    told = outcomes(wholes[closed], memory / "scratch", chosen)
    assert_survived(told)
    counts = Counter(
        f"{'truth' if name in TRUTH else 'arrangements'}, {kind}: {outcome}" for name, kind, _, outcome, _ in told
    )
    sys.stdout.write("".join(f"{count:6} {what}\n" for what, count in sorted(counts.items())))  # seen with -rP


def test_a_salvage_takes_out_every_article_from_a_store_that_sqlite_refuses(wholes, tmp_path, run):
    folder = tmp_path / "broken"
    shutil.copytree(wholes[True], folder)
    with open(folder / "store.db", "r+b") as file:
        file.write(bytes(2000))
    status, out, _ = run("check", "-i", folder)
    assert status == 1
    assert "--salvage" in out
    status, _, err = run("check", "-i", folder, "--salvage", tmp_path / "saved.jsonl")
    assert (status, f"{ARTICLES} articles written" in err) == (0, True), err
    with Index.create(tmp_path / "again") as index:
        assert index.add(tmp_path / "saved.jsonl").added == ARTICLES
        with Index.open(wholes[True]) as sound:
            assert {d.doc_id: d for d in index.export()} == {d.doc_id: d for d in sound.export()}


def test_a_salvage_names_what_is_lost_and_never_gives_a_changed_article(wholes, tmp_path, run):
    folder = tmp_path / "broken"
    shutil.copytree(wholes[True], folder)
    with Pages(folder / "store.db") as pages:
        rows = [row for row in pages.rows() if row.kind == 13 and len(row.types) == 2 and row.types[0] == 0]
        place = next(row for row in rows if row.rowid == 8)
    with open(folder / "store.db", "r+b") as file:
        file.seek((place.page - 1) * 4096 + place.place + 300)
        file.write(b"#")
    status, out, err = run("check", "-i", folder, "--salvage", "-")
    names = {json.loads(line)["doc_id"] for line in out.splitlines()}
    assert (status, len(names)) == (1, ARTICLES - 1)
    assert "lost: articles/7.md: its text is damaged" in err
    assert "articles/7.md" not in names
    status, out, _ = run("check", "-i", folder, "--json")
    assert status == 1
    assert any("articles/7.md" in problem for problem in json.loads(out)["problems"])


def test_a_sound_index_is_checked_without_a_problem(wholes, tmp_path, run):
    shutil.copytree(wholes[True], tmp_path / "sound")
    assert run("check", "-i", tmp_path / "sound")[:2] == (0, "no problems: everything was read, every checksum holds\n")


def test_a_log_that_was_left_behind_is_told_and_can_be_given_up(wholes, tmp_path):
    folder = tmp_path / "copied"
    shutil.copytree(wholes[False], folder, ignore=shutil.ignore_patterns("store.db-*"))
    with Index.open(folder) as index:
        for ask in (
            lambda: index.search("harbour"),
            lambda: index.get("articles/5.md"),
            lambda: index.add(article(40)),
        ):
            with pytest.raises(IndexCorrupted, match=r"has lost its last \d+ changes .* sync --rebuild"):
                ask()
        index.sync(rebuild=True)
        assert index.status(check=True)["problems"] == []
        assert index.add(article(40)).added == 1


def altered(value):
    """One bit of a value changed, as a type that SQLite keeps in the column."""
    if isinstance(value, bytes):
        return bytes([value[0] ^ 1]) + value[1:] if value else b"x"
    if isinstance(value, str):
        return chr(ord(value[0]) ^ 1) + value[1:] if value else "x"
    return value ^ 1


def columns():
    """Every column of every table, but those of bookkeeping that no answer is made from."""
    fields = "doc_id title uri published author source language metadata media_type"
    for table, names in (
        ("settings", "value"),
        ("documents", f"document digest checksum {fields}"),
        ("texts", "document text"),
        ("passages", "passage_id document ordinal heading start stop checksum"),
        ("changes", "passage_id put"),
        ("vectors_1", "passage_id vector checksum"),
    ):
        yield from ((table, name) for name in names.split())


@pytest.mark.parametrize(("table", "column"), list(columns()), ids=lambda value: value)
def test_a_silent_change_in_any_row_is_shown_to_nobody_and_found_by_the_check(wholes, tmp_path, table, column):
    """As if SQLite had noticed nothing: the value is changed by SQL, so that pages and indexes fit each other."""
    folder = tmp_path / "changed"
    shutil.copytree(wholes[True], folder)
    with Index.open(folder) as index:
        truth = {document.doc_id: document for document in index.export()}
    connection = sqlite3.connect(folder / "store.db")
    where = "key = 'encoder'" if table == "settings" else f"rowid = (SELECT max(rowid) - 2 FROM {table})"
    (value,) = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
    connection.execute(f"UPDATE OR IGNORE {table} SET {column} = ? WHERE {where}", (altered(value),))
    same = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchall() == [(value,)]
    if same:  # the neighbour has that number: far away, then
        connection.execute(f"UPDATE {table} SET {column} = 1000000 WHERE {where}")
    connection.commit()
    connection.close()
    problems = []
    try:
        with Index.open(folder) as index:
            shown = []
            for ask in (lambda: [hit.document for hit in index.search("harbour", k=40)], lambda: list(index.list())):
                try:
                    shown += ask()
                except IndexCorrupted as error:
                    problems.append(str(error))
            for document in shown:
                assert {**document.to_dict(), "text": ""} == {**truth[document.doc_id].to_dict(), "text": ""}
            problems += index.status(check=True)["problems"]
    except IndexCorrupted as error:
        problems.append(str(error))
    assert problems
