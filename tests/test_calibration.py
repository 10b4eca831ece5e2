"""The score of a hit: what it promises, what it drops, and how it is told."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import json
import math
import re
from importlib import import_module, resources
from pathlib import Path

import numpy as np
import pytest
from cli_tools import demo_index, run, somewhere_else  # noqa: F401
from hypothesis import given
from hypothesis import strategies as st

import searchidx
from searchidx.ranking import calibration
from searchidx.ranking.calibration import evidence, query_parts, relevance, weights_of
from searchidx.search import Question
from searchidx.types import Leg

MODES = ("hybrid", "dense", "lexical")
QUERY = "US restrictions on Chinese telecoms"
NONSENSE = "blorft wumpel zxqvk"
JUDGED = Path(__file__).parent / "regressions" / "samples"
TABLE = json.loads(calibration.FILE.read_text())
SHARES = st.floats(0, 1)


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    with (
        searchidx.Index.create(tmp_path_factory.mktemp("calibration") / "samples") as index,
        resources.as_file(resources.files("searchidx.samples")) as folder,
    ):
        index.add(str(folder / "*.md"))
        yield index


def queries(name):
    return [json.loads(line)["text"] for line in (JUDGED / name).read_text().splitlines()]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("options", [{}, {"fusion": "rrf"}, {"group": False}, {"lexical_weight": 1.0}])
def test_scores_lie_between_0_and_1_and_never_increase_down_the_list(samples, mode, options):
    for query in [QUERY, "smallpox", "the", NONSENSE, "?", "东京", *queries("queries.jsonl")[::9]]:
        hits = samples.search(query, 30, mode=mode, **options)
        scores = [hit.score for hit in hits]
        assert all(0 < score < 1 for score in scores)
        assert scores == sorted(scores, reverse=True)
        merged = [hit.merged for hit in hits]
        assert merged == sorted(merged, reverse=True)


def test_a_score_does_not_depend_on_how_many_hits_are_asked_for(samples):
    few, many = samples.search(QUERY, 3), samples.search(QUERY, 20)
    assert [hit.score for hit in few] == [hit.score for hit in many[:3]]


@pytest.mark.parametrize("mode", MODES)
def test_queries_with_an_answer_score_higher_than_those_far_from_everything(samples, mode):
    def best(name, count):
        found = [samples.search(query, 1, mode=mode) for query in queries(name)[:count]]
        return [hits[0].score if hits else 0.0 for hits in found]

    answerable, far = best("queries.jsonl", 90), best("queries.none.jsonl", 12)
    assert np.mean([a > b for a in answerable for b in far]) > 0.7
    assert np.median(answerable) > samples.bound(mode)


@pytest.mark.parametrize("mode", MODES)
def test_min_score_drops_the_hits_below_it_and_no_others(samples, mode):
    hits = samples.search(QUERY, 30, mode=mode)
    middle = hits[len(hits) // 2].score
    kept = samples.search(QUERY, 30, mode=mode, min_score=middle)
    assert kept == [hit for hit in hits if hit.score >= middle]
    assert 0 < len(kept) < len(hits)
    assert samples.rank(QUERY, 30, mode=mode, min_score=middle) == [(h.document.doc_id, h.merged) for h in kept]
    assert samples.search(QUERY, 30, mode=mode, min_score=1) == []


def test_a_context_keeps_to_min_score(samples):
    every = samples.context(QUERY, max_tokens=3000)
    some = samples.context(QUERY, max_tokens=3000, min_score=0.3)
    assert min(every.scores) < 0.3 <= min(some.scores)
    assert 0 < len(some.citations) < len(every.citations)
    assert samples.context(NONSENSE, min_score=samples.bound()).text == ""


@pytest.mark.parametrize("bound", [-0.1, 1.1, math.nan, math.inf])
def test_a_bound_outside_0_to_1_is_an_error(samples, bound):
    with pytest.raises(ValueError, match="min_score must be between 0 and 1"):
        Question("x", min_score=bound)
    with pytest.raises(ValueError, match="min_score"):
        samples.search("x", min_score=bound)


# parts


@given(st.lists(SHARES, min_size=1), SHARES, SHARES, st.sampled_from(sorted(TABLE)))
def test_more_of_any_part_never_lowers_a_score(shares, cosine, words, name):
    hits = [{"share": share, "cosine": cosine, "words": words} for share in sorted(shares, reverse=True)]
    scores = relevance(hits, TABLE[name])
    assert all(0 <= score <= 1 for score in scores)
    for part in ("share", "cosine", "words"):
        better = relevance([hit | {part: 1.0} for hit in hits], TABLE[name])
        assert all(b >= a for a, b in zip(scores, better, strict=True))


def test_a_hit_that_comes_later_never_scores_more_than_the_one_before():
    parts = [{"share": share, "cosine": 0.5} for share in (0.6, 0.9, 0.5)]  # the order of reciprocal ranks, say
    first, second, third = relevance(parts, TABLE["dense static"])
    assert first == second > third


def test_either_leg_alone_can_give_all_the_evidence():
    assert evidence({"cosine": 1.0, "words": 0.0}) == evidence({"words": 1.0}) == 1
    assert evidence({}) == evidence({"cosine": 0.0, "words": 0.0}) == 0
    assert evidence({"cosine": 0.5, "words": 0.5}) == 0.75


def test_parts_of_a_query_are_its_best_cosine_and_the_root_of_its_share_of_bm25():
    legs = {"dense": {1: Leg(1, 0.6), 2: Leg(None, -0.2)}, "lexical": {2: Leg(1, 10.0)}}
    assert query_parts(legs, 40.0) == {"cosine": 0.6, "words": 0.5}
    assert query_parts(legs, 1e6) == {"cosine": 0.6, "words": math.sqrt(10 / calibration.ENOUGH)}
    assert query_parts({"dense": {}, "lexical": {}}, 0.0) == {"cosine": 0.0, "words": 0.0}
    assert query_parts({"dense": {1: Leg(1, -0.3)}}, 0.0) == {"cosine": 0.0}


def test_a_hit_tells_the_parts_its_score_is_calculated_from(samples):
    kind = samples.encoder.fingerprint.partition(":")[0]
    for mode in MODES:
        hits = samples.search(QUERY, mode=mode)
        assert relevance([hit.parts for hit in hits], weights_of(mode, kind)) == [hit.score for hit in hits]
        expected = {"hybrid": {"share", "cosine", "words"}, "dense": {"share", "cosine"}, "lexical": {"share", "words"}}
        assert set(hits[0].parts) == expected[mode]
        assert hits[0].to_dict()["parts"] == hits[0].parts
        assert hits[0].to_dict()["merged"] == hits[0].merged
        assert [hit.parts["share"] for hit in hits] == pytest.approx(
            [hit.merged / (1 if mode == "hybrid" else hits[0].merged) for hit in hits]
        )


def test_the_file_of_weights_has_an_entry_for_each_mode_and_kind_and_none_that_turns_a_ranking_round():
    assert set(TABLE) == {"hybrid static", "dense static", "hybrid st", "dense st", "lexical"}
    for weights in TABLE.values():
        assert set(weights) == {"bias", "share", "evidence", "bound"}
        assert weights["bias"] < 0 < min(weights["share"], weights["evidence"])
        assert 0 < weights["bound"] < 0.5
    assert weights_of("lexical", "static") == weights_of("lexical", "") == TABLE["lexical"]
    assert weights_of("hybrid", "somebody's own") == TABLE["hybrid st"]


# fitting, which is no part of the package


@pytest.fixture
def calibrate(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    return import_module("training.calibrate")


def simulated(calibrate, weights, count=4000):
    """Queries of five hits, judged by chance as the weights say."""
    random = np.random.default_rng(0)
    asked = []
    for number in range(count):
        cosine, words = random.random(2)
        parts = [{"share": share, "cosine": cosine, "words": words} for share in sorted(random.random(5), reverse=True)]
        relevant = [bool(random.random() < score) for score in relevance(parts, weights)]
        asked.append(calibrate.Asked("hybrid", False, number % 2 == 0, parts, relevant))
    return calibrate.judged_of(asked, "hybrid")


def test_fitting_finds_the_weights_that_made_the_judgements(calibrate):
    truth = {"bias": -6.0, "share": 3.0, "evidence": 4.0}
    judged = simulated(calibrate, truth)
    found = calibrate.fit([judged])
    assert found == pytest.approx(truth, abs=0.4)
    fair = calibrate.calibration_error(calibrate.curve([calibrate.score(judged, found)]))
    biased = calibrate.calibration_error(calibrate.curve([calibrate.score(judged, found | {"bias": -3.0})]))
    assert fair < 0.02 < 0.1 < biased


def test_a_bound_hides_no_more_answerable_queries_than_it_may(calibrate):
    hits = [[{"share": 1.0, "cosine": value, "words": 0.0}] for value in np.linspace(0, 1, 100)]
    asked = [calibrate.Asked("hybrid", False, kind, parts, [kind]) for kind in (True, False) for parts in hits]
    scored = calibrate.score(calibrate.judged_of(asked, "hybrid"), {"bias": -2.0, "share": 0.0, "evidence": 4.0})
    limit = calibrate.bound([scored])
    assert np.mean(scored.of(True) < limit) <= calibrate.HIDDEN < np.mean(scored.of(True) < limit + 0.01)
    assert calibrate.auc(scored) == 0.5


def test_the_same_curves_give_the_same_picture(calibrate, tmp_path):
    for name in ("a.svg", "b.svg"):
        calibrate.draw({"hybrid static": [(0.1, 0.2, 0.5), (0.6, 0.5, 0.5)]}, tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("a.svg", "b.svg"))
    assert first == second
    assert b"hybrid static" in first
    assert b"<dc:date>" not in first


def test_keywords_are_the_longest_words_in_their_order(calibrate):
    longest_words = import_module("training.foreign").longest_words
    assert longest_words(
        "What did the committee say of https://t.co/x1 and (telecommunications) equipment in 2019?"
    ) == ("committee telecommunications equipment")
    assert longest_words("in 2019?") == "in 2019?"


# the command line


def test_explain_shows_merged_score_and_parts(run, demo_index):
    out = run("search", QUERY, "-i", demo_index, "-k", "1", "--explain")[1]
    with searchidx.Index.open(demo_index) as index:
        (hit,) = index.search(QUERY, 1)
    assert f"score {hit.score:.3f}" in out
    assert re.search(rf"merged +rank +1 +score +{hit.merged:.4f}", out)
    parts = ", ".join(f"{name} {value:.4f}" for name, value in hit.parts.items())
    assert f"score    {hit.score:.4f} from {parts}" in out


def test_search_says_so_when_nothing_reaches_min_score(run, demo_index):
    status, out, err = run("search", QUERY, "-i", demo_index, "--min-score", "1")
    assert (status, out) == (0, "")
    with searchidx.Index.open(demo_index) as index:
        best = index.search(QUERY, 1)[0].score
    assert err.startswith(f"nothing relevant found: the best score is {best:.3f}, below --min-score 1")
    assert "lower it" in err
    status, out, err = run("search", QUERY, "-i", demo_index, "--min-score", "1", "--json")
    assert (status, json.loads(out)) == (0, [])
    assert err.startswith("nothing relevant found")
    status, out, err = run("context", QUERY, "-i", demo_index, "--min-score", "1")
    assert (status, out) == (0, "")
    assert err.startswith("nothing relevant found")


def test_search_shows_only_hits_that_reach_min_score(run, demo_index):
    every = json.loads(run("search", QUERY, "-i", demo_index, "--json")[1])
    bound = every[3]["score"]
    some = json.loads(run("search", QUERY, "-i", demo_index, "--json", "--min-score", str(bound))[1])
    assert some == [hit for hit in every if hit["score"] >= bound]
    assert len(some) < len(every)


def test_nonsense_is_answered_with_a_warning_and_the_nearest(run, demo_index):
    status, out, err = run("search", NONSENSE, "-i", demo_index)
    assert status == 0
    assert out
    assert re.fullmatch(r"probably nothing relevant: the best score is 0\.0\d\d; the nearest are\n", err)
    assert run("search", NONSENSE, "-i", demo_index, "--json")[2] == ""
    assert run("search", QUERY, "-i", demo_index)[2] == ""
    with searchidx.Index.open(demo_index) as index:
        bound = index.bound()
    err = run("search", NONSENSE, "-i", demo_index, "--min-score", str(bound))[2]
    assert err.startswith("nothing relevant found")


@pytest.mark.parametrize("command", ["search", "context"])
@pytest.mark.parametrize("bound", ["1.5", "-1", "high"])
def test_a_bound_that_is_none_is_refused(run, demo_index, command, bound):
    status, out, err = run(command, "x", "-i", demo_index, "--min-score", bound)
    assert (status, out) == (2, "")
    assert "--min-score" in err
