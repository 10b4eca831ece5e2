"""Pure functions over rankings: fusion, folding, filters, highlights."""

import random
import sqlite3

import pytest

from searchidx.errors import BadFilter
from searchidx.ranking.filters import compile_filters
from searchidx.ranking.fusion import reciprocal_rank, weighted
from searchidx.ranking.grouping import fold
from searchidx.ranking.highlight import best_sentences, query_terms, sentences
from searchidx.storage.analysis import analysis, pieces


def test_weighted_fusion_takes_scores_as_shares_of_the_best_and_adds_by_weight():
    merged = weighted({"a": [(1, 10.0), (2, 5.0), (3, -2.0)], "b": [(2, 0.9), (4, 0.45)]}, {"a": 0.7, "b": 0.3})
    assert merged == [(1, 0.7), (2, pytest.approx(0.35 + 0.3)), (4, pytest.approx(0.15)), (3, 0.0)]


def test_weighted_fusion_does_not_depend_on_further_candidates():
    near = {"a": [(1, 9.0), (2, 8.0)], "b": [(2, 0.5)]}
    far = {"a": [*near["a"], (3, 0.1)], "b": [*near["b"], (4, 0.01)]}
    weights = {"a": 0.6, "b": 0.4}
    assert dict(weighted(near, weights)).items() <= dict(weighted(far, weights)).items()


def test_weighted_fusion_stays_between_zero_and_one_and_breaks_ties_by_id():
    rng = random.Random(1)
    legs = {
        name: sorted(((i, rng.gauss(0, 9)) for i in rng.sample(range(50), 20)), key=lambda h: -h[1]) for name in "ab"
    }
    merged = weighted(legs, {"a": 3.0, "b": 1.0})
    assert all(0 <= score <= 1 for _, score in merged)
    assert merged == sorted(merged, key=lambda hit: (-hit[1], hit[0]))
    assert {i for i, _ in merged} == {i for leg in legs.values() for i, _ in leg}


def test_a_leg_without_candidates_or_with_equal_scores_does_not_break_fusion():
    assert weighted({"a": [], "b": [(1, 0.5)]}, {"a": 0.5, "b": 0.5}) == [(1, 0.5)]
    assert weighted({"a": [(1, 2.0), (2, 2.0)], "b": []}, {"a": 1.0, "b": 1.0}) == [(1, 0.5), (2, 0.5)]
    assert weighted({"a": [(1, 0.0)], "b": [(2, -0.1)]}, {"a": 1.0, "b": 1.0}) == [(1, 0.0), (2, 0.0)]
    assert weighted({"a": [], "b": []}, {"a": 1.0, "b": 1.0}) == []


def test_reciprocal_rank_adds_one_over_k_plus_rank():
    merged = reciprocal_rank({"a": [(1, 9.0), (2, 8.0)], "b": [(2, 0.3)]}, k=60)
    assert merged == [(2, pytest.approx(1 / 62 + 1 / 61)), (1, pytest.approx(1 / 61))]


def test_folding_keeps_the_order_of_the_best_and_leaves_out_what_the_store_forgot():
    ranking = [(5, 0.9), (7, 0.8), (6, 0.7), (9, 0.6), (8, 0.5)]
    assert fold(ranking, {5: 1, 6: 1, 7: 2, 8: 2}) == [[(5, 0.9), (6, 0.7)], [(7, 0.8), (8, 0.5)]]


ARTICLES = [
    # doc_id, title, published, source, metadata
    ("a", "Alpha", "2018-05-03", "BBC News", '{"topic": "law", "views": 10, "tags": ["x", "y"], "paid": true}'),
    ("b", "beta", "2018-06-30T23:00:00Z", "Reuters", '{"topic": "Trade", "views": 9.5, "tags": [], "rank": "7"}'),
    ("c", "Gamma", "2019", "reuters", '{"topic": "law \\"x\\"", "views": 200, "odd key": "v"}'),
    ("d", "", "", "", "{}"),
]
KNOWN = {"topic", "views", "tags", "paid", "rank", "odd key"}


