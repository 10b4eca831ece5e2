"""Reranking: texts without an index, by the two legs of a search."""

import math
import random

import numpy as np
import pytest

import searchidx.rerank as reranking
from searchidx import Document, Index
from searchidx.encoders import load_encoder
from searchidx.rerank import rerank
from searchidx.storage.analysis import analysis
from searchidx.storage.lexical_query import terms_of

TEXTS = [
    "A ferry waited for the tide at the harbour bar.",
    "Wheat prices fell after the grain corridor opened.",
    "The phone maker may not buy parts from American firms for seven years.",
    "Farmers sold their wheat; prices of wheat and barley had risen before.",
    "",
    "Quarterly results of the bank were better than expected.",
]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("bundled-en")


def test_every_text_comes_once_with_a_relevance_that_never_rises(encoder):
    ranking = rerank("wheat prices", TEXTS, encoder)
    assert sorted(place for place, _ in ranking) == list(range(len(TEXTS)))
    scores = [score for _, score in ranking]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert {place for place, _ in ranking[:2]} == {1, 3}


def test_what_answers_is_told_from_what_does_not(encoder):
    (best, answers), *_ = rerank("When did wheat prices fall?", TEXTS, encoder)
    (_, nothing), *_ = rerank("migration of arctic terns", TEXTS, encoder)
    assert best in (1, 3)
    assert answers > 0.3
    assert nothing < 0.05


def test_no_text_is_no_ranking(encoder):
    assert rerank("wheat", [], encoder) == []


@pytest.mark.parametrize("query", ["zzqxj", "\u0001", "the of and", "?", "wheat " * 2000])
def test_any_query_ranks_all_texts_the_same_way_twice(encoder, query):
    first = rerank(query, TEXTS, encoder)
    assert len(first) == len(TEXTS)
    assert all(math.isfinite(score) for _, score in first)
    assert rerank(query, TEXTS, encoder) == first


def test_equally_good_texts_keep_their_order(encoder):
    texts = ["wheat prices"] * 30
    assert [place for place, _ in rerank("wheat prices", texts, encoder)] == list(range(30))
    assert [place for place, _ in rerank("\u0001", ["a", "b", "c"], encoder)] == [0, 1, 2]


def test_the_order_of_the_texts_changes_nothing(encoder):
    shuffled = [text for text in TEXTS if text]
    before = {shuffled[place]: score for place, score in rerank("wheat prices", shuffled, encoder)}
    random.Random(1).shuffle(shuffled)
    after = {shuffled[place]: score for place, score in rerank("wheat prices", shuffled, encoder)}
    assert after == pytest.approx(before, rel=1e-5)


def test_the_lexical_leg_is_the_bm25_of_an_index_of_these_texts(encoder, tmp_path):
    rng = random.Random(0)
    words = ["wheat", "price", "fall", "grain", "corridor", "farmer", "barley", "harbour", "tide", "ferry", "bank"]
    texts = [" ".join(rng.choices(words, k=rng.randint(3, 90))) for _ in range(200)]
    query = "wheat wheat prices at the harbour"
    cut = [analysis("en").words(text) for text in [*texts, ""]]  # tantivy counts the document that names the store
    lexical, ceiling = reranking._bm25(terms_of(query, analysis("en")), cut)
    with Index.create(tmp_path / "i", language="en") as index:
        index.add(*(Document(str(place), text) for place, text in enumerate(texts)))
        hits = {hit.document.doc_id: hit.legs["lexical"].score for hit in index.search(query, 200, mode="lexical")}
    assert len(hits) > 150
    assert {str(place): score for place, score in lexical if score} == pytest.approx(hits, rel=1e-4)
    assert max(score for _, score in lexical) < ceiling


def test_the_dense_leg_is_the_cosine_of_the_best_part_of_a_text(encoder):
    short, long = "wheat prices fell", "ferry and tide. " * 300 + "wheat prices fell. " + "bank results. " * 300
    query = encoder.encode_queries(["wheat prices"])[0]
    rankings, _ = reranking._legs("wheat prices", [short, long], encoder, analysis("en"))
    parts = reranking._windows(long)
    assert dict(rankings["dense"])[0] == pytest.approx(float(encoder.encode_passages([short])[0] @ query), abs=1e-6)
    assert dict(rankings["dense"])[1] == pytest.approx(float((encoder.encode_passages(parts) @ query).max()), abs=1e-6)
    assert dict(rankings["dense"])[1] > 2 * float(encoder.encode_passages([long])[0] @ query)


@pytest.mark.parametrize("length", [0, 1, 799, 800, 1199, 1200, 1201, 5000, 100_000])
def test_windows_are_the_whole_text_in_even_parts(length):
    text = "".join(random.Random(length).choices("ab ", k=length))
    parts = reranking._windows(text)
    assert "".join(parts) == text
    assert max(map(len, parts)) <= 1200
    assert len(parts) == 1 or min(map(len, parts)) > 0


def test_words_are_those_of_the_language_of_the_texts(encoder):
    texts = [
        "Die Regierung hat die Häuser in der Stadt nicht verkauft, weil sie es nicht wollte.",
        "Das Wetter war gestern in den Bergen sehr schlecht, und es hat auch noch geschneit.",
    ]
    ranking = rerank("Haus", texts[::-1], encoder)
    assert ranking == rerank("Haus", texts[::-1], encoder, "de")
    assert ranking[0][0] == 1
    assert ranking[0][1] > rerank("Haus", texts[::-1], encoder, "en")[0][1]


def test_both_legs_count(encoder):
    texts = ["Cereal costs went down.", "wheat"]
    assert [place for place, _ in rerank("wheat prices fell", texts, encoder)] == [1, 0]
    dense = encoder.encode_passages(texts) @ encoder.encode_queries(["cost of cereals declined"])[0]
    assert [place for place, _ in rerank("cost of cereals declined", texts, encoder)] == list(np.argsort(-dense))
