"""The comparison with peers: its measure, its stages with a real index, its report."""

import importlib
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import vectors_of

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def peers(monkeypatch):
    """A module of ``benchmarks/peers`` by its name."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda name: importlib.import_module(f"peers.{name}")


@pytest.fixture
def task(tmp_path, peers):
    """Thirty articles of two passages, of which three are held back, and a query for each of five."""
    Passage = peers("protocol").Passage
    folder = tmp_path / "task"
    folder.mkdir()
    words = [f"{chr(97 + n % 26)}{chr(97 + n // 26)}zword" for n in range(60)]
    made = [
        Passage(
            str(n), f"doc{n // 2}", f"title {word}", "", f"The {word} is here.", "Even" if n % 4 < 2 else "Odd", "2019"
        )
        for n, word in enumerate(words)
    ]
    vectors = vectors_of([passage.whole for passage in made], 384).astype(np.float16)
    for name, some in (("passages", slice(0, 54)), ("added", slice(54, 60))):
        rows = [json.dumps(vars(passage)) for passage in made[some]]
        (folder / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
        np.save(folder / f"{'vectors' if name == 'passages' else name}.npy", vectors[some])
    asked = made[0:20:4]
    rows = [json.dumps({"text": passage.title, "relevant": {passage.doc: 1}}) for passage in asked]
    (folder / "queries.jsonl").write_text("\n".join(rows) + "\n")
    np.save(folder / "queries.npy", vectors[0:20:4])
    (folder / "facts.json").write_text(json.dumps({"passages": 54, "source": "Even", "allowed": 28}))
    return folder


def test_ndcg_is_that_of_ir_measures(peers):
    import ir_measures

    grades = {"a": 3, "b": 1, "c": 0, "d": 2}
    ranking = ["x", "d", "b", "y", "a", "c"]
    qrels = [ir_measures.Qrel("q", doc, grade) for doc, grade in grades.items()]
    run = [ir_measures.ScoredDoc("q", doc, -rank) for rank, doc in enumerate(ranking)]
    expected = ir_measures.calc_aggregate([ir_measures.nDCG @ 10], qrels, run)[ir_measures.nDCG @ 10]
    assert peers("protocol").ndcg(ranking, grades) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("system", [pytest.param("searchidx", marks=pytest.mark.slow), "searchidx-minilm"])
def test_every_stage_runs_in_a_process_of_its_own_and_counts_what_it_finds(peers, task, tmp_path, system):
    run, index = peers("run"), tmp_path / "index"
    told = {
        name: run.stage(sys.executable, system, name, task, index) for name in ("build", "search", "cold", "change")
    }
    assert not [part for part in told.values() if "error" in part], told
    assert told["build"]["disk_mb"] > 0
    assert told["build"]["versions"].keys() >= {"searchidx", "faiss-cpu", "tantivy"}
    assert told["search"]["ndcg@10"] == pytest.approx(1.0)
    assert (told["search"]["filter_hits"], told["search"]["filter_wrong"]) == (10, 0)
    assert told["cold"]["first"] == ["0"]
    for name in ("add", "delete"):
        assert (told["change"][f"{name}_right"], told["change"][f"{name}_kept"]) == ("3 of 3", True)


def test_a_part_that_is_measured_again_leaves_the_other_as_it_was(peers, task, tmp_path):
    cache, results = tmp_path / "cache", tmp_path / "results"
    shutil.copytree(task, cache / "tasks" / "time")
    results.mkdir()
    before = result("searchidx-minilm", 4.0) | {"judged": {"scifact": {"ndcg@10": 0.1}}}
    (results / "searchidx-minilm.json").write_text(json.dumps(before))
    peers("run").main(tmp_path, cache, system=["searchidx-minilm"], judged_set=["time"], part="judged", results=results)
    after = json.loads((results / "searchidx-minilm.json").read_text())
    assert after["judged"] == {"time": {"ndcg@10": 1.0}}
    assert {key: after[key] for key in before if key != "judged"} == {
        key: before[key] for key in before if key != "judged"
    }


def test_a_stage_that_fails_is_an_error_with_its_reason(peers, task, tmp_path):
    told = peers("run").stage(sys.executable, "searchidx", "search", task, tmp_path / "none")
    assert "no index at" in told["error"]


def result(system, seconds, quiet=True, **search):
    return {
        "system": system,
        "versions": {"a": "1"},
        "note": "a note",
        "task": {"passages": 100},
        "cores": 2,
        "others": [0.0, 0.05],
        "quiet": quiet,
        "build": {"seconds": seconds},
        "search": search,
        "judged": {"time": {"ndcg@10": 0.5}},
    }


def test_the_report_marks_the_best_whoever_it_is_and_says_what_was_refused(peers, tmp_path, capsys):
    report = peers("report")
    for name, made in {
        "searchidx": result("searchidx", 9.0, query_p50_ms=3.0),
        "chroma": result("chroma", 4.0, query_p50_ms=1.0, filter="ValueError: no filters"),
    }.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(made))
    report.main(tmp_path, tmp_path / "peers.svg")
    out = capsys.readouterr().out
    assert "| searchidx | 9.0 | 3.0 |" in out
    assert "| chroma | **4.0** | **1.0** |" in out
    assert "filter refused (ValueError: no filters)" in out
    assert "Not final" not in out
    assert "<svg" in (tmp_path / "peers.svg").read_text()


def test_results_of_a_busy_machine_are_marked(peers, tmp_path, capsys):
    (tmp_path / "chroma.json").write_text(json.dumps(result("chroma", 4.0, quiet=False)))
    peers("report").main(tmp_path)
    assert "**Not final: the machine was busy with other work while chroma ran.**" in capsys.readouterr().out
