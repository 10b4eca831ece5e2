"""What OpenAI's own client gets from a real server: vector stores to read, models, embeddings, reranking."""

import base64
import json
import re
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import openai
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from serving_tools import GUEST, KEYS, READ, Door, Limits, ask, keys, made, served

from searchidx import Document, Index
from searchidx.encoders import load_encoder
from searchidx.encoders.static import BUNDLED
from searchidx.serving import openai as routers
from searchidx.serving import openwebui, vector_stores
from searchidx.serving.attributes import seconds_of
from searchidx.serving.catalogue import Catalogue
from searchidx.serving.http import create_app
from searchidx.serving.vector_stores import doc_id_of, file_id_of

DOC_IDS = [
    "plain", "a/b/content", "content", "https://x.example/a?b=c#d", "..", ".", "../../etc/passwd", "ü/日本 語",
    "x?y=z&w", "file-abc", "a%2Fb", "trailing/", "/leading", "a\\b", "a b", "+", ";", "null", "files", "k" * 1000,
]  # fmt: skip
METADATA = {
    "topic": "trade", "views": 120, "ratio": 0.1, "below": -3, "paid": True, "free": False, "zip": "01234",
    "number as text": "12",
}  # fmt: skip
STRANGE = {"a.b": "dot", "ключ": "значение", "a b": " blanks ", "$": "path", "[0]": "list", "'": "quote", "é": "accent"}
NOT_SHOWN = {
    "empty": "", "none": None, "list": ["a"], "nested": {"a": 1}, "huge": 2**60, "k" * 65: "a long name",
    "long": "v" * 513, "title": "not the title", "start": "not the start", "uri": "/home/someone/private",
    "": "no name", 'with "quotes"': "no filter finds it", "back\\slash": "nor this",
}  # fmt: skip


def article(doc_id):
    return Document(doc_id, f"Text of {doc_id}.\n\nSecond part, on quinces.", title=f"Title of {doc_id}"[:500])


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openai") / "indexes"
    made(folder / "news")
    made(folder / "other", [Document("o", "Only the other index knows of volcanoes.")])
    made(folder / "odd", [article(doc_id) for doc_id in DOC_IDS])
    web = Document("web", "Quinces on the web.", title="Web", uri="https://e.example/a?b=1", author="A. Writer")
    made(folder / "rich", [
        replace(web, published="2018-05-03T10:00:00Z", source="Reuters", language="en", metadata=METADATA),
        Document("local", "Quinces at home.", title="Local", uri="/home/someone/local.md", published="2018-05"),
        Document("refused", "Quinces with strange fields.", title="t" * 600, published="someday", metadata=NOT_SHOWN),
        Document("many", "Quinces galore.", metadata={f"field{i}": i for i in range(30)}),
        Document("strange", "Quinces with strange names.", published="1955", metadata=STRANGE),
    ])  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def url(root):
    with served(root) as address:
        yield address


def client_of(url, key="none"):
    return openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)


@pytest.fixture(scope="module")
def client(url):
    with client_of(url) as found:
        yield found


@pytest.fixture(scope="module")
def stores(client):
    return client.vector_stores


# stores


def test_indexes_are_listed_and_read_as_vector_stores(stores, root):
    assert {store.id for store in stores.list()} == {"news", "other", "odd", "rich"}
    store = stores.retrieve("news")
    with Index.open(root / "news") as index:
        status = index.status()
    assert (store.id, store.name, store.object, store.status) == ("news", "news", "vector_store", "completed")
    assert (store.file_counts.completed, store.file_counts.total, store.file_counts.failed) == (3, 3, 0)
    assert store.usage_bytes == status["bytes"]
    assert store.created_at == seconds_of(status["created"])
    assert store.metadata == {"encoder": "bundled-en", "language": "en"}
    assert "/" not in json.dumps(store.metadata)