def matching(*where, **options):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE documents (doc_id, title, published, source, metadata, uri, author, language)")
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?, '', '', 'en')", ARTICLES)
    condition = compile_filters(where, known=KNOWN, **options)
    if condition is None:
        return "all"
    sql = f"SELECT doc_id FROM documents d WHERE {condition.sql} ORDER BY doc_id"
    return "".join(row[0] for row in connection.execute(sql, condition.parameters))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("published>=2018-06", "bc"),
        ("published>2018-06", "c"),
        ("published<=2018-06", "ab"),
        ("published<2018-06", "a"),
        ("published=2018", "ab"),
        ("published=2018-06-30", "b"),
        ("published!=2018", "cd"),
        ("published<=2019", "abc"),
        ("published=", "d"),
        ("published!=", "abc"),
        ("source=REUTERS", "bc"),
        ("source!=reuters", "ad"),
        ("title>=b", "bc"),
        ("doc_id=a", "a"),
        ("topic=law", "a"),
        ("topic=LAW", "a"),
        ("topic!=law", "bcd"),
        ('topic=law "x"', "c"),
        ("views>9.7", "ac"),
        ("views>=9.5", "abc"),
        ("views=10", "a"),
        ("views!=10", "bcd"),
        ("tags=x", "a"),
        ("tags=z", ""),
        ("rank=7", "b"),
        ("paid=true", "a"),
        ("odd key=v", "c"),
        (" topic = law ", "a"),
    ],
)
def test_filters_select_what_they_say(where, expected):
    assert matching(where) == expected


MAY_2018 = 1525132800
"""2018-05-01 in Unix seconds."""


@pytest.mark.parametrize(
    ("kind", "key", "value", "expected"),
    [
        ("eq", "topic", "law", "a"),
        ("ne", "topic", "law", "bcd"),
        ("gt", "views", 9.7, "ac"),
        ("gte", "views", 9.5, "abc"),
        ("lt", "views", 10, "b"),
        ("lte", "views", 10, "ab"),
        ("eq", "views", 10.0, "a"),
        ("eq", "paid", True, "a"),
        ("in", "topic", ["law", "trade"], "ab"),
        ("nin", "topic", ["law", "trade"], "cd"),
        ("in", "topic", [], ""),
        ("nin", "topic", [], "abcd"),
        ("eq", "source", "reuters", "bc"),
        ("gte", "published", "2018-06", "bc"),
        ("gte", "published", MAY_2018, "abc"),
        ("lt", "published", MAY_2018 + 3 * 86400, "a"),
        ("gte", "published", 1546300800, "c"),  # the first moment of 2019, which 2019 stands for
        ("eq", "published", 1530399600, "b"),  # 2018-06-30T23:00:00Z
        ("ne", "published", 1530399600, "acd"),
        ("eq", "title", "alpha' OR 1 --", ""),
    ],
)
def test_structured_filters_select_what_they_say(kind, key, value, expected):
    assert matching({"type": kind, "key": key, "value": value}) == expected


def test_structured_filters_nest_and_mix_with_expressions():
    law, reuters = (
        {"type": "eq", "key": key, "value": value} for key, value in [("topic", "law"), ("source", "reuters")]
    )
    dated = {"type": "gte", "key": "published", "value": "2019"}
    assert matching({"type": "or", "filters": [law, {"type": "and", "filters": [reuters, dated]}]}) == "ac"
    assert matching({"type": "or", "filters": [law, reuters]}, "views>9.7") == "ac"


