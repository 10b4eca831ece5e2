"""Judging hits: in a pipe, on a terminal, and going on later."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import io
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest
from cli_tools import ROOT, demo_index, run, somewhere_else  # noqa: F401

from searchidx import Index
from searchidx.cli import judging, main
from searchidx.evaluation import read_collection

QUERY = "who restricted Huawei"
OTHER = "wheat prices"
K = 4
ON_TERMINAL = (
    "import fcntl, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "from searchidx.cli import main; sys.exit(main(sys.argv[1:]))"
)
"""The command line with a terminal that Ctrl-C reaches."""


@pytest.fixture
def answer(run, monkeypatch, demo_index):
    """Judge in a pipe: the lines of answers, then what is typed behind the command."""

    def answer(answers, *typed):
        monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in answers)))
        return run("judge", "-i", demo_index, "-k", K, *typed)

    return answer


def kept(name="judgements.jsonl"):
    return [json.loads(line) for line in Path(name).read_text(encoding="utf-8").splitlines()]


def pooled(folder, query=QUERY, k=K):
    with Index.open(folder) as index:
        return [hit.document.doc_id for hit in judging.pool(index, query, k)]


def press(keys, *typed):
    """Judge on a terminal, a key at each question; returns exit status and output."""
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    command = [sys.executable, "-W", "error", "-c", ON_TERMINAL, "judge", *map(str, typed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    watchdog = threading.Timer(60, process.kill)
    watchdog.start()
    written, ahead = b"", list(keys)
    while (running := process.poll() is None) or select.select([ours], [], [], 0)[0]:
        if select.select([ours], [], [], 0.05)[0]:
            written += os.read(ours, 65536)
        if running and ahead and written.count(b" quit > ") > len(keys) - len(ahead):
            os.write(ours, ahead.pop(0))
    watchdog.cancel()
    after = termios.tcgetattr(theirs)
    os.close(theirs)
    os.close(ours)
    assert after[:4] == before[:4], "the terminal is left as it was"
    return process.returncode, written.decode()


# what is judged


def some_queries():
    lines = (ROOT / "tests" / "regressions" / "samples" / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["text"] for line in lines[:20]]


def test_the_pool_is_the_best_of_both_legs_and_of_hybrid_each_once(demo_index):
    sizes = []
    with Index.open(demo_index) as index:
        for query in some_queries():
            ranks = {}
            for mode in ("lexical", "dense", "hybrid"):
                for hit in index.search(query, 5, mode=mode):
                    ranks.setdefault(hit.document.doc_id, []).append(hit.rank)
            found = [hit.document.doc_id for hit in judging.pool(index, query, 5)]
            assert sorted(found) == sorted(ranks)
            assert [min(ranks[doc_id]) for doc_id in found] == sorted(min(some) for some in ranks.values())
            sizes.append(len(found))
    assert max(sizes) > 5, "the legs find different articles"


def test_where_ranks_are_the_same_the_order_does_not_tell_the_leg(demo_index):
    first = set()
    with Index.open(demo_index) as index:
        for query in some_queries():
            tops = {mode: index.search(query, 1, mode=mode)[0].document.doc_id for mode in ("lexical", "dense")}
            if len(set(tops.values())) == 2:
                top = judging.pool(index, query, 1)[0].document.doc_id
                first.add(next(mode for mode, doc_id in tops.items() if doc_id == top))
    assert first == {"lexical", "dense"}


def test_a_hit_is_shown_as_search_shows_it_but_without_what_a_leg_said(answer):
    status, out, err = answer(["q"], QUERY)
    assert (status, err) == (0, "")
    assert f"query 1 of 1: {QUERY}\n\n  1  " in out
    assert "Sample Desk: " in out
    assert "samples/" in out
    assert judging.KEYS in out
    assert "score" not in out


# what is kept


def test_every_key_has_its_grade_and_zero_is_kept(answer, demo_index):
    ids = pooled(demo_index)
    assert len(ids) >= 3
    status, out, _ = answer(["y", "2", "n"], QUERY)
    assert status == 0
    assert kept() == [{"query": QUERY, "relevant": dict(zip(ids[:3], [1, 2, 0], strict=True))}]
    assert out.endswith(
        f"3 judgements of 1 query in judgements.jsonl (3 new)\nsearchidx eval judgements.jsonl -i {demo_index}\n"
    )


def test_eval_measures_with_what_was_judged(answer, run, demo_index):
    out = answer(["n", "2"], QUERY)[1]
    status, out, _ = run(*out.splitlines()[-1].split()[1:], "--json")
    assert status == 0
    assert list(read_collection("judgements.jsonl").qrels.values()) == [kept()[0]["relevant"]]
    assert '"judgements": 2' in out


def test_digits_mean_the_same_and_unknown_keys_ask_again(answer, demo_index):
    ids = pooled(demo_index)
    out = answer(["x", "", "1", "Y", "0"], QUERY)[1]
    assert kept()[0]["relevant"] == dict(zip(ids[:3], [1, 1, 0], strict=True))
    assert out.count(f"1 of {len(ids)}: ") == 3


def test_the_end_of_input_quits_and_nothing_judged_writes_no_file(answer):
    status, out, _ = answer([], QUERY)
    assert (status, Path("judgements.jsonl").exists()) == (0, False)
    assert out.endswith("0 judgements of 0 queries in judgements.jsonl (0 new)\n")


def test_skipped_hits_are_asked_again_and_judged_ones_are_not(answer, demo_index):
    ids = pooled(demo_index)
    answer(["s", "y", "q"], QUERY)
    assert kept()[0]["relevant"] == {ids[1]: 1}
    out = answer(["n"] * len(ids), QUERY)[1]
    assert f"1 of {len(ids) - 1}: " in out
    assert kept()[0]["relevant"] == {ids[1]: 1, **dict.fromkeys([ids[0], *ids[2:]], 0)}
    out = answer(["2"], QUERY)[1]
    assert "query 1" not in out, "all is judged"
    assert f"{len(ids)} judgements of 1 query in judgements.jsonl (0 new)" in out


def test_back_changes_an_answer_across_queries_too(answer, demo_index):
    ids, others = pooled(demo_index), pooled(demo_index, OTHER)
    keys = ["b", *["y"] * len(ids), "b", "b", "2", "s", "n"]
    out = answer(keys, QUERY, OTHER)[1]
    assert "(so far: 1)" in out
    assert kept() == [
        {"query": QUERY, "relevant": {**dict.fromkeys(ids, 1), ids[-2]: 2}},
        {"query": OTHER, "relevant": {others[0]: 0}},
    ]


def test_every_answer_is_in_the_file_before_the_next_question(answer, monkeypatch, demo_index):
    lengths = []
    typed = iter(["y\n", "n\n", "q\n"])

    class Person(io.StringIO):
        def readline(self, *_):
            path = Path("judgements.jsonl")
            lengths.append(len(kept()[0]["relevant"]) if path.exists() else 0)
            return next(typed)

    monkeypatch.setattr("sys.stdin", Person())
    assert main(["judge", "-i", demo_index, QUERY]) == 0
    assert lengths == [0, 1, 2]


def test_a_file_that_exists_goes_on_with_all_that_was_in_it(answer, demo_index):
    ids = pooled(demo_index)
    lines = [
        {"id": "a7", "query": QUERY, "relevant": [ids[0], "gone.md"], "note": "by hand"},
        {"query": "something else", "relevant": {"x.md": 2}},
    ]
    Path("mine.jsonl").write_text("".join(json.dumps(line) + "\n\n" for line in lines), encoding="utf-8")
    answer(["2", "q"], QUERY, "-o", "mine.jsonl")
    first, second = kept("mine.jsonl")
    assert first == {**lines[0], "relevant": {ids[0]: 1, "gone.md": 1, ids[1]: 2}}
    assert second == lines[1]


# which queries


def test_queries_come_from_a_text_file_or_json_lines(answer):
    Path("queries.txt").write_text(f"{OTHER}\n\n  bird flu \n{OTHER}\n", encoding="utf-8")
    answer(["s"] * 99, "--queries", "queries.txt", "-o", "a.jsonl")
    out = answer(["s"] * 99, "--queries", "queries.txt", QUERY)[1]
    assert [f"query {n} of 3: {text}\n" in out for n, text in enumerate([QUERY, OTHER, "bird flu"], 1)] == [True] * 3
    Path("queries.jsonl").write_text('{"_id": "n1", "text": "bird flu"}\n{"query": "wheat"}\n', encoding="utf-8")
    count = len(answer(["n"] * 99, "--queries", "queries.jsonl")[1].split("of 2: bird flu")) - 1
    bird, wheat = kept()
    assert (bird["id"], bird["query"], len(bird["relevant"])) == ("n1", "bird flu", count)
    assert (wheat["query"], "id" in wheat) == ("wheat", False)


def test_a_query_without_hits_is_told_and_passed_over(answer, tmp_path, run, monkeypatch):
    with Index.create(tmp_path / "empty"):
        pass
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    status, out, err = run("judge", "-i", tmp_path / "empty", QUERY)
    assert (status, err) == (0, f"no results: {QUERY}\n")
    assert "query 1" not in out


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ([], "there is no query to judge"),
        ([" "], "there is no query to judge"),
        ([QUERY, "-o", "nowhere/j.jsonl"], "its folder does not exist"),
        (["--queries", "none.txt"], "none.txt: No such file"),
        (["--queries", "bad.jsonl"], "bad.jsonl: line 2 is no JSON"),
        (["--queries", "array.jsonl"], "array.jsonl: line 2 is no JSON object"),
        (["--queries", "other.jsonl"], 'no "query" and no "text"'),
        ([QUERY, "-o", "other.jsonl"], "write to another file with -o"),
    ],
)
def test_what_cannot_be_judged_is_one_line_and_leaves_files_alone(answer, typed, message):
    files = {"bad.jsonl": '{"query": "a"}\n{"query"', "array.jsonl": '{"query": "a"}\n[1]\n', "other.jsonl": '{"a": 1}'}
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    status, out, err = answer(["y"], *typed)
    assert (status in (1, 2), out, err.count("\n")) == (True, "", 1)
    assert message in err
    assert {name: Path(name).read_text(encoding="utf-8") for name in files} == files


# on a terminal


def test_on_a_terminal_one_key_is_an_answer_and_an_arrow_is_none(demo_index):
    ids = pooled(demo_index)
    status, out = press([b"y", b"\x1b[B2", b"b", b"n", b"q"], QUERY, "-i", demo_index, "-k", K)
    assert status == 0
    assert kept() == [{"query": QUERY, "relevant": {ids[0]: 1, ids[1]: 0}}]
    assert "\x1b[1m" in out, "titles are bold"
    assert "2 judgements of 1 query" in out


def test_keys_typed_ahead_and_ctrl_d_count(demo_index):
    ids = pooled(demo_index)
    status, _ = press([b"y2\x04"], QUERY, "-i", demo_index, "-k", K)
    assert status == 0
    assert kept()[0]["relevant"] == {ids[0]: 1, ids[1]: 2}


def test_ctrl_c_loses_nothing_and_leaves_the_terminal_as_it_was(demo_index):
    ids = pooled(demo_index)
    status, out = press([b"y", b"2", b"\x03"], QUERY, "-i", demo_index, "-k", K)
    assert status == 130
    assert "interrupted: 2 judgements of 1 query in judgements.jsonl (2 new); the same command goes on" in out
    assert kept()[0]["relevant"] == {ids[0]: 1, ids[1]: 2}


def test_a_kill_at_any_moment_leaves_a_whole_file(demo_index):
    command = [sys.executable, "-m", "searchidx", "judge", QUERY, OTHER, "bird flu", "-i", demo_index]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=environment) as process:
        for _ in range(4):
            process.stdin.write(b"y\n")
            process.stdin.flush()
        while not Path("judgements.jsonl").exists():
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert 1 <= sum(len(record["relevant"]) for record in kept()) <= 4