def test_an_index_that_is_damaged_stays_in_the_list_and_the_others_answer(root, tmp_path):
    copy = shutil.copytree(root, tmp_path / "indexes")
    with (copy / "other" / "store.db").open("r+b") as file:
        file.write(b"\0" * 4096)
    with served(copy) as address, client_of(address) as client:
        states = {store.id: store.status for store in client.vector_stores.list()}
        assert states == {"news": "completed", "odd": "completed", "rich": "completed", "other": "expired"}
        with pytest.raises(openai.InternalServerError, match="damaged"):
            client.vector_stores.retrieve("other")


def test_everything_that_would_write_is_refused_with_the_way_to_do_it(stores, url):
    for write in (
        lambda: stores.create(name="mine"),
        lambda: stores.update("news", name="mine"),
        lambda: stores.delete("news"),
        lambda: stores.files.create("news", file_id="file-x"),
        lambda: stores.files.update("file-x", vector_store_id="news", attributes={}),
        lambda: stores.files.delete("file-x", vector_store_id="news"),
        lambda: stores.file_batches.create("news", file_ids=["file-x"]),
    ):
        with pytest.raises(openai.APIStatusError, match="searchidx add") as caught:
            write()
        assert caught.value.status_code == 405
        assert caught.value.response.headers["allow"] == "GET"
    assert stores.retrieve("news").file_counts.total == 3
    assert ask(f"{url}/v1/files")[0] == 404


# search


def test_a_search_gives_the_passages_that_the_index_finds(stores, root, url):
    found = stores.search("news", query="exports of parts to a phone maker", max_num_results=2)
    with Index.open(root / "news") as index:
        hits = index.search("exports of parts to a phone maker", 2, group=False)
    assert [result.content[0].text for result in found] == [hit.passage.text for hit in hits]
    assert [result.score for result in found] == [hit.score for hit in hits]
    best = found.data[0]
    assert (best.file_id, best.filename) == (file_id_of("trade/zte.md"), "Commerce Department bars exports to ZTE")
    assert best.attributes == {
        "doc_id": "trade/zte.md", "title": "Commerce Department bars exports to ZTE", "author": "A. Writer",
        "url": "https://news.example/zte?id=7&lang=en", "published": 1523836800, "source": "Reuters", "start": 0,
        "end": 89, "topic": "trade", "views": 120, "paid": True,
    }  # fmt: skip
    assert found.object == "vector_store.search_results.page"
    assert not found.has_next_page()


def test_text_of_a_result_stands_at_its_place_in_the_content(stores):
    for result in stores.search("odd", query="quinces", max_num_results=50):
        (page,) = stores.files.content(result.file_id, vector_store_id="odd").data
        start, end = int(result.attributes["start"]), int(result.attributes["end"])
        assert page.text[start:end] == result.content[0].text


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"type": "eq", "key": "topic", "value": "trade"}, {"trade/zte.md"}),
        ({"type": "ne", "key": "topic", "value": "trade"}, {"farm/wheat.md", "undated"}),
        ({"type": "gt", "key": "views", "value": 9}, {"trade/zte.md"}),
        ({"type": "gte", "key": "views", "value": 9}, {"trade/zte.md", "farm/wheat.md"}),
        ({"type": "lt", "key": "published", "value": 1523836801}, {"trade/zte.md"}),
        ({"type": "lte", "key": "published", "value": 1523836799}, set()),
        ({"type": "in", "key": "source", "value": ["Reuters", "AP"]}, {"trade/zte.md"}),
        ({"type": "nin", "key": "source", "value": ["Reuters", ""]}, {"farm/wheat.md"}),
        (
            {
                "type": "or",
                "filters": [
                    {"type": "eq", "key": "topic", "value": "food"},
                    {
                        "type": "and",
                        "filters": [
                            {"type": "eq", "key": "paid", "value": True},
                            {"type": "gte", "key": "published", "value": 1500000000},
                        ],
                    },
                ],
            },
            {"trade/zte.md", "farm/wheat.md"},
        ),
    ],
)
def test_nested_filters_of_every_type_hold(stores, filters, found):
    results = stores.search("news", query="anything at all", filters=filters)
    assert {result.attributes["doc_id"] for result in results} == found


