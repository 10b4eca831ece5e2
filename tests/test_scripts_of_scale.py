"""The benchmarks of scale, each as a command, on a tiny corpus: they run to their end and tell what they measured."""

import json
import lzma
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from searchidx import Index
from searchidx.storage.dense import DenseIndex

ROOT = Path(__file__).parents[1]
WORDS = [f"{a}{b}{c}er" for a in "bdfgklmnprst" for b in "aeiou" for c in "klmnrt"]
SETS = ("realtimeqa_dev", "time", "scifact", "reuters21578_headline", "squadshifts_wiki")


def sentence(rng, words):
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder: thirty articles, and five sets of three questions without a corpus."""
    folder, rng = tmp_path_factory.mktemp("data"), random.Random(5)
    (folder / "news").mkdir()
    with lzma.open(folder / "news" / "articles.jsonl.xz", "wt") as file:
        for number in range(30):
            text = "\n\n".join(" ".join(sentence(rng, 12) for _ in range(8)) for _ in range(2))
            date = {"metadata": {"date": f"20{10 + number % 10}-01-02"}}
            file.write(json.dumps({"_id": f"n{number}", "title": sentence(rng, 5), "text": text, **date}) + "\n")
    for name in SETS:
        (folder / "beir" / name).mkdir(parents=True)
        rows = [json.dumps({"_id": str(number), "text": sentence(rng, 6)}) for number in range(3)]
        (folder / "beir" / name / "queries.jsonl").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def corpus(data, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    script("scale.py", "corpus", "--data", data, "--cache", cache, "--articles", 70)
    return cache / "scale-70.jsonl"


@pytest.fixture(scope="module")
def index(corpus):
    folder = corpus.parent / "index"
    with Index.create(folder) as index:
        index.add(corpus)
    return folder


def script(*arguments, status=0):
    """What a script of ``benchmarks/`` prints."""
    name, *rest = map(str, arguments)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *rest], env=environment, capture_output=True, text=True
    )
    assert run.returncode == status, run.stderr
    return run.stdout + (run.stderr if status else "")


def cells(line):
    return [cell.strip() for cell in line.strip("| ").split("|")]


def test_a_shorter_corpus_is_the_beginning_of_a_longer_one_and_copies_are_varied(corpus, data, tmp_path):
    script("scale.py", "corpus", "--data", data, "--cache", corpus.parent, "--articles", 40)
    script("scale.py", "corpus", "--data", data, "--cache", tmp_path, "--articles", 40)
    lines = corpus.read_text().splitlines(keepends=True)
    shorter = (corpus.parent / "scale-40.jsonl").read_text()
    assert shorter == (tmp_path / "scale-40.jsonl").read_text() == "".join(lines[:40])
    rows = [json.loads(line) for line in lines]
    assert len({row["_id"] for row in rows}) == 70
    assert rows[30]["_id"] == "n0-1"
    same = [a == b for a, b in zip(rows[0]["text"].split(" "), rows[30]["text"].split(" "), strict=True)]
    assert 0.6 < sum(same) / len(same) < 0.95


def test_the_table_has_a_column_for_each_size_and_leaves_out_what_is_measured_already(data, tmp_path):
    output = tmp_path / "told.json"
    given = ["scale.py", "table", "--data", data, "--cache", tmp_path, "--output", output]
    given += ["--changes", 6, "--cold-runs", 1]
    script(*given, "--number", 3, "--sizes", "200")
    first = json.loads(output.read_text())["200"]
    script(*given, "--number", 3, "--sizes", "100,200")
    rows = json.loads(output.read_text())
    assert list(rows) == ["100", "200"]
    assert rows["200"] == first
    assert first["add"]["peak"] > 10_000_000
    assert first["changes"]["count"] == 6
    assert first["queries"]["10% pass (share<100)"]["p95"] >= first["queries"]["10% pass (share<100)"]["p50"] > 0
    lines = output.with_suffix(".md").read_text().splitlines()
    assert cells(lines[0]) == ["passages", *(f"{rows[size]['status']['passages']:,}" for size in rows)]
    assert {len(cells(line)) for line in lines} == {3}
    assert len(lines) > 25
    assert not list(tmp_path.glob("scale-index-*"))


def test_updates_are_counted_and_compared_with_a_fresh_build(index, data):
    before = {path: path.stat().st_size for path in index.rglob("*.faiss")}
    out = script("updates.py", "run", index, "--data", data, "--number", 12, "--every", 6, "--fresh", 6)
    assert re.findall(r"^(\d+) updates: acknowledged", out, re.MULTILINE) == ["6", "12"]
    assert "all 12 updates, found: " in out
    rows = [cells(line) for line in out.splitlines() if line.startswith("|")]
    assert [row[0] for row in rows] == [
        "hybrid p50, ms", "the same, processor time", "hybrid p95, ms", "the same, processor time", "disk, MB",
        "recall@10 of the dense leg",
    ]  # fmt: skip
    assert rows[-1][1:3] == ["1.000", "1.000"]
    assert {path: path.stat().st_size for path in index.rglob("*.faiss")} == before
    assert not list(index.parent.glob(".updates-*"))


def test_updates_end_where_the_reader_does_not_see_one(index, data, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from updates import Updates

    shutil.copytree(index, tmp_path / "copy")
    shutil.copytree(index, tmp_path / "other")
    with Updates(tmp_path / "copy") as updates, Index.open(tmp_path / "other") as other:
        updates.one()
        updates.reader = other
        with pytest.raises(RuntimeError, match=r"after update 2 (zq\w+zcx) finds \[\], expected \['\1'\]"):
            updates.one()


def test_more_updates_than_there_are_articles_are_refused(index, data):
    assert "holds 70" in script("updates.py", "run", index, "--data", data, "--number", 300, status=2)


def test_recall_is_told_by_lists_and_all_lists_find_everything(index, data, tmp_path):
    shutil.copytree(index, tmp_path / "lists")
    with Index.open(tmp_path / "lists") as opened:
        passages = opened.status()["passages"]
        DenseIndex(tmp_path / "lists" / "dense", opened._store, writable=True, flat_limit=10).rebuild()
    out = script("recall.py", tmp_path / "lists", "--data", data, "--lists", "1,1000", "--number", 3)
    rows = [cells(line) for line in out.splitlines() if line.startswith("| ")]
    assert f"{passages} passages, " in out
    assert len(rows) == 6
    every = int(re.search(r"(\d+) lists; stored", out)[1])
    assert every > 1
    assert rows[0][1] == "1 lists"
    assert rows[0][-2] == f"{every} lists"
    for row in rows[1:]:
        assert row[-2].startswith("1.000 ")
        assert float(row[1].split()[0]) < 1


def test_an_index_of_one_list_has_no_recall_to_tell(index, data):
    assert "has one list" in script("recall.py", index, "--data", data, status=2)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="earlier code is in the history of the repository")
def test_code_of_a_commit_is_measured_beside_the_present_one(data, tmp_path):
    found = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    commit = found.stdout.strip()
    given = ["--articles", 5, "--rounds", 1, "--no-earlier", commit]
    out = script("history.py", "--data", data, "--cache", tmp_path, *given)
    rows = [cells(line) for line in out.splitlines()]
    assert [row[0] for row in rows[2:]] == [commit, "HEAD"]
    assert all(int(row[2]) >= 5 and float(row[4]) > 0 for row in rows[2:])
