"""`searchidx bench`: every figure from a real index, which is only read."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cli_tools import ROOT, demo_index, run, somewhere_else  # noqa: F401

from searchidx import Index
from searchidx.errors import BadCollection, IndexLocked, SearchIdxError
from searchidx.measuring import measure
from searchidx.measuring.latency import STEPS, _Clock, recall
from searchidx.measuring.processes import cold_search, memory
from searchidx.measuring.queries import own_queries, read_queries
from searchidx.storage.lock import writer_lock
from searchidx.storage.store import Store


@pytest.fixture(scope="module")
def queries(tmp_path_factory):
    path = tmp_path_factory.mktemp("queries") / "queries.txt"
    path.write_text("US restrictions on Chinese telecoms\nwheat prices\n\na disease that no longer exists\n")
    return path


def content(folder):
    """Digests of the files of an index, without those that locking leaves."""
    files = [path for path in Path(folder).rglob("*") if path.is_file() and path.name != "writer.lock"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files if not path.match("*-shm")}


def test_a_table_and_a_plot_have_every_figure_and_the_index_is_as_it_was(run, demo_index, queries, tmp_path):
    before = content(demo_index)
    picture = tmp_path / "bench.svg"
    status, out, err = run(
        "bench", "-i", demo_index, "--queries", queries, "--changes", 2, "--repeat", 1, "--plot", picture, "-k", 3
    )
    assert status == 0
    assert out.startswith("demo · ")
    assert f"3 queries of {queries}, each once in each mode, k=3" in " ".join(out.split())
    for name in ("hybrid", "dense", "lexical", *STEPS, "add", "replace", "remove"):
        assert f"\n{name} " in out
    for name in ("cold search", "recall@10", "memory", "disk", "machine"):
        assert f"\n{name} " in out
    assert f"{picture} written" in err
    assert "<svg" in picture.read_text()
    assert content(demo_index) == before
    assert not list(Path(demo_index).parent.glob(".searchidx-bench-*"))


def test_json_has_the_same_figures_in_milliseconds_and_bytes(demo_index, queries):
    with Index.open(demo_index) as index:
        told = measure(index, queries, repeat=2, cold_runs=1).to_dict()
        passages = index.status()["passages"]
    assert json.loads(json.dumps(told)) == told
    assert told["warm_ms"].keys() == {"hybrid", "dense", "lexical"}
    for times in told["warm_ms"].values():
        assert 0 < times["p50"] <= times["p95"] <= times["p99"]
        assert times["samples"] == 6
    assert [step["name"] for step in told["steps"]] == list(STEPS)
    assert sum(step["share"] for step in told["steps"]) == pytest.approx(1, abs=0.001)
    assert told["cold_ms"]["ratio"] > 1
    assert told["recall@10"] == 1.0
    assert 10_000_000 < told["memory_bytes"]["private"] < told["memory_bytes"]["peak"]
    files = [path for path in Path(demo_index).rglob("*") if path.is_file()]
    assert told["disk_bytes"]["total"] == sum(path.stat().st_size for path in files)
    assert told["disk_bytes_per_passage"]["store"] == round(told["disk_bytes"]["store"] / passages, 1)
    assert told["changes_ms"] == {}


def test_an_interruption_ends_it_with_status_130_and_leaves_nothing(demo_index):
    command = [sys.executable, "-m", "searchidx", "bench", "-i", demo_index, "--repeat", "500", "--changes", "5"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        process.stderr.readline()  # the first sign of progress
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, "")
    assert "interrupted: nothing was measured to the end, and the index is as it was\n" in err


def test_an_empty_index_is_told_with_the_way_out(run, tmp_path):
    Index.create(tmp_path / "empty").close()
    status, out, err = run("bench", "-i", tmp_path / "empty", "-q")
    assert (status, out) == (1, "")
    assert "holds no passages" in err
    assert "searchidx add SOURCE" in err


def test_what_a_plot_would_fail_for_is_told_before_the_work(run, demo_index):
    status, out, err = run("bench", "-i", demo_index, "--plot", "bench.gif")
    assert (status, out) == (1, "")
    assert ".png or .svg" in err


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("two words\n\n  three more words \n", ["two words", "three more words"]),
        ("q1\twheat prices\nq2\tferry\n", ["wheat prices", "ferry"]),
        ('{"_id": "1", "text": "wheat"}\n{"query": "ferry", "relevant": ["a"]}\n', ["wheat", "ferry"]),
    ],
)
def test_queries_of_a_file_are_lines_pairs_or_json(tmp_path, lines, expected):
    (tmp_path / "queries").write_text(lines)
    assert read_queries(tmp_path / "queries") == expected


@pytest.mark.parametrize("lines", ["", "\n\n", '{"title": "no query"}\n'])
def test_a_file_without_a_query_is_told(tmp_path, lines):
    (tmp_path / "queries").write_text(lines)
    with pytest.raises(BadCollection, match="no query in it: expected one a line"):
        read_queries(tmp_path / "queries")


def test_queries_are_made_of_titles_and_sentences_of_the_index_and_the_same_each_time(demo_index):
    with closing(Store(Path(demo_index))) as store, Index.open(demo_index) as index:
        made = own_queries(store, 50)
        articles = list(index.export())
        assert made == own_queries(store, 50)
    titles = {article.title for article in articles}
    texts = [" ".join(article.text.split()) for article in articles]
    assert len(set(made)) == len(made) > 30
    assert 10 < sum(query in titles for query in made) < len(made) - 10
    assert all(query in titles or any(query in text for text in texts) for query in made)


class Forgetful:
    """A dense leg that finds everything but the nearest passage."""

    def __init__(self, leg):
        self._leg = leg

    def __getattr__(self, name):
        return getattr(self._leg, name)

    def search(self, query, k, allowed):
        return self._leg.search(query, k + 1, allowed)[1:]


def test_recall_is_the_share_of_the_nearest_passages_that_the_dense_leg_finds(demo_index):
    with Index.open(demo_index) as index, closing(Store(Path(demo_index))) as store:
        made = own_queries(store, 40)
        assert recall(index, store, made, lambda _: None) == 1.0
        index._legs._dense = Forgetful(index._legs.dense)
        assert recall(index, store, made, lambda _: None) == 0.9


def test_the_steps_of_a_query_are_its_whole_time():
    clock = _Clock([("encode", 1, 2), ("dense leg", 2, 5), ("store", 5, 6), ("passages", 8, 10), ("store", 10, 11)])
    assert clock.shares(0, 15) == {
        "encode": 1, "dense leg": 3, "lexical leg": 0, "merge": 3, "store": 4, "highlight": 4,
    }  # fmt: skip


def test_no_copy_is_made_while_another_process_writes(demo_index, queries):
    with Index.open(demo_index) as index, writer_lock(Path(demo_index)), pytest.raises(IndexLocked):
        measure(index, queries, repeat=1, cold_runs=1, changes=1)
    assert not list(Path(demo_index).parent.glob(".searchidx-bench-*"))


@pytest.mark.parametrize("process", [cold_search, memory])
def test_a_process_that_fails_is_told_with_its_last_line(tmp_path, process):
    with pytest.raises(SearchIdxError, match=r"process of its own failed .*no index at"):
        process(tmp_path / "none", ["wheat"], 1, lambda _: None)