def test_below_the_threshold_nothing_comes(stores):
    everything = stores.search("news", query="wheat prices", ranking_options={"ranker": "auto"})
    best, *others = everything.data
    options = {"ranker": "default-2024-11-15", "score_threshold": best.score}
    assert [result.file_id for result in stores.search("news", query="wheat prices", ranking_options=options)] == [
        best.file_id
    ]
    assert all(other.score < best.score for other in others)
    assert stores.search("news", query="wheat prices", ranking_options={"score_threshold": 1.0}).data == []


def test_of_several_queries_every_passage_comes_once_with_its_best_score(stores):
    queries = ["wheat prices", "exports of parts to a phone maker"]
    alone = [{r.file_id: r.score for r in stores.search("news", query=query)} for query in queries]
    together = stores.search("news", query=queries)
    assert [result.file_id for result in together] == sorted(
        alone[0], key=lambda file_id: -max(scores[file_id] for scores in alone)
    )
    for result in together:
        assert result.score == max(scores[result.file_id] for scores in alone)
    assert len(stores.search("news", query=queries, max_num_results=1).data) == 1


@pytest.mark.parametrize(
    ("wrong", "param", "message"),
    [
        ({"max_num_results": 0}, "max_num_results", "greater than or equal to 1"),
        ({"max_num_results": 51}, "max_num_results", "less than or equal to 50"),
        ({"rewrite_query": True}, "rewrite_query", "nothing here rewrites"),
        ({"query": " "}, "query.0", ""),
        ({"query": []}, "query", ""),
        ({"query": ["x"] * 17}, "query", ""),
        ({"query": 7}, "query", ""),
        ({"ranking_options": {"score_threshold": 1.1}}, "ranking_options.score_threshold", ""),
        ({"ranking_options": {"ranker": "best"}}, "ranking_options.ranker", ""),
        ({"ranking_options": {"hybrid": 1}}, "ranking_options.hybrid", "'hybrid' is not a field"),
        ({"top": 3}, "top", "'top' is not a field"),
        ({"filters": {"type": "eq", "key": "topik", "value": "x"}}, None, "did you mean topic"),
        ({"filters": {"type": "like", "key": "topic", "value": "x"}}, None, "type must be one of"),
        ({"filters": {"type": "eq", "key": "topic"}}, None, "value is missing"),
        ({"filters": {"type": "eq", "value": "x"}}, None, "key is missing"),
        ({"filters": {"type": "eq", "key": ["url"], "value": "x"}}, None, "key must be a string"),
        ({"filters": {"type": "and", "filters": []}}, None, "at least one"),
        ({"filters": {}}, None, "type must be one of"),
        ({"filters": {"type": "eq", "key": "heading", "value": "x"}}, None, "heading is of a passage"),
        ({"filters": {"type": "gt", "key": "start", "value": 3}}, None, "start is of a passage"),
        ({"filters": {"type": "gt", "key": "url", "value": "https://"}}, None, "eq ne in nin"),
        ({"filters": {"type": "eq", "key": "uri", "value": "/home/someone/private/wheat.md"}}, None, "called url"),
    ],
)
def test_a_wrong_field_is_refused_by_name(stores, wrong, param, message):
    with pytest.raises(openai.BadRequestError, match=message or None) as caught:
        stores.search("news", query=wrong.pop("query", "wheat"), extra_body=wrong)
    assert caught.value.param == param


@pytest.mark.parametrize("depth", [20, 21, 3_000, 200_000])
def test_deeply_nested_filters_are_refused_and_never_a_fault(url, depth):
    body = '{"type":"and","filters":[' * depth + '{"type":"eq","key":"url","value":"x"}' + "]}" * depth
    data = f'{{"query": "wheat", "filters": {body}}}'.encode()
    status, _, answer = ask(f"{url}/v1/vector_stores/news/search", data=data, Content_Type="application/json")
    assert status == 400, answer


