"""Copies at every door: named with the hit, with addresses to follow, and as harmless as any other text of articles."""

# ruff: noqa: F811 - the fixtures of cli_tools are arguments of tests

import json
from urllib.parse import quote

import pytest
from cli_tools import run, somewhere_else  # noqa: F401
from copies_tools import PAPERS, QUERY, story, wire
from serving_tools import ask, served

from searchidx import Document, Index
from searchidx.integrations.langchain import SearchIdxRetriever
from searchidx.serving.catalogue import Catalogue
from searchidx.serving.tool_models import SearchArguments
from searchidx.serving.tools import Caller, search

HOSTILE = "<script>alert(1)</script>\x1b[31m"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """An index with ten papers that have one story, one of them with a hostile title, and two other articles."""
    folder = tmp_path_factory.mktemp("doors")
    text = f"Reported. {story('port')}"
    documents = [
        *wire(PAPERS[:-1], uri="/home/someone/private/story.md", published="2020-05-03"),
        Document("hostile", text, title=HOSTILE, source=HOSTILE, uri="https://paper.example/1"),
        *(Document(f"other{n}", story("port", n + 1), title=f"Other {n}") for n in range(2)),
    ]
    with Index.create(folder / "news") as index:
        index.add(*documents)
    return folder


def with_copies(hits):
    (hit,) = [hit for hit in hits if hit["copies"]]
    return hit


def test_the_command_line_names_a_few_and_counts_the_rest(root, run):
    status, out, _ = run("search", QUERY, "-i", root / "news", "-k", 3)
    (line,) = [line.strip() for line in out.splitlines() if "also in: " in line]
    assert status == 0
    assert line.endswith(" and 6 more")
    assert len(line.removeprefix("also in: ").split(", ")) == 3
    assert "\x1b" not in out
    assert "also in: " not in run("search", QUERY, "-i", root / "news", "-k", 12, "--all-copies")[1]


def test_json_has_every_copy_and_a_trec_run_each_as_a_line(root, run):
    told = with_copies(json.loads(run("search", QUERY, "-i", root / "news", "--json")[1]))
    assert len(told["copies"]) == 9
    assert set(told["copies"][0]) == {"doc_id", "title", "source", "published", "uri"}
    ranked = run("search", QUERY, "-i", root / "news", "--trec", "-k", 12)[1].splitlines()
    assert len(ranked) == 12


def test_status_counts_stories_and_copies(root, run):
    assert "10 articles tell 1 story" in run("status", "-i", root / "news")[1]
    assert json.loads(run("status", "-i", root / "news", "--json")[1])["copies"] == {
        "stories": 1,
        "articles": 10,
        "pending": 0,
    }


def test_over_http_copies_have_addresses_to_follow_and_never_a_path(root):
    with served(root) as url:
        _, _, told = ask(f"{url}/api/search", {"query": QUERY})
        copies = with_copies(told["hits"])["copies"]
        assert "/home/someone" not in json.dumps(told)
        for copy in copies:
            assert copy["uri"].startswith((f"{url}/article/news/", "https://paper.example/1"))
        ours = next(copy for copy in copies if copy["uri"].startswith(url))
        status, _, page = ask(ours["uri"])
        assert status == 200
        assert ours["title"] in page
        _, _, told = ask(f"{url}/api/search", {"query": QUERY, "k": 12, "all_copies": True})
        assert len(told["hits"]) == 12
        _, _, told = ask(f"{url}/api/indexes/news/status")
        assert told["copies"]["articles"] == 10


def test_the_page_lists_copies_under_the_result_and_escapes_them(root):
    with served(root) as url:
        _, _, page = ask(f"{url}/?q={quote(QUERY)}")
    assert "Also in 9 others" in page
    assert "<script>alert" not in page
    assert page.count('<li class="hit">') == 3


def test_a_model_is_told_who_else_has_the_story(root):
    catalogue = Catalogue(root)
    results = search(catalogue, Caller(), SearchArguments(query=QUERY)).model_dump()["results"]
    catalogue.close()
    (hit,) = [hit for hit in results if hit["also_in"]]
    assert len(hit["also_in"]) == 9
    assert all(copy["id"].startswith("news/") and copy["url"] for copy in hit["also_in"])
    assert "/home/someone" not in json.dumps(results)


def test_a_retriever_gives_a_story_once_unless_told(root):
    with Index.open(root / "news") as index:
        once = SearchIdxRetriever(index=index, k=40).invoke(QUERY)
        every = SearchIdxRetriever(index=index, k=40, all_copies=True).invoke(QUERY)
    assert len({document.metadata["doc_id"] for document in once}) == 3
    assert len({document.metadata["doc_id"] for document in every}) == 12
