"""Dates in ranking, through every door: newest first, relevance that halves with age, what has no date."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_tools import run, somewhere_else  # noqa: F401
from serving_tools import ask, served

from searchidx import Document, Index
from searchidx.ranking.recency import ENOUGH, day_of, days_of, decayed, newest
from searchidx.serving.catalogue import Catalogue
from searchidx.serving.tool_models import ContextArguments, SearchArguments
from searchidx.serving.tools import Caller, context, search
from searchidx.types import Undated

QUERY = "electric ferry across the strait"
DAY = datetime(2020, 1, 1, tzinfo=UTC).timestamp() / 86_400


def ferry(doc_id, published, text="The electric ferry crossed the strait.", **fields):
    return Document(doc_id, f"{text} Report {doc_id} of the harbour.", title=doc_id, published=published, **fields)


ARTICLES = [
    ferry("old", "2009-03-01"),
    ferry("new", "2019-11-20T08:00:00Z"),
    ferry("middle", "2015"),
    ferry("future", "2031-01-01"),
    ferry("undated", ""),
    ferry("elsewhere", "", source="Post"),
    Document("bread", "Bread and butter cost more at the bakery.", title="Bread", published="2019-12-31"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("root") / "boats"
    with Index.create(place) as index:
        index.add(*ARTICLES)
    return place


@pytest.fixture
def index(folder):
    with Index.open(folder) as index:
        yield index


def ids(hits):
    return [hit.document.doc_id for hit in hits]


# the pure functions


@pytest.mark.parametrize(
    ("span", "days"),
    [(30, 30), ("30", 30), ("30d", 30), ("12h", 0.5), ("2W", 14), ("1m", 30.4375), (" 1.5 y ", 547.875), (0.25, 0.25)],
)
def test_a_span_is_written_in_days_or_with_its_unit(span, days):
    assert days_of(span) == pytest.approx(days)


@pytest.mark.parametrize(
    "span", ["", "0", "0d", "-3d", "d", "3 fortnights", "nan", float("nan"), float("inf"), -1, "1e9"]
)
def test_what_is_no_span_is_refused_with_how_to_write_one(span):
    with pytest.raises(ValueError, match="write it as 30"):
        days_of(span)


def test_a_date_counts_from_its_first_moment():
    assert day_of("2020") == day_of("2020-01") == day_of("2020-01-01") == day_of("2020-01-01T00:00:00Z") == DAY
    assert day_of("2020-01-01T12:00:00Z") == DAY + 0.5
    assert day_of("0001-01-01") < 0
    assert day_of("") is day_of("soon") is day_of("2020-13") is None


def test_the_newest_come_first_the_undated_last_and_what_is_hardly_relevant_not_at_all():
    assert newest([0.8, 0.7, 0.6, 0.5, 0.3, 0.2], [1.0, None, 3.0, None, 3.0, 9.0]) == [2, 4, 0, 1, 3]
    assert newest([], []) == []


def test_relevance_halves_with_each_half_life():
    assert decayed([0.8], [DAY - 30], 30, DAY) == [(0, pytest.approx(0.4))]
    assert decayed([0.8, 0.5], [DAY - 30, DAY], 30, DAY) == [(1, pytest.approx(0.5)), (0, pytest.approx(0.4))]


def test_the_future_has_age_zero_and_what_has_no_date_the_median_age():
    found = dict(decayed([0.8, 0.8, 0.8, 0.8], [DAY + 999, None, DAY - 10, DAY - 20], 10, DAY))
    assert found == {0: 0.8, 1: pytest.approx(0.4), 2: pytest.approx(0.4), 3: pytest.approx(0.2)}
    assert decayed([0.8, 0.7], [None, None], 10, DAY) == [(0, 0.8), (1, 0.7)]


def test_a_half_life_so_short_that_nothing_is_left_still_sorts_by_age():
    order = decayed([0.9, 0.8, 0.7], [DAY - 9000, DAY - 4000, DAY - 4001], 0.01, DAY)
    assert [place for place, _ in order] == [1, 2, 0]
    assert {score for _, score in order} == {0.0}


def test_an_endless_half_life_changes_nothing_and_a_shorter_one_makes_the_first_no_older():
    chance = random.Random(5)
    for _ in range(50):
        relevance = sorted((chance.uniform(0.01, 0.9) for _ in range(20)), reverse=True)
        days = [DAY - chance.uniform(0, 4000) for _ in relevance]
        endless = [place for place, _ in decayed([0.9, 0.6, 0.3], days[:3], 1e5, DAY)]
        assert endless == [0, 1, 2]
        ages = [DAY - days[decayed(relevance, days, span, DAY)[0][0]] for span in (10_000, 1000, 300, 100, 30, 3)]
        assert ages == sorted(ages, reverse=True)


# Python


def test_sorted_by_date_the_newest_of_the_relevant_come_first_and_the_undated_last(index):
    hits = index.search(QUERY, sort="date")
    assert ids(hits)[:4] == ["future", "new", "middle", "old"]
    assert set(ids(hits)[4:]) == {"undated", "elsewhere"}
    assert [hit.rank for hit in hits] == [1, 2, 3, 4, 5, 6]
    assert all(hit.score >= ENOUGH * max(hit.score for hit in hits) for hit in hits)
    assert "bread" in ids(index.search(QUERY)), "else nothing was left out"


def test_sorting_by_date_takes_k_after_sorting_and_keeps_to_filters_and_the_least_score(index):
    assert ids(index.search(QUERY, 2, sort="date")) == ["future", "new"]
    assert ids(index.search(QUERY, sort="date", before="2019")) == ["middle", "old"]
    assert index.search(QUERY, sort="date", min_score=1.0) == []
    assert len(index.search(QUERY, sort="date", min_score=0.01)) == 6


def test_the_order_by_date_is_the_same_again_and_whatever_order_articles_came_in(index, tmp_path):
    first = ids(index.search(QUERY, sort="date"))
    assert all(ids(index.search(QUERY, sort="date")) == first for _ in range(3))
    with Index.create(tmp_path / "other") as other:
        other.add(*reversed(ARTICLES))
        assert ids(other.search(QUERY, sort="date"))[:4] == first[:4]


@pytest.mark.parametrize("mode", ["hybrid", "dense", "lexical"])
def test_a_half_life_prefers_the_new_and_leaves_the_relevance_as_it_is(index, mode):
    plain = {hit.document.doc_id: hit for hit in index.search(QUERY, mode=mode)}
    hits = index.search(QUERY, mode=mode, half_life="1y", as_of="2020-01-01")
    found = [doc_id for doc_id in ids(hits) if doc_id not in ("undated", "elsewhere")]
    assert found.index("new") < found.index("middle") < found.index("old")
    assert [hit.merged for hit in hits] == sorted((hit.merged for hit in hits), reverse=True)
    by_id = {hit.document.doc_id: hit for hit in hits}
    for doc_id, years in (("future", 0), ("middle", 5), ("old", 10.84)):
        assert by_id[doc_id].score == plain[doc_id].score
        assert by_id[doc_id].merged == pytest.approx(plain[doc_id].score * 0.5**years, rel=0.02)
        assert by_id[doc_id].legs == plain[doc_id].legs


def test_what_has_no_date_stands_among_the_others_of_the_same_relevance(index):
    found = ids(index.search(QUERY, half_life="1y", as_of="2020-01-01"))
    assert found.index("new") < found.index("undated") < found.index("old")


def test_ages_count_from_now_unless_told(index):
    now = datetime.now(UTC)
    assert ids(index.search(QUERY, half_life=400)) == ids(index.search(QUERY, half_life=400, as_of=now))
    (hit,) = index.search(QUERY, 1, half_life="1d", before="2010", as_of="2009-03-03")
    assert hit.merged == pytest.approx(hit.score / 4)


def test_recency_holds_for_passages_contexts_and_runs(index):
    options = {"half_life": "1y", "as_of": "2020-01-01"}
    assert ids(index.search(QUERY, 2, group=False, **options)) == ids(index.search(QUERY, 2, **options))
    assert [place.doc_id for place in index.context(QUERY, k=2, **options).citations] == ids(
        index.search(QUERY, 2, **options)
    )
    assert [doc_id for doc_id, _ in index.rank(QUERY, 7, **options)] == ids(index.search(QUERY, 7, **options))
    assert next(iter(index.context(QUERY, sort="date").citations)).doc_id == "future"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sort": "newest"}, "choose relevance or date"),
        ({"half_life": "soon"}, "write it as 30"),
        ({"as_of": "tomorrow"}, "is no date"),
        ({"sort": "date", "half_life": 3}, "choose one"),
    ],
)
def test_what_cannot_be_meant_is_refused(index, options, said):
    with pytest.raises(ValueError, match=said):
        index.search(QUERY, **options)


# what has no date


@pytest.mark.parametrize(
    ("options", "articles", "hits"),
    [
        ({}, 0, 0),
        ({"sources": ["Post"]}, 0, 0),
        ({"where": ["published="]}, 0, 0),
        ({"where": ["published!=2019"]}, 0, 0),
        ({"after": "2010"}, 2, 2),
        ({"before": "2010", "sources": ["Post"]}, 1, 1),
        ({"where": ["published>=2010", "source=Post"]}, 1, 1),
        ({"where": [{"type": "gte", "key": "published", "value": 0}], "sources": ["Nobody"]}, 0, 0),
        ({"where": [{"type": "gte", "key": "published", "value": 0}]}, 2, 2),
        ({"where": [{"type": "or", "filters": [
            {"type": "eq", "key": "source", "value": "Post"}, {"type": "lt", "key": "published", "value": "2010"},
        ]}]}, 1, 1),
        ({"after": "2010", "min_score": 1.0}, 2, 0),
    ],
)  # fmt: skip
def test_what_a_filter_by_date_leaves_out_for_want_of_one_is_counted(index, options, articles, hits):
    assert index.undated(QUERY, 10, **options) == Undated(articles, hits)


def test_only_what_would_be_among_the_hits_is_counted_among_them(index):
    assert index.undated("bread and butter at the bakery", 1, after="2019-12-01") == Undated(2, 0)
    with_all = ids(index.search(QUERY, 3))
    missing = sum(doc_id in ("undated", "elsewhere") for doc_id in with_all)
    assert index.undated(QUERY, 3, after="1900").hits == missing


# the other doors


def test_the_command_line_sorts_by_date_and_by_age(folder, run):
    for typed in (["--sort", "date"], ["--half-life", "1y", "--as-of", "2020"]):
        status, out, _ = run("search", "-i", folder, QUERY, *typed, "--before", "2020", "--json")
        found = [hit["document"]["doc_id"] for hit in json.loads(out)]
        assert status == 0
        assert found.index("new") < found.index("middle") < found.index("old")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--half-life", "soon"], "write it as 30"),
        (["--half-life", "3d", "--as-of", "tomorrow"], "no date"),
        (["--as-of", "2020"], "--half-life"),
        (["--sort", "date", "--half-life", "3d"], "choose one of them"),
        (["--sort", "date", "--trec"], "choose one of them"),
        (["--sort", "newest"], "relevance"),
    ],
)
def test_the_command_line_refuses_what_cannot_be_meant(folder, run, typed, said):
    status, out, err = run("search", "-i", folder, QUERY, *typed)
    assert (status, out) == (2, "")
    assert said in " ".join(err.split())


@pytest.mark.parametrize("command", ["search", "context"])
def test_the_command_line_says_how_many_hits_a_filter_by_date_leaves_out(folder, run, command):
    _, _, err = run(command, "-i", folder, QUERY, "--after", "2010")
    assert "leaves out 2 of the hits, which have no date (2 such in the index)" in " ".join(err.split())
    _, _, err = run(command, "-i", folder, QUERY, "--after", "2010", "--source", "Post")
    assert "leaves out 1 of the hits, which has no date (1 such" in " ".join(err.split())
    _, _, err = run(command, "-i", folder, QUERY)
    assert "no date" not in err


def test_ask_takes_the_dates_and_says_what_has_none(folder, run, monkeypatch):
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    status, out, err = run("ask", "-i", folder, QUERY, "--after", "2010", "--sort", "date")
    assert status == 0
    assert out.index("future") < out.index("middle")
    assert "leaves out 2 of the hits" in " ".join(err.split())


def test_the_server_sorts_and_counts(folder):
    with served(folder.parent) as url:
        asked = {"query": QUERY, "sort": "date", "after": "2010"}
        status, _, told = ask(f"{url}/api/search", asked)
        assert (status, told["undated"]) == (200, {"articles": 2, "hits": 2})
        assert [hit["document"]["doc_id"] for hit in told["hits"]] == ["future", "new", "middle"]
        _, _, told = ask(f"{url}/api/search", {"query": QUERY, "half_life": 365, "as_of": "2020", "before": "2020"})
        assert told["hits"][0]["document"]["doc_id"] == "new"
        _, _, told = ask(f"{url}/api/context", {"query": QUERY, "half_life": "1y", "after": "2010"})
        assert told["citations"][0]["doc_id"] == "future"
        assert told["undated"] == {"articles": 2, "hits": 2}
        for wrong in ({"half_life": "soon"}, {"as_of": "soon"}, {"sort": "date", "half_life": 3}, {"sort": "newest"}):
            assert ask(f"{url}/api/search", {"query": QUERY, **wrong})[0] == 400


def test_the_search_page_has_a_sort_control_that_works_without_a_script(folder):
    with served(folder.parent) as url:
        _, _, page = ask(f"{url}/?q=electric+ferry+across+the+strait&sort=date&after=2010")
        places = [page.index(f"/article/boats/{name}?") for name in ("future", "new", "middle")]
        assert places == sorted(places)
        assert '<option value="date" selected>Newest first' in page
        assert "2 more would be here but have no date" in page
        assert "sort=date" in page.split("/article/boats/future?")[1].split('"')[0], "the way back keeps the order"
        status, _, page = ask(f"{url}/?q=ferry&sort=newest")
        assert status == 400
        assert "sort is one of relevance, date" in page


def test_a_model_sorts_over_all_indexes_and_is_told_what_has_no_date(folder, tmp_path):
    with Index.create(folder.parent / "more") as more:
        more.add(ferry("between", "2017"), ferry("unknown", ""))
    catalogue = Catalogue(folder.parent)
    try:
        found = search(catalogue, Caller(), SearchArguments(query=QUERY, sort="date", after="2010"))
        assert [hit.title for hit in found.results] == ["future", "new", "between", "middle"]
        assert found.undated == 3
        found = search(catalogue, Caller(), SearchArguments(query=QUERY, half_life="1y", as_of="2020", before="2020"))
        titles = [hit.title for hit in found.results]
        assert titles.index("new") < titles.index("between") < titles.index("middle") < titles.index("old")
        asked = ContextArguments(query=QUERY, index="boats", sort="date", after="2010")
        assert context(catalogue, Caller(), asked).undated == 2
    finally:
        catalogue.close()
        Path(folder.parent / "more").rename(tmp_path / "more")