def test_a_null_where_a_field_may_be_missing_is_as_if_it_were(url):
    body = {"query": "wheat", "filters": None, "ranking_options": None, "rewrite_query": None}
    status, _, answer = ask(f"{url}/v1/vector_stores/news/search", body)
    assert (status, len(answer["data"]), answer["search_query"]) == (200, 3, ["wheat"])


# attributes


def test_every_attribute_that_is_shown_filters_back_to_its_own_article(stores):
    tried = 0
    for file in stores.files.list("rich"):
        for key, value in file.attributes.items():
            filters = {"type": "eq", "key": key, "value": value}
            results = stores.search("rich", query="quinces", filters=filters, max_num_results=50)
            assert file.id in {result.file_id for result in results}, filters
            filters["type"] = "ne"
            results = stores.search("rich", query="quinces", filters=filters, max_num_results=50)
            assert file.id not in {result.file_id for result in results}, filters
            tried += 1
    assert tried > 40


def test_attributes_keep_to_the_bounds_and_leave_out_what_does_not_fit(stores):
    by_id = {file.attributes["doc_id"]: file.attributes for file in stores.files.list("rich")}
    assert len(by_id["many"]) == 16
    assert set(by_id["refused"]) == {"doc_id", "url"}
    assert by_id["web"]["published"] == 1525341600
    assert by_id["local"]["published"] == 1525132800
    assert by_id["web"].items() >= METADATA.items()
    assert by_id["strange"].items() >= STRANGE.items()


def test_the_address_of_a_passage_filters_back_too_and_one_of_another_index_does_not(stores, url):
    (result,) = stores.search("rich", query="home", filters={"type": "eq", "key": "doc_id", "value": "local"})
    assert result.attributes["url"] == f"{url}/article/rich/local?start=0&end=16#passage"

    def found(kind, value):
        filters = {"type": kind, "key": "url", "value": value}
        return {hit.attributes["doc_id"] for hit in stores.search("rich", query="quinces", filters=filters)}

    assert found("eq", result.attributes["url"]) == {"local"}
    assert found("in", [result.attributes["url"], "https://e.example/a?b=1", 7]) == {"local", "web"}
    assert found("nin", [result.attributes["url"], "https://e.example/a?b=1"]) == {"refused", "many", "strange"}
    assert found("eq", f"{url}/article/other/local") == set()
    assert found("eq", "/home/someone/local.md") == set()
    assert found("ne", "/home/someone/local.md") == {"web", "local", "refused", "many", "strange"}


def test_no_path_of_this_machine_leaves(url, root):
    for address in ("/v1/vector_stores", "/v1/vector_stores/rich", "/v1/vector_stores/rich/files", "/v1/models"):
        text = json.dumps(ask(url + address)[2])
        assert "/home/someone" not in text
        assert str(root) not in text
    text = json.dumps(ask(f"{url}/v1/vector_stores/rich/search", {"query": "quinces"})[2])
    assert "/home/someone" not in text


# files


@pytest.mark.parametrize("doc_id", DOC_IDS)
def test_an_article_of_any_id_is_read_by_the_client(stores, root, doc_id):
    file = stores.files.retrieve(file_id_of(doc_id), vector_store_id="odd")
    (page,) = stores.files.content(file.id, vector_store_id="odd").data
    with Index.open(root / "odd") as index:
        document = index.get(doc_id)
    assert (page.type, page.text) == ("text", document.text)
    assert (file.id, file.vector_store_id, file.status) == (file_id_of(doc_id), "odd", "completed")
    assert file.usage_bytes == len(document.text.encode())
    assert doc_id_of(file.id) == doc_id


