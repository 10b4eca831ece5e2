"""What was measured once still is: the files in tests/regressions say what, and docs/effectiveness.md shows it."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import SHARED

from searchidx.errors import BadCollection, SearchIdxError
from searchidx.evaluation import read_collection, regression
from searchidx.evaluation.regression import (
    MARKS,
    differences,
    measure_regression,
    place_of,
    read_regression,
    table,
    write_page,
    write_regression,
)

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "tests" / "regressions"
PAGE = ROOT / "docs" / "effectiveness.md"
FILES = {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}
QUICK = ["adi", "basil_events", "cacm", "cranfield", "squadshifts_wiki", "time", "xquad_en"]
"""Sets that together take less than a minute on a busy machine with two cores."""
SAMPLES = FOLDER / "samples"


def sets():
    """All sets, the long ones marked slow."""
    quick = [*QUICK, "samples"]
    return [pytest.param(name, marks=() if name in quick else pytest.mark.slow) for name in FILES]


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("name", sets())
def test_what_is_measured_is_what_the_file_says(name):
    expected = read_regression(FILES[name])
    place = place_of(expected.data, FOLDER, SHARED)
    if name != "samples" and not place.is_dir():
        pytest.skip(f"{expected.data} is not here")
    found = measure_regression(name, expected.data, place, encoder=expected.encoder)
    assert differences(expected, found) == []


def test_every_quick_set_has_a_file():
    assert {*QUICK, "samples"} <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_named_as_its_set_and_counts_come_before_measures(name):
    text = FILES[name].read_text(encoding="utf-8")
    expected = read_regression(FILES[name])
    assert expected.name == name
    assert text.index("counts:") < text.index("measures:")
    assert list(expected.counts) == list(regression.COUNTS)
    assert not Path(expected.data).is_absolute()


@pytest.mark.parametrize("name", FILES)
def test_a_file_written_again_is_the_same_file(name, tmp_path):
    write_regression(tmp_path / "again.yaml", read_regression(FILES[name]))
    assert (tmp_path / "again.yaml").read_bytes() == FILES[name].read_bytes()


def test_the_page_shows_what_the_files_say(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    shown = page.partition(f"{MARKS[0]}\n")[2].partition(MARKS[1])[0]
    assert shown == table([read_regression(path) for path in FILES.values()])


def test_any_changed_number_is_a_difference():
    expected = read_regression(FILES["samples"])
    assert differences(expected, expected) == []
    for mode, values in expected.measures.items():
        for measure, value in values.items():
            changed = {**expected.measures, mode: {**values, measure: value + 0.0001}}
            assert differences(expected, replace(expected, measures=changed)) == [
                f"samples: {measure} of {mode} {value:.4f}, now {value + 0.0001:.4f}"
            ]
            changed[mode][measure] = value + 0.00004
            assert differences(expected, replace(expected, measures=changed)) == []
    for what, count in expected.counts.items():
        other = replace(expected, counts={**expected.counts, what: count + 1})
        assert differences(expected, other) == [f"samples: {what} {count}, now {count + 1}"]
    assert differences(expected, replace(expected, fingerprint="static:other")) != []


def test_other_judgements_give_other_numbers(tmp_path):
    place = shutil.copytree(SAMPLES, tmp_path / "samples")
    judged = place / "qrels" / "test.tsv"
    head, *rows = judged.read_text(encoding="utf-8").splitlines()
    judged.write_text("\n".join([head, *rows[:-1], rows[-1].replace("t-mobile", "x-mobile")]) + "\n", encoding="utf-8")
    expected = read_regression(FILES["samples"])
    changed = differences(expected, measure_regression("samples", "samples", place))
    assert "samples: missing 0, now 1" in changed
    assert any("nDCG@10 of hybrid" in line for line in changed)


# the command


def test_the_command_measures_anew_and_writes_file_and_page(tmp_path, capsys):
    shutil.copytree(SAMPLES, tmp_path / "samples")
    path, page = tmp_path / "samples.yaml", tmp_path / "page.md"
    expected = read_regression(FILES["samples"])
    stale = {**expected.measures, "hybrid": dict.fromkeys(regression.MEASURES, 0.5)}
    write_regression(path, replace(expected, measures=stale))
    page.write_text(f"# Title\n\n{MARKS[0]}\nold\n{MARKS[1]}\n\nText.\n", encoding="utf-8")
    typed = [str(tmp_path), "--only", "samples", "--page", str(page)]
    assert regression.main(typed) == 0
    now = expected.measures["hybrid"]["nDCG@10"]
    assert f"samples: nDCG@10 of hybrid 0.5000, now {now:.4f}\n" in capsys.readouterr().out
    assert path.read_bytes() == FILES["samples"].read_bytes()
    text = page.read_text(encoding="utf-8")
    assert text == f"# Title\n\n{MARKS[0]}\n{table([expected])}{MARKS[1]}\n\nText.\n"
    assert f"| samples | 46 | {expected.counts['queries']} | " in text
    assert regression.main(typed) == 0
    assert capsys.readouterr().out == "samples: as it was\n"
    assert page.read_text(encoding="utf-8") == text


def test_a_set_without_a_file_gets_one_from_the_shared_data(tmp_path, capsys):
    place = tmp_path / "shared" / "beir" / "tiny"
    (place / "qrels").mkdir(parents=True)
    (place / "corpus.jsonl").write_text('{"_id": "1", "text": "A ferry."}\n{"_id": "2", "text": "A train."}\n')
    (place / "queries.jsonl").write_text('{"_id": "q", "text": "ferry"}\n')
    (place / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t1\t1\n")
    folder = tmp_path / "regressions"
    folder.mkdir()
    assert regression.main([str(folder), "--data", str(tmp_path / "shared"), "--only", "tiny"]) == 0
    assert capsys.readouterr().out == "tiny: new\n"
    found = read_regression(folder / "tiny.yaml")
    assert (found.data, found.counts["documents"], found.counts["queries"]) == ("shared/data/beir/tiny", 2, 1)
    assert found.measures["lexical"] == {"nDCG@10": 1.0, "R@100": 1.0, "RR@10": 1.0}
    assert regression.main([str(folder), "--only", "tiny"]) == 1
    assert "say with --data" in capsys.readouterr().err


def test_what_cannot_be_done_says_why(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# No marks\n", encoding="utf-8")
    with pytest.raises(SearchIdxError, match="expected the lines"):
        write_page(page, [read_regression(FILES["samples"])])
    with pytest.raises(BadCollection, match="no such"):
        measure_regression("none", "none", tmp_path / "none")


# the samples


def test_every_sample_article_is_judged_relevant_to_some_query():
    articles = {f"samples/{path.name}" for path in (ROOT / "searchidx" / "samples").glob("*.md")}
    qrels = read_collection(SAMPLES).qrels
    assert {doc_id for grades in qrels.values() for doc_id in grades} == articles
    assert {grade for grades in qrels.values() for grade in grades.values()} == {1, 2}
    assert all(2 in grades.values() for grades in qrels.values()), "every query has its answer"


def test_queries_of_the_samples_are_of_four_kinds_and_each_once():
    queries = lines(SAMPLES / "queries.jsonl")
    assert set(read_collection(SAMPLES).queries) == {query["_id"] for query in queries}
    kinds = Counter(query["_id"].partition("-")[0] for query in queries)
    assert set(kinds) == {"question", "keyword", "name", "topic"}
    assert min(kinds.values()) >= len(queries) / 6
    everything = queries + lines(SAMPLES / "queries.none.jsonl")
    assert len({query["_id"] for query in everything}) == len({query["text"].lower() for query in everything})
    assert len(everything) == len(queries) + 24
