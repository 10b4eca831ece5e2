"""Indexes as retrievers of LangChain, LlamaIndex and Haystack: the real packages, and what they themselves expect."""

import asyncio
import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from langchain_core.documents import Document as LangChainDocument
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests
from llama_index.core import get_response_synthesizer
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.vector_stores import FilterOperator, MetadataFilter, MetadataFilters
from llama_index.core.vector_stores.utils import build_metadata_filter_fn
from pydantic import ValidationError

from searchidx import BadFilter, Document, Index, IndexNotFound
from searchidx.cli import main
from searchidx.integrations import langchain, llamaindex

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "false"  # read when haystack is imported

from haystack import Document as HaystackDocument
from haystack import Pipeline
from haystack.components.builders import PromptBuilder
from haystack.utils.filters import document_matches_filter

from searchidx.integrations import haystack

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "frameworks.md").read_text()
QUERY = "wheat prices rise after the harvest"
ARTICLES = [
    Document("wheat", "Wheat prices rise after the poor harvest.", title="Wheat", uri="https://example.org/wheat",
             published="2022-03-04", author="Ada", source="Reuters", 
             metadata={"topic": "food", "year": 2022, "rank": 99, "tags": ["grain", "price"]}),
    Document("bread", "Bread costs more since wheat prices rise.", title="Bread", published="2021", source="AP",
             metadata={"topic": "food", "year": 2021, "tags": ["price"]}),
    Document("rates", "Prices rise, and the central bank raises rates.", title="Rates", published="2023-06",
             source="Reuters", metadata={"topic": "money", "year": 2023}),
    Document("bare", "After the harvest prices of wheat rise no more."),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("frameworks") / "news"
    with Index.create(folder) as index:
        index.add(
            *ARTICLES, Document("long", "\n\n".join(f"Harvest {n}. " + "Wheat prices rise. " * 60 for n in range(4)))
        )
    return folder


@pytest.fixture(scope="module")
def index(folder):
    with Index.open(folder) as index:
        yield index


def from_langchain(index, k=10, **options):
    return [
        (document.id, document.page_content, document.metadata)
        for document in langchain.SearchIdxRetriever(index=index, k=k, **options).invoke(QUERY)
    ]


def from_llamaindex(index, k=10, **options):
    found = llamaindex.SearchIdxRetriever(index, similarity_top_k=k, **options).retrieve(QUERY)
    assert all(node.score == node.metadata["score"] for node in found)
    return [(node.node_id, node.text, node.metadata) for node in found]


def from_haystack(index, k=10, **options):
    found = haystack.SearchIdxRetriever(index, top_k=k, **options).run(QUERY)["documents"]
    assert all(document.score == document.meta["score"] for document in found)
    return [(document.id, document.content, document.meta) for document in found]


every_framework = pytest.mark.parametrize("retrieve", [from_langchain, from_llamaindex, from_haystack])


# what is the same in all three


@every_framework
def test_passages_come_back_as_the_index_finds_them_with_score_and_citation(retrieve, index):
    hits = index.search(QUERY, 10, group=False)
    found = retrieve(index)
    assert len(hits) == len(found) > 5
    for hit, (name, text, metadata) in zip(hits, found, strict=True):
        assert text == hit.passage.text == index.get(metadata["doc_id"]).text[metadata["start"] : metadata["end"]]
        assert name == f"{metadata['doc_id']}#{metadata['start']}-{metadata['end']}"
        assert (metadata["score"], metadata["rank"], metadata["citation"]) == (hit.score, hit.rank, str(hit.citation))
        assert metadata["title"] == hit.document.title
        json.dumps(metadata, allow_nan=False)
    assert len({name for name, *_ in found}) == len(found)


@every_framework
def test_the_article_s_own_metadata_is_carried_over_and_replaces_nothing(retrieve, index):
    ((_, _, metadata),) = retrieve(index, 1, mode="lexical", sources=["Reuters"], before="2023")
    assert (metadata["topic"], metadata["tags"]) == ("food", ["grain", "price"])
    assert metadata["rank"] == 1
    assert (metadata["published"], metadata["author"], metadata["uri"]) == ("2022-03-04", "Ada", ARTICLES[0].uri)


@every_framework
@pytest.mark.parametrize(
    "options",
    [{"mode": "dense"}, {"min_score": 0.5}, {"after": "2022"}, {"before": "2022"},
     {"sources": ["AP", "Reuters"]}, {"group": True}, {"group": True, "after": "2021", "sources": ("Reuters",)}],
    ids=str,
)  # fmt: skip
def test_every_option_of_a_search_is_passed_on(retrieve, index, options):
    expected = [hit.passage.text for hit in index.search(QUERY, 4, **{"group": False, **options})]
    everything = [hit.passage.text for hit in index.search(QUERY, 4, group=False)]
    assert [text for _, text, _ in retrieve(index, 4, **options)] == expected
    assert expected
    assert expected != everything


@pytest.mark.parametrize("module", [langchain, llamaindex, haystack])
def test_the_index_may_be_given_by_its_path(module, folder, tmp_path):
    for path in (folder, str(folder)):
        retriever = module.SearchIdxRetriever(index=path)
        assert retriever.index.folder == folder
        retriever.index.close()
    with pytest.raises(IndexNotFound, match="nothing"):
        module.SearchIdxRetriever(index=tmp_path / "nothing")


@every_framework
@pytest.mark.parametrize("options", [{"filter": {"topic": "food"}}, {"mode": "fuzzy"}])
def test_an_option_that_does_not_exist_is_refused_when_the_retriever_is_made(retrieve, index, options):
    with pytest.raises((TypeError, ValueError, ValidationError), match=r"filter|mode"):
        retrieve(index, **options)


class Watched(Index):
    """An index that remembers which threads searched it."""

    def search(self, *args, **options):
        self.threads = {*getattr(self, "threads", ()), threading.get_ident()}
        return super().search(*args, **options)


@pytest.mark.parametrize(
    "search",
    [
        lambda index: langchain.SearchIdxRetriever(index=index).ainvoke(QUERY, k=2),
        lambda index: llamaindex.SearchIdxRetriever(index, 2).aretrieve(QUERY),
        lambda index: haystack.SearchIdxRetriever(index).run_async(QUERY, top_k=2),
    ],
    ids=["langchain", "llamaindex", "haystack"],
)
def test_asynchronous_search_finds_the_same_and_leaves_the_event_loop_free(search, folder, index):
    with Watched(folder) as watched:
        found = asyncio.run(search(watched))
        assert watched.threads.isdisjoint({threading.get_ident()})
    found = found["documents"] if isinstance(found, dict) else found
    ids = [getattr(item, "id", None) or item.node_id for item in found]
    expected = index.search(QUERY, 2, group=False)
    assert ids == [f"{hit.document.doc_id}#{hit.passage.start}-{hit.passage.end}" for hit in expected]


@pytest.mark.parametrize(
    ("module", "package", "extra"),
    [("langchain", "langchain_core", "langchain"), ("llamaindex", "llama_index", "llamaindex"),
     ("haystack", "haystack", "haystack")],
)  # fmt: skip
def test_without_the_framework_the_command_to_install_it_is_named(module, package, extra):
    script = f"""
import sys
sys.modules["{package}"] = None
import searchidx
try:
    import searchidx.integrations.{module}
except searchidx.MissingExtra as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert f'pip install "searchidx[{extra}]"' in run.stdout


# LangChain


class TestLangChainStandard(RetrieversIntegrationTests):
    """The tests that LangChain has for every retriever."""

    @pytest.fixture(autouse=True)
    def _index(self, index):
        self.opened = index

    @property
    def retriever_constructor(self):
        return langchain.SearchIdxRetriever

    @property
    def retriever_constructor_params(self):
        return {"index": self.opened}

    @property
    def retriever_query_example(self):
        return QUERY


# their only asynchronous test, which may not be overridden; the marker says who awaits it
pytest.mark.asyncio(RetrieversIntegrationTests.test_ainvoke_returns_documents)


def test_langchain_finds_the_address_in_source_and_the_outlet_beside_it(index):
    found = {metadata["doc_id"]: metadata for _, _, metadata in from_langchain(index)}
    assert (found["wheat"]["source"], found["wheat"]["outlet"]) == (ARTICLES[0].uri, "Reuters")
    assert (found["bare"]["source"], found["bare"]["outlet"]) == ("bare", "")


def test_langchain_options_can_be_given_for_one_call(index):
    retriever = langchain.SearchIdxRetriever(index=index, k=3)
    nested = {"type": "or", "filters": [{"type": "eq", "key": "topic", "value": "money"},
                                        {"type": "gte", "key": "year", "value": 2022}]}  # fmt: skip
    options = {"k": 9, "where": [nested]}
    calls = [
        retriever.invoke(QUERY, **options),
        asyncio.run(retriever.ainvoke(QUERY, **options)),
        retriever.bind(**options).invoke(QUERY),
        *retriever.batch([QUERY], **options),
    ]
    for documents in calls:
        assert {document.metadata["doc_id"] for document in documents} == {"wheat", "rates"}
    assert len(retriever.invoke(QUERY)) == 3
    with pytest.raises(TypeError, match="filter"):
        retriever.invoke(QUERY, filter={"topic": "food"})
    with pytest.raises(BadFilter, match="colour"):
        retriever.invoke(QUERY, where=["colour=red"])


def test_a_langchain_chain_runs_over_the_retriever_in_both_ways(index):
    chain = langchain.SearchIdxRetriever(index=index, k=2) | RunnableLambda(
        lambda documents: [
            (document.metadata["title"], isinstance(document, LangChainDocument)) for document in documents
        ]
    )
    expected = [(hit.document.title, True) for hit in index.search(QUERY, 2, group=False)]
    assert chain.invoke(QUERY) == asyncio.run(chain.ainvoke(QUERY)) == expected


# LlamaIndex


def is_(key, value, operator="=="):
    return MetadataFilter(key=key, value=value, operator=operator)


def group_of(condition, *filters):
    return MetadataFilters(filters=list(filters), condition=condition)


def found_by_llamaindex(index, filters):
    return {metadata["doc_id"] for _, _, metadata in from_llamaindex(index, 50, filters=filters)}


@pytest.mark.parametrize(
    "filters",
    [
        group_of("and", is_("topic", "food")),
        group_of("and", is_("topic", "food", "!="), is_("year", 2021, ">")),
        group_of("and", is_("year", 2021, ">="), is_("year", 2023, "<")),
        group_of("or", is_("year", 2021, "<="), is_("topic", "money")),
        group_of("and", is_("topic", ["money", "sport"], "in")),
        group_of("and", is_("topic", ["money", "sport"], "nin")),
        group_of("not", is_("topic", "food")),
        group_of("not", is_("topic", "food"), is_("year", [2023], "in")),
        group_of("and", is_("source", "Reuters"), is_("doc_id", "rates", "!=")),
    ],
    ids=str,
)
def test_llamaindex_filters_find_what_llamaindex_s_own_store_finds(index, filters):
    everything = {metadata["doc_id"]: metadata for _, _, metadata in from_llamaindex(index, 50)}
    assert len(everything) == 5
    matches = build_metadata_filter_fn(everything.__getitem__, filters)
    assert found_by_llamaindex(index, filters) == {doc_id for doc_id in everything if matches(doc_id)}


def test_llamaindex_filters_nest_and_an_empty_one_filters_nothing(index):
    either = group_of("or", is_("topic", "money"), group_of("and", is_("topic", "food"), is_("year", 2021)))
    assert found_by_llamaindex(index, either) == {"rates", "bread"}
    assert found_by_llamaindex(index, group_of("not", either)) == {"wheat", "bare", "long"}
    assert found_by_llamaindex(index, group_of("and", is_("tags", "price"), group_of("not", either))) == {"wheat"}
    assert len(found_by_llamaindex(index, MetadataFilters(filters=[]))) == 5


@pytest.mark.parametrize(
    "operator", sorted({*FilterOperator} - {FilterOperator(name) for name in llamaindex._OPERATORS})
)
def test_llamaindex_operators_that_an_index_lacks_are_refused_by_name(index, operator):
    filters = group_of("or", is_("topic", "food"), group_of("not", is_("topic", "food", operator)))
    with pytest.raises(BadFilter, match=f"topic: no operator {operator.value} "):
        llamaindex.SearchIdxRetriever(index, filters=filters)


def test_a_llamaindex_query_engine_shows_the_model_text_and_title_but_no_bookkeeping(index):
    retriever = llamaindex.SearchIdxRetriever(index, 1, filters=group_of("and", is_("doc_id", "wheat")))
    engine = RetrieverQueryEngine(retriever, get_response_synthesizer(llm=MockLLM()))  # answers with the prompt itself
    response = engine.query(QUERY)
    assert ARTICLES[0].text in response.response
    assert "title: Wheat" in response.response
    assert "published: 2022-03-04" in response.response
    assert not re.search(r"score|citation|doc_id|example\.org", response.response)
    (node,) = response.source_nodes
    assert (node.node.ref_doc_id, node.node.start_char_idx, node.node.end_char_idx) == (
        "wheat",
        0,
        len(ARTICLES[0].text),
    )


# Haystack


def where(field, operator, value):
    return {"field": field, "operator": operator, "value": value}


def all_of(operator, *conditions):
    return {"operator": operator, "conditions": list(conditions)}


def found_by_haystack(index, filters):
    return {metadata["doc_id"] for _, _, metadata in from_haystack(index, 50, filters=filters)}


@pytest.mark.parametrize(
    "filters",
    [
        where("meta.topic", "==", "food"),
        where("topic", "!=", "food"),
        where("meta.year", ">", 2021),
        where("meta.year", "<=", 2022),
        where("meta.topic", "in", ["food", "sport"]),
        where("meta.topic", "not in", ["food", "sport"]),
        all_of("AND", where("meta.year", ">=", 2022), where("meta.source", "==", "Reuters")),
        all_of("OR", where("meta.year", "<", 2022), all_of("AND", where("topic", "==", "money"))),
        all_of("NOT", where("meta.topic", "==", "food"), where("meta.year", "==", 2021)),
        all_of("NOT", all_of("OR", where("meta.topic", "==", "food"), where("meta.year", "==", 2023))),
        all_of("NOT", all_of("NOT", where("meta.topic", "in", ["food"]))),
    ],
    ids=str,
)
def test_haystack_filters_find_what_haystack_s_own_store_finds(index, filters):
    everything = [HaystackDocument(id=name, meta=metadata) for name, _, metadata in from_haystack(index, 50)]
    expected = {document.meta["doc_id"] for document in everything if document_matches_filter(filters, document)}
    assert found_by_haystack(index, filters) == expected


def test_not_around_an_order_leaves_out_articles_without_the_field(index):
    """As docs/frameworks.md says, and other than in the frameworks' own stores."""
    assert found_by_haystack(index, all_of("NOT", where("meta.year", ">", 2021))) == {"bread"}
    assert found_by_llamaindex(index, group_of("not", is_("year", 2021, ">"))) == {"bread"}


@pytest.mark.parametrize(
    ("filters", "named"),
    [
        (where("meta.topic", "contains", "food"), "contains"),
        (all_of("NOT", all_of("XOR", where("topic", "==", "food"))), "XOR"),
        ({"field": "meta.topic", "operator": "=="}, "value"),
        ({**where("meta.topic", "==", "food"), "boost": 2}, "boost"),
        (all_of("AND", "topic == food"), "topic == food"),
        (all_of("AND"), "filters"),
        (where("meta.colour", "==", "red"), "colour"),
        (where("meta.topic", "==", None), "None"),
    ],
    ids=str,
)
def test_haystack_filters_that_cannot_be_read_are_refused_by_name(index, filters, named):
    with pytest.raises(BadFilter, match=named):
        found_by_haystack(index, filters)


def test_a_haystack_pipeline_runs_saves_and_loads_in_both_ways(folder, index):
    pipeline = Pipeline()
    kept = haystack.SearchIdxRetriever(
        folder, 2, all_of("OR", where("topic", "==", "money")), mode="lexical", sources=("Reuters",), min_score=0.01
    )
    pipeline.add_component("retriever", kept)
    pipeline.add_component("prompt", PromptBuilder("{% for d in documents %}{{ d.content }}{% endfor %}"))
    pipeline.connect("retriever.documents", "prompt.documents")
    loaded = Pipeline.loads(pipeline.dumps(), allowed_modules=["searchidx"])
    asked = {"retriever": {"query": QUERY}}
    assert pipeline.run(asked) == loaded.run(asked) == asyncio.run(loaded.run_async(asked))
    assert pipeline.run(asked)["prompt"]["prompt"] == ARTICLES[2].text
    asked["retriever"] |= {"filters": where("topic", "==", "food"), "top_k": 1}  # in place of the others
    assert pipeline.run(asked) == asyncio.run(loaded.run_async(asked)) == {"prompt": {"prompt": ARTICLES[0].text}}
    for each in (pipeline, loaded):
        each.close()
    lent = haystack.SearchIdxRetriever(index)
    lent.close()
    assert lent.run(QUERY, top_k=1)["documents"], "an index that was open before is left open"


def test_warming_up_loads_the_encoder_where_one_is_asked(folder):
    for mode, loaded in (("hybrid", True), ("lexical", False)):
        with Index.open(folder) as fresh:
            haystack.SearchIdxRetriever(fresh, mode=mode).warm_up()
            assert bool(fresh._encoders) == loaded


# the page


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder in which the demo has been run."""
    folder = tmp_path_factory.mktemp("page")
    assert main(["demo", "-q", "-i", str(folder / "indexes" / "demo")]) == 0
    return folder


@pytest.mark.parametrize(
    "block", re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), ids=lambda block: block.split()[1]
)
def test_examples_of_the_page_run(block, workplace):
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", block], capture_output=True, text=True, cwd=workplace, check=False
    )
    assert run.returncode == 0, run.stderr
    assert "Huawei" in run.stdout
    assert "characters" in run.stdout


def test_the_page_has_an_example_for_every_framework_and_the_command_to_install_it():
    for name in ("langchain", "llamaindex", "haystack"):
        assert f'pip install "searchidx[{name}]"' in PAGE
        assert f"from searchidx.integrations.{name} import SearchIdxRetriever" in PAGE