@pytest.mark.parametrize("file_id", ["plain", "file-", "file-!", "file-QR", "file-cGxhaW4=", "cGxhaW4", "file-/", "ü"])
def test_an_id_that_no_article_has_is_not_found(stores, file_id):
    for read in (stores.files.retrieve, stores.files.content):
        with pytest.raises(openai.NotFoundError):
            read(file_id, vector_store_id="odd")


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("limit", [1, 3, 19, 20, 21, 100])
def test_pages_of_files_give_every_article_once_in_order(stores, order, limit):
    ids = [doc_id_of(file.id) for file in stores.files.list("odd", limit=limit, order=order)]
    assert ids == (DOC_IDS if order == "asc" else DOC_IDS[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_go_back_as_well(stores, order):
    ids = DOC_IDS if order == "asc" else DOC_IDS[::-1]

    def page(**cursors):
        cursors = {name: file_id_of(ids[place]) for name, place in cursors.items()}
        found = stores.files.list("odd", order=order, limit=5, **cursors)
        return [doc_id_of(file.id) for file in found.data], found.has_more

    assert page() == (ids[:5], True)
    assert page(after=4) == (ids[5:10], True)
    assert page(after=14) == (ids[15:], False)
    assert page(before=10) == (ids[5:10], True)
    assert page(before=5) == (ids[:5], False)
    assert page(before=2) == (ids[:2], False)
    assert page(after=3, before=6) == (ids[4:6], False)
    assert page(after=3, before=12) == (ids[4:9], True)


def test_stores_are_listed_in_pages_too(stores):
    ascending = [store.id for store in stores.list(order="asc", limit=1)]
    assert sorted(ascending) == ["news", "odd", "other", "rich"]
    assert [store.id for store in stores.list(limit=3)] == ascending[::-1]
    assert [store.id for store in stores.list(order="asc", after=ascending[1], limit=1)] == ascending[2:]


def test_all_files_are_completed_and_none_has_another_status(stores):
    assert len(list(stores.files.list("news", filter="completed"))) == 3
    for status in ("in_progress", "failed", "cancelled"):
        assert stores.files.list("news", filter=status).data == []


@pytest.mark.parametrize(
    ("wrong", "param"),
    [({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"order": "up"}, "order"), ({"after": "gone"}, "after"),
     ({"before": "file-QQ"}, "before"), ({"page": 2}, "page")],
)  # fmt: skip
def test_a_wrong_page_is_refused_by_name(stores, wrong, param):
    for listing in (lambda: stores.list(extra_query=wrong), lambda: stores.files.list("odd", extra_query=wrong)):
        with pytest.raises(openai.BadRequestError, match=param) as caught:
            listing()
        assert caught.value.param == param


# keys


def test_errors_arrive_as_the_classes_that_the_client_has_for_them(root, tmp_path):
    with served(root, Door(keys=keys(tmp_path, KEYS))) as url:
        with client_of(url, "wrong-key-0123456789") as wrong, pytest.raises(openai.AuthenticationError):
            wrong.vector_stores.list()
        with client_of(url, GUEST) as guest:
            assert [store.id for store in guest.vector_stores.list()] == ["other"]
            assert len(guest.vector_stores.search("other", query="volcanoes").data) == 1
            for forbidden in (
                lambda: guest.vector_stores.retrieve("news"),
                lambda: guest.vector_stores.search("news", query="wheat"),
                lambda: guest.vector_stores.files.list("news"),
                lambda: guest.vector_stores.files.content(file_id_of("undated"), vector_store_id="news"),
            ):
                with pytest.raises(openai.PermissionDeniedError, match="not for the index"):
                    forbidden()
        with client_of(url, READ) as reader:
            assert len(reader.vector_stores.search("news", query="wheat").data) == 3
            for name in ("nothing", "../news", "a/b", "né"):
                with pytest.raises(openai.NotFoundError):
                    reader.vector_stores.retrieve(name)


# embeddings

TEXTS = ["Wheat prices fell after the grain corridor opened.", "tide", "Ünïcode 日本"]


@pytest.mark.parametrize(
    "options", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}, {"dimensions": 256}]
)
def test_embeddings_are_the_encoders_own_vectors(client, options):
    encoder = load_encoder("bundled-en")
    answer = client.embeddings.create(model="bundled-en", input=TEXTS, user="someone", **options)
    vectors = [
        np.frombuffer(base64.b64decode(each.embedding), "<f4") if isinstance(each.embedding, str) else each.embedding
        for each in answer.data
    ]
    assert np.array_equal(np.array(vectors, np.float32), encoder.encode_passages(TEXTS))
    assert [each.index for each in answer.data] == [0, 1, 2]
    assert answer.usage.total_tokens == answer.usage.prompt_tokens == sum(encoder.count_tokens(TEXTS))
    (alone,) = client.embeddings.create(model="bundled-en", input=TEXTS[0], **options).data
    assert alone.embedding == answer.data[0].embedding


