"""`searchidx eval`: tables, JSON, runs, comparisons, plots, and where each of them is written."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cli_tools import ROOT, cold, on_terminal, run, somewhere_else  # noqa: F401
from test_evaluation import ARTICLES, BEIR_QUERIES, CORPUS, QUERIES, lines_of, qrels_lines

from searchidx import Index
from searchidx.encoders.static import BUNDLED
from searchidx.evaluation import read_collection, read_run

MEASURES = ["nDCG@10", "R@100", "RR@10", "P@5"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two collections, own judgements, and an index of the articles."""
    folder = tmp_path_factory.mktemp("eval")
    for name in ("small", "other"):
        (folder / name / "qrels").mkdir(parents=True)
        (folder / name / "corpus.jsonl").write_text(CORPUS)
        (folder / name / "queries.jsonl").write_text(BEIR_QUERIES)
        (folder / name / "qrels" / "test.tsv").write_text(qrels_lines())
    (folder / "other" / "qrels" / "test.tsv").write_text("q1\tferry\t1\nq3\tgone\t1\n")
    (folder / "mine.jsonl").write_text(lines_of({"query": "smallpox", "relevant": ["vaccine"]}))
    with Index.create(folder / "index") as index:
        index.add(folder / "small" / "corpus.jsonl")
    return folder


def table(out):
    """Rows of a table by their first word, as lists of the words behind it."""
    return {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}


def test_one_collection_is_a_row_for_each_mode_and_a_column_for_each_measure(run, made):
    status, out, err = run("eval", made / "small")
    assert (status, err) == (0, "")
    assert out.startswith("small · 12 articles, 12 passages · 4 queries, 6 judgements · bundled-en\n\n")
    rows = table(out)
    assert out.splitlines()[2].split() == [*MEASURES, "ms"]
    values = json.loads(run("eval", made / "small", "--json")[1])["evaluations"][0]["scores"]
    for mode in ("lexical", "dense"):
        assert rows[mode][:4] == [f"{values[mode][measure]:.4f}" for measure in MEASURES]
    assert re.search(
        r"^hybrid against lexical +[+-]\d\.\d{4}  p = \d\.\d{3} +\d better, \d worse, \d equal$", out, re.M
    )
    assert re.search(r"^hybrid against dense ", out, re.M)


def test_several_collections_are_rows_with_their_mean_and_a_table_for_each_measure(run, made):
    status, out, err = run("eval", made / "small", made / "other", "-m", "RR@10 P@5")
    assert status == 0
    first, second, third = out.split("\n\n")[:3]
    assert first.splitlines()[0].split() == ["RR@10", "lexical", "dense", "hybrid", "articles", "queries"]
    assert second.splitlines()[0].split() == ["P@5", "lexical", "dense", "hybrid"]
    assert third.splitlines()[0].split() == ["ms", "lexical", "dense", "hybrid"]
    rows = table(first)
    assert rows["small"][3:] == ["12", "4"]
    assert float(rows["mean"][0]) == pytest.approx((float(rows["small"][0]) + float(rows["other"][0])) / 2, abs=1e-4)
    assert err == (
        "other: 1 relevant document is not in the index and cannot be found: gone\n"
        "other: 2 queries without a relevant document left out\n"
    )


def test_significant_differences_are_marked_and_explained(run, tmp_path):
    pairs = {"physician": "doctor", "automobile": "car", "infant": "baby", "attorney": "lawyer", "movie": "film"}
    pairs |= {"ocean": "sea", "purchase": "buy", "rapid": "fast", "couch": "sofa", "illness": "disease"}
    corpus = lines_of(*({"_id": word, "text": f"The {word} is here."} for word in pairs.values()))
    (tmp_path / "corpus.jsonl").write_text(corpus)
    judged = [{"query": query, "relevant": [word]} for query, word in pairs.items()]
    with Index.create(tmp_path / "index") as index:
        index.add(tmp_path / "corpus.jsonl")
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(lines_of(*judged))
    out = run("eval", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "-i", tmp_path / "index", "-m", "RR@10")[1]
    values = json.loads(run("eval", tmp_path / "a.jsonl", "-i", tmp_path / "index", "-m", "RR@10", "--json")[1])
    p = {c["against"]: c["p_value"] for c in values["evaluations"][0]["comparisons"]}
    assert (p["lexical"], p["dense"]) == (pytest.approx(2 / 2**10), 1.0)
    assert re.search(r"^a +0\.0000 +(\d\.\d+) +\1† +10 +10$", out, re.M)
    assert re.search(r"^mean +0\.0000 +(\d\.\d+) +\1$", out, re.M)
    assert "hybrid differs: † from lexical, ‡ from dense; p < 0.05 in a paired randomisation test, two-sided\n" in out