def nested(depth):
    inner = {"type": "eq", "key": "topic", "value": "law"}
    for _ in range(depth):
        inner = {"type": "and", "filters": [inner]}
    return inner


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({}, "type must be one of eq ne gt"),
        ({"type": "like", "key": "topic", "value": "x"}, "type must be one of"),
        ({"type": ["eq"], "key": "topic", "value": "x"}, "type must be one of"),
        ({"type": "eq", "value": "x"}, "key is missing"),
        ({"type": "eq", "key": "topic"}, "value is missing"),
        ({"type": "eq", "key": "topic", "value": "x", "boost": 2}, "unknown boost"),
        ({"type": "eq", "key": 5, "value": "x"}, "key must be a string"),
        ({"type": "eq", "key": "topik", "value": "x"}, "did you mean topic"),
        ({"type": "in", "key": "topik", "value": []}, "did you mean topic"),
        ({"type": "in", "key": "topic", "value": "x"}, "needs a list"),
        ({"type": "eq", "key": "topic", "value": None}, "a string, a number or a boolean, not None"),
        ({"type": "eq", "key": "views", "value": float("nan")}, "not nan"),
        ({"type": "gte", "key": "published", "value": "soon"}, "no date"),
        ({"type": "eq", "key": "topic", "value": "\ud800"}, "half a character"),
        ("topic=\udfff", "half a character"),
        ({"type": "and", "filters": []}, "at least one"),
        ({"type": "and", "filters": ["topic=law"]}, "a mapping with a type"),
        ({"type": "and", "filters": [nested(0)], "key": "x"}, "unknown key"),
        (nested(20), "nested more than 20"),
        ({"type": "in", "key": "topic", "value": ["x"] * 501}, "more than 500"),
        (5, "a mapping with a type"),
        ("uri>=/home", "uri can be compared with = and != only"),
        ({"type": "lt", "key": "uri", "value": "/home"}, "with = and != only"),
        ("published>=2020-13", "no date"),
        ("published>=2020-02-32", "no date"),
    ],
)
def test_a_structured_filter_that_cannot_be_read_is_refused_by_name(where, message):
    with pytest.raises(BadFilter, match=message):
        matching(where)


def test_filters_that_are_no_list_or_too_many_are_refused():
    with pytest.raises(BadFilter, match="list of filters"):
        compile_filters("topic=law", known=KNOWN)
    with pytest.raises(BadFilter, match="list of outlets"):
        compile_filters(sources="Reuters", known=KNOWN)
    with pytest.raises(BadFilter, match="more than 500"):
        matching(*["topic=law"] * 501)
    assert matching(*["topic=law"] * 500) == "a"
    assert matching({"type": "in", "key": "topic", "value": ["law"] * 500}) == "a"
    assert matching(nested(19)) == "a"


def test_filters_are_joined_by_and_sources_by_or():
    assert matching("views>9.7", "topic=law") == "a"
    assert matching(sources=["bbc news", "Reuters"]) == "abc"
    assert matching(after="2018-06", before="2019") == "b"
    assert matching(before="2019") == "ab"
    assert matching() == "all"


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("published>>2024", "expected FIELD OP VALUE with one of = != < <= > >="),
        ("topic", "expected FIELD OP VALUE"),
        ("=law", "expected FIELD OP VALUE"),
        ("topic==law", "expected FIELD OP VALUE"),
        ("topci=law", "did you mean topic?"),
        ("published>yesterday", "is no date: expected YYYY"),
        ("published>2018-6-1", "is no date"),
        ("", "expected FIELD OP VALUE"),
    ],
)
def test_a_bad_filter_is_an_error_that_says_what_is_expected(where, message):
    with pytest.raises(BadFilter, match=message.replace("?", r"\?")):
        matching(where)


def test_values_are_parameters_and_never_sql():
    assert matching("topic=x' OR '1'='1") == ""
    with pytest.raises(BadFilter):
        matching("topic'=x")


def test_sentences_are_spans_without_blanks_around():
    text = " Mr. Smith voted in the U.S. Senate.  It rose 3.5 percent! \n\nWas it so? "
    assert [text[a:b] for a, b in sentences(text)] == [
        "Mr. Smith voted in the U.S. Senate.",
        "It rose 3.5 percent!",
        "Was it so?",
    ]
    assert sentences("") == []


def test_words_of_the_query_are_found_in_every_form_but_stop_words_are_not():
    text = "The restriction of Chinese telecoms was restricting trade."
    words = analysis().content_words
    spans = query_terms(set(words("the restrictions on telecom")), pieces(text), words)
    assert [text[a:b] for a, b in spans] == ["restriction", "telecoms", "restricting"]


def test_the_best_sentence_has_most_of_the_words_or_the_nearest_vector():
    spans = [(0, 10), (11, 20), (21, 30)]
    assert best_sentences(spans, [(12, 14), (15, 17), (22, 24)], 2, None) == ((11, 20),)
    assert best_sentences(spans, [], 2, None) == ()
    assert best_sentences(spans, [], 2, [0.1, 0.2, 0.9]) == ((21, 30),)
    assert best_sentences(spans, [], 2, [0.85, 0.2, 0.9]) == ((0, 10), (21, 30))