def test_nothing_of_a_text_is_kept_after_it_was_embedded(client):
    client.embeddings.create(model="bundled-en", input=[f"{text} {'barley ' * 10_000}" for text in TEXTS])
    assert routers._bundled()._counted == {}


def test_a_text_without_a_known_word_is_all_zeros(client):
    (answer,) = client.embeddings.create(model="bundled-en", input="\u0001").data
    assert answer.embedding == [0.0] * 256


@pytest.mark.parametrize(
    ("wrong", "param", "message"),
    [
        ({"input": [1, 2, 3]}, "input", "tokens are not understood"),
        ({"input": [[1, 2], [3]]}, "input", "tokens are not understood"),
        ({"input": []}, "input", ""),
        ({"input": ""}, "input.0", ""),
        ({"input": ["a"] * 2049}, "input", "2048"),
        ({"input": "a" * 100_001}, "input.0", "100000"),
        ({"input": None}, "input", ""),
        ({"dimensions": 64}, "dimensions", "have 256"),
        ({"encoding_format": "int8"}, "encoding_format", ""),
        ({"input_type": "search"}, "input_type", ""),
        ({"truncate": True}, "truncate", "'truncate' is not a field"),
    ],
)
def test_embeddings_refuse_what_they_cannot_do_by_name(url, wrong, param, message):
    status, _, answer = ask(f"{url}/v1/embeddings", {"model": "bundled-en", "input": "text", **wrong})
    assert (status, answer["error"]["param"]) == (400, param)
    assert message in answer["error"]["message"]


def with_prompts(folder):
    """A model in a folder, whose prompts differ."""
    model = shutil.copytree(BUNDLED, folder)
    config = json.loads((model / "config_sentence_transformers.json").read_text())
    config["prompts"] = {"query": "question: ", "document": "article: "}
    (model / "config_sentence_transformers.json").write_text(json.dumps(config))
    return model


def test_the_models_are_the_encoders_of_the_indexes_that_the_key_sees_and_no_other_is_loaded(tmp_path):
    model = with_prompts(tmp_path / "private" / "prompted")
    with Index.create(tmp_path / "indexes" / "own", encoder=str(model)) as index:
        index.add(Document("a", "Text."))
        encoder = index.encoder
    made(tmp_path / "indexes" / "other", [Document("o", "Volcanoes.")])
    name = f"prompted-{encoder.fingerprint[-8:]}"
    with served(tmp_path / "indexes", Door(keys=keys(tmp_path, KEYS))) as url:
        with client_of(url, READ) as client:
            assert [each.id for each in client.models.list()] == ["bundled-en", name]
            assert client.models.retrieve(name).id == name
            assert client.vector_stores.retrieve("own").metadata["encoder"] == name
            for kind, encode in (("query", encoder.encode_queries), ("document", encoder.encode_passages)):
                answer = client.embeddings.create(model=name, input=TEXTS, extra_body={"input_type": kind})
                assert np.array_equal(np.array([each.embedding for each in answer.data], np.float32), encode(TEXTS))
            for unknown in (str(model), "all-MiniLM-L6-v2", "BAAI/bge-small-en-v1.5", "../prompted"):
                with pytest.raises(openai.NotFoundError, match=f"there are: bundled-en, {name}"):
                    client.embeddings.create(model=unknown, input="text")
        with client_of(url, GUEST) as guest:
            assert [each.id for each in guest.models.list()] == ["bundled-en"]
            with pytest.raises(openai.NotFoundError):
                guest.embeddings.create(model=name, input="text")