def test_several_encoders_stand_side_by_side(run, made):
    (made / "copy").exists() or (made / "copy").symlink_to(BUNDLED)
    typed = ["--encoder", "bundled-en", "--encoder", made / "copy", "--encoder", "bundled-en", "-m", "RR@10"]
    out = run("eval", made / "small", *typed)[1]
    rows = [line.split()[:2] for line in out.splitlines()[3:9]]
    assert rows == [[mode, name] for name in ("bundled-en", "copy") for mode in ("lexical", "dense", "hybrid")]
    out = run("eval", made / "small", made / "other", *typed, "--mode", "dense")[1]
    assert [line.split() for line in out.splitlines()[:2]] == [
        ["bundled-en", "copy"],
        ["RR@10", "dense", "dense", "articles", "queries"],
    ]


def test_own_judgements_measure_an_index_that_exists(run, made):
    status, out, err = run("eval", made / "mine.jsonl", "-i", made / "index", "--mode", "lexical", "-m", "RR@10")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "mine · 12 articles, 12 passages · 1 query, 1 judgement · bundled-en"
    assert out.splitlines()[3].split()[:2] == ["lexical", "1.0000"]
    assert len(out.splitlines()) == 4


def test_json_holds_everything_and_each_query_where_wanted(run, made):
    status, out, _ = run("eval", made / "small", "--json", "--per-query", "-m", "RR@10")
    values = json.loads(out)
    (evaluation,) = values["evaluations"]
    assert status == 0
    assert values["measures"] == ["RR@10"]
    assert evaluation["counts"] == {"documents": 12, "passages": 12, "queries": 4, "judgements": 6, "missing": 0}
    assert evaluation["per_query"]["dense"]["RR@10"].keys() == QUERIES.keys()
    assert [(c["mode"], c["against"], c["n"]) for c in evaluation["comparisons"]] == [
        ("hybrid", "lexical", 4),
        ("hybrid", "dense", 4),
    ]
    assert [(m["mode"], m["RR@10"]) for m in values["means"]] == [
        (mode, scores["RR@10"]) for mode, scores in evaluation["scores"].items()
    ]
    assert "per_query" not in json.loads(run("eval", made / "small", "--json")[1])["evaluations"][0]


def test_per_query_shows_each_query_with_its_values(run, made):
    out = run("eval", made / "small", "--per-query", "-m", "RR@10", "--mode", "lexical")[1]
    assert "\n\nRR@10 · each query\n" in out
    assert re.search(r"^q2 +\d\.\d{4}  which disease no longer exists$", out, re.M)


def test_saved_runs_are_read_again_and_compare_as_equal(run, made, tmp_path):
    status, _, err = run("eval", made / "small", "--save-run", tmp_path / "runs")
    assert status == 0
    names = [f"small.bundled-en.{mode}.trec" for mode in ("lexical", "dense", "hybrid")]
    assert err.splitlines() == [f"{tmp_path / 'runs' / name} written" for name in names]
    qrels = read_collection(made / "small").qrels
    saved = read_run(tmp_path / "runs" / names[0], qrels)
    assert [doc_id for doc_id, _ in saved["q4"]][:1] == ["spaced id"]
    assert {doc_id for ranking in saved.values() for doc_id, _ in ranking if doc_id in ARTICLES}
    out = run("eval", made / "small", "--compare", tmp_path / "runs" / names[0])[1]
    rows = table(out)
    assert rows[names[0]] == out.splitlines()[3].split()[1:5]
    assert re.search(
        rf"^lexical against {re.escape(names[0])} +\+0\.0000  p = 1\.000 +0 better, 0 worse, 4 equal$", out, re.M
    )


def test_a_run_of_few_queries_counts_0_for_the_others_and_one_of_none_is_refused(run, made, tmp_path):
    (tmp_path / "some.trec").write_text("q1 Q0 ferry 1 2.0 elsewhere\n")
    status, out, err = run("eval", made / "small", "--compare", tmp_path / "some.trec", "-m", "RR@10", "--json")
    assert (status, json.loads(out)["compared_with"]["RR@10"]) == (0, 0.25)
    assert err == f"{tmp_path / 'some.trec'}: nothing for 3 queries, which count 0\n"
    (tmp_path / "none.trec").write_text("x1 Q0 ferry 1 2.0 elsewhere\n")
    status, out, err = run("eval", made / "small", "--compare", tmp_path / "none.trec")
    assert (status, out) == (1, "")
    assert "this run has none of the 4 queries of small" in err


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_plot_is_drawn_beside_the_table(run, made, tmp_path, suffix):
    status, out, err = run("eval", made / "small", made / "other", "--plot", tmp_path / f"a.{suffix}", "-q")
    assert (status, "lexical" in out) == (0, True)
    assert (tmp_path / f"a.{suffix}").stat().st_size > 5000
    assert "written" not in err