# reranking


def test_documents_are_ranked_as_texts_and_as_objects(url):
    documents = ["A ferry waited for the tide.", {"text": "Wheat prices fell."}, "Prices of phones rose.", ""]
    asked = {"model": "bundled-en", "query": "wheat prices", "documents": documents}
    status, _, answer = ask(f"{url}/v1/rerank", {**asked, "return_documents": True})
    assert (status, answer["model"]) == (200, "bundled-en")
    assert sorted(result["index"] for result in answer["results"]) == [0, 1, 2, 3]
    scores = [result["relevance_score"] for result in answer["results"]]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    assert answer["results"][0]["index"] == 1
    assert answer["results"][0]["document"] == {"text": "Wheat prices fell."}
    _, _, answer = ask(f"{url}/v1/rerank", {**asked, "top_n": 2})
    assert [list(result) for result in answer["results"]] == [["index", "relevance_score"]] * 2
    assert len(ask(f"{url}/v1/rerank", {**asked, "top_n": 99})[2]["results"]) == 4


@pytest.mark.parametrize(
    ("wrong", "status", "param"),
    [
        ({"documents": []}, 400, "documents"),
        ({"documents": ["x"] * 1001}, 400, "documents"),
        ({"documents": ["x" * 100_001]}, 400, "documents.0.text"),
        ({"documents": [{"title": "x"}]}, 400, "documents.0.text"),
        ({"documents": [{"text": "x", "title": "y"}]}, 400, "documents.0.title"),
        ({"documents": [7]}, 400, "documents.0"),
        ({"top_n": 0}, 400, "top_n"),
        ({"query": ""}, 400, "query"),
        ({"language": "english"}, 400, "language"),
        ({"model": "rerank-v3.5"}, 404, "model"),
        ({"rank_fields": ["x"]}, 400, "rank_fields"),
    ],
)
def test_reranking_refuses_what_it_cannot_do_by_name(url, wrong, status, param):
    asked = {"query": "wheat", "documents": ["wheat"], **wrong}
    answered, _, answer = ask(f"{url}/v1/rerank", asked)
    assert (answered, answer["error"]["param"]) == (status, param)


def test_models_see_each_tool_once_and_not_these_contracts(url):
    paths = ask(f"{url}/openapi.json")[2]["paths"]
    assert not [path for path in paths if path.startswith(("/v1", "/openwebui"))]


# what the page says


def test_the_example_of_the_page_runs_as_it_stands(tmp_path, capsys):
    made(tmp_path / "indexes" / "default")
    page = (Path(__file__).parents[1] / "docs" / "openai.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with served(tmp_path / "indexes") as url:
        names: dict[str, object] = {}
        exec(code.replace("http://127.0.0.1:8765", url), names)
        names["client"].close()
    (line,) = capsys.readouterr().out.splitlines()
    assert "Wheat falls" in line
    assert "/article/default/farm%2Fwheat.md" in line


# anything at all


@pytest.fixture(scope="module")
def schema(root):
    """The contracts in an OpenAPI document, from which schemathesis makes requests."""
    app = create_app(Catalogue(root), Door(hosts=["testserver"], limits=Limits(rate="")))
    for contract in (routers.router, vector_stores.router, openwebui.router):
        app.include_router(contract)
    return schemathesis.openapi.from_asgi("/openapi.json", app).include(path_regex="^/(v1|openwebui)")


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode))
def test_no_request_makes_a_server_error(schema, mode):
    tried = set()
    for operation in schema.get_all_operations():

        @given(case=operation.ok().as_strategy(generation_mode=mode))
        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        def ask_anything(case):
            answer = case.call()
            tried.add((case.path, answer.status_code))
            assert answer.status_code < 500, answer.text
            assert answer.status_code == 200 or answer.json()["error"]["message"]

        with suppress(Unsatisfiable):  # where nothing can be sent, nothing wrong can
            ask_anything()
    assert len({path for path, _ in tried}) > 10