def test_a_cache_keeps_the_index_and_without_one_nothing_is_left(run, made, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", None)
    assert run("eval", made / "small")[0] == 0
    assert list((tmp_path / "tmp").iterdir()) == []
    assert run("eval", made / "small", "--cache", tmp_path / "cache")[0] == 0
    (kept,) = (tmp_path / "cache").iterdir()
    with Index.open(kept) as index:
        before = index.status()
    assert before["documents"] == len(ARTICLES)
    assert run("eval", made / "small", "--cache", tmp_path / "cache")[0] == 0
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [kept.name]
    with Index.open(kept) as index:
        assert index.status()["position"] == before["position"]


@pytest.mark.parametrize(
    ("typed", "status", "message"),
    [
        (["mine.jsonl"], 2, "--index: mine holds no articles: name the index that does"),
        (["small", "-i", "index", "--encoder", "bundled-en"], 2, "'--index' / '--encoder': choose one of them"),
        (["small", "-i", "index", "--cache", "c"], 2, "'--index' / '--cache': choose one of them"),
        (["small", "-i", "index", "--max-tokens", "50"], 2, "'--index' / '--max-tokens': choose one of them"),
        (["small", "other", "--compare", "mine.jsonl"], 2, "--compare: it belongs to one PATH"),
        (["small", "--mode", "both"], 2, "--mode: 'both' is none of lexical, dense, hybrid"),
        (["small", "-m", "nGCD@10"], 1, "measure 'nGCD@10': no measure has this name; examples: nDCG@10"),
        (["small", "--plot", "a.pdf"], 1, "a.pdf: a plot is written as .png or .svg"),
        (["small", "--plot", "no/a.png"], 1, "there is no folder no"),
        (["small", "--split", "dev"], 1, "there is no split 'dev'; choose one of: test"),
        (["small", "--compare", "mine.jsonl"], 1, "mine.jsonl:1: this is no line of a TREC run"),
        (["nowhere"], 1, "nowhere: no such file or folder"),
        ([], 2, "Missing argument"),
    ],
)
def test_wrong_usage_is_one_line_with_the_remedy(run, made, monkeypatch, typed, status, message):
    monkeypatch.chdir(made)
    got, out, err = run("eval", *typed)
    assert (got, out, len(err.splitlines())) == (status, "", 1)
    assert message in err


def test_without_the_extra_nothing_is_indexed_and_the_command_to_install_it_is_named(run, made, tmp_path, monkeypatch):
    monkeypatch.setattr("searchidx.evaluation.measures.find_spec", lambda name: None)
    status, out, err = run("eval", made / "small", "--cache", tmp_path / "cache")
    assert (status, out) == (1, "")
    assert err == 'error: evaluation needs an extra: pip install "searchidx[eval]"\n'
    assert not (tmp_path / "cache").exists()


def test_results_go_to_standard_output_and_have_no_colours_in_a_pipe(made):
    out = cold("eval", made / "small")
    assert (out.returncode, out.stderr) == (0, b"")
    assert b"\x1b" not in out.stdout
    assert not any(line != line.rstrip() for line in out.stdout.decode().splitlines())


def test_a_terminal_has_colours_and_a_bar_on_standard_error(made):
    shown = on_terminal("eval", made / "small", columns=60)
    assert "\x1b[1;32m" in shown
    assert "getting ready" in shown or "asking queries" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"lexical( +\d\.\d{4}){4} ", plain)


def test_ctrl_c_ends_with_130_and_says_what_stays(tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "corpus.jsonl").write_text(
        lines_of(
            *({"_id": str(n), "text": f"{n} " + "the ferry and the island of number " * 30} for n in range(20_000))
        )
    )
    (tmp_path / "big" / "queries.tsv").write_text("q1\tferry\n")
    (tmp_path / "big" / "qrels.tsv").write_text("q1\t1\t1\n")
    command = [sys.executable, "-m", "searchidx", "eval", str(tmp_path / "big")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("searchidx-*/*/store.db")) and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out) == (130, b"")
    assert err.decode().splitlines()[-1] == "interrupted: nothing is kept; --cache FOLDER keeps the indexes"
    assert not list(Path(tmp_path).glob("searchidx-*"))
