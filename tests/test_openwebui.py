"""Open WebUI's external web search and loader, called as it calls them."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import pytest
from serving_tools import ARTICLES, GUEST, KEYS, READ, Door, ask, keys, made, served

from searchidx import Document, Index
from searchidx.serving.public import article_of, article_page

WEB = "https://news.example/zte?id=7&lang=en"
DOC_IDS = ["a/b", "https://x.example/a?b=c#d", "..", "ü 日本", "x?y#z", "a%2Fb", "/", "trailing/", "-", "search"]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("openwebui") / "indexes"
    made(folder / "default")
    made(folder / "other", [Document("o", "Only the other index knows of volcanoes.")])
    made(folder / "odd", [Document(doc_id, f"This is {doc_id}, on quinces.") for doc_id in DOC_IDS])
    made(folder / "doubled", [Document("one", "Quinces.", uri=WEB), Document("two", "Plums.", uri=WEB.upper()),
                              Document("three", "Pears.", uri=WEB)])  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def url(root):
    with served(root) as address:
        yield address


def search(url, query, count=3, index="", **headers):
    return ask(f"{url}/openwebui{index}/search", {"query": query, "count": count}, **headers)


def load(url, *urls, index="", **headers):
    return ask(f"{url}/openwebui{index}/load", {"urls": list(urls)}, **headers)


def test_a_search_gives_a_list_of_links_titles_and_snippets(url):
    status, headers, results = search(url, "exports of parts to a phone maker", 2)
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert results == [
        {
            "link": WEB,
            "title": "Commerce Department bars exports to ZTE",
            "snippet": ARTICLES[0].text,
        },
        results[1],
    ]
    assert [list(result) for result in results] == [["link", "title", "snippet"]] * 2
    assert search(url, "volcanoes", 9, "/other")[2] == [
        {"link": f"{url}/article/other/o", "title": "o", "snippet": "Only the other index knows of volcanoes."}
    ]


def test_an_article_comes_once_however_many_of_its_passages_answer(url, tmp_path):
    text = "\n\n".join(f"Part {part} on quinces. " + "Quinces are ripe now. " * 60 for part in range(9))
    made(tmp_path / "indexes" / "long", [Document("long", text), Document("short", "Quinces.")])
    with Index.open(tmp_path / "indexes" / "long") as index:
        assert index.status()["passages"] > 5
    with served(tmp_path / "indexes") as address:
        assert len(search(address, "quinces", 10)[2]) == 2


@pytest.mark.parametrize("index", ["", "/default"])
def test_the_link_of_every_result_loads_the_text_of_its_article_under_that_link(url, root, index):
    links = [result["link"] for result in search(url, "wheat, phones and ferries", 10, index)[2]]
    status, _, pages = load(url, *links, index=index)
    with Index.open(root / "default") as opened:
        texts = {article.title: opened.get(article.doc_id).text for article in ARTICLES}
    assert status == 200
    assert [page["metadata"]["source"] for page in pages] == links
    assert {page["metadata"]["title"]: page["page_content"] for page in pages} == texts
    zte = next(page for page in pages if page["metadata"]["source"] == WEB)
    assert zte["metadata"] == {
        "source": WEB, "title": "Commerce Department bars exports to ZTE", "author": "A. Writer", "outlet": "Reuters",
        "published": "2018-04-16",
    }  # fmt: skip


def test_a_link_to_an_article_of_any_id_loads_it_with_and_without_a_span(url):
    links = {result["title"]: result["link"] for result in search(url, "quinces", 50, "/odd")[2]}
    assert set(links) == set(DOC_IDS)
    for doc_id, link in links.items():
        for address in (link, article_page(url, "odd", doc_id, (0, 4))):
            assert article_of(address, url) == ("odd", doc_id)
            (page,) = load(url, address)[2]
            assert page == {
                "page_content": f"This is {doc_id}, on quinces.",
                "metadata": {"source": address, "title": doc_id},
            }


@pytest.mark.parametrize(
    "unknown",
    [
        "https://news.example/zte", WEB + "&x=1", WEB + "#a", WEB.upper(), WEB.replace("https", "http"), "", "x",
        "http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "/home/someone/private/wheat.md", "\u0000",
        "https://x.example/article/default/undated", "//", "ftp://x", "https://" + "y" * 7_000,
    ],
)  # fmt: skip
def test_an_unknown_address_is_left_out_and_nothing_is_fetched(url, unknown):
    assert load(url, unknown, WEB)[:1] == (200,)
    assert [page["metadata"]["source"] for page in load(url, unknown, WEB)[2]] == [WEB]


def test_addresses_of_this_server_that_are_no_article_are_left_out(url):
    base = f"{url}/article"
    for address in (
        f"{base}/default/nothing", f"{base}/nothing/undated", f"{base}/default", f"{base}/default/", f"{base}//undated",
        f"{base}/../default/undated", f"{base}/..%2Fdefault/undated", f"{base}/default/undated/more", f"{url}/health",
        f"{base}/default/%FF", f"{base}/%00/%00", f"{url}x/article/default/undated",
    ):  # fmt: skip
        assert load(url, address)[::2] == (200, []), address


def test_the_loader_asks_no_other_host(url):
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0.3)
        address = f"http://127.0.0.1:{canary.getsockname()[1]}/article/default/undated"
        assert load(url, address)[::2] == (200, [])
        with pytest.raises(TimeoutError):
            canary.accept()


def test_of_two_articles_with_one_address_both_are_loaded_and_case_counts(url):
    _, _, pages = load(url, WEB, WEB, index="/doubled")
    assert [page["page_content"] for page in pages] == ["Quinces.", "Pears."]
    assert [page["page_content"] for page in load(url, WEB.upper(), index="/doubled")[2]] == ["Plums."]


def test_links_carry_the_public_address_where_there_is_one(root):
    with served(root, public_url="https://search.example/idx/") as url:
        (link,) = (result["link"] for result in search(url, "volcanoes", 1, "/other")[2])
        assert link == "https://search.example/idx/article/other/o"
        assert [page["page_content"] for page in load(url, link)[2]] == ["Only the other index knows of volcanoes."]


def test_a_key_loads_only_what_it_may_see(root, tmp_path):
    with served(root, Door(keys=keys(tmp_path, KEYS))) as url:
        assert search(url, "wheat")[0] == load(url, WEB)[0] == 401
        reader, guest = {"Authorization": f"Bearer {READ}"}, {"Authorization": f"Bearer {GUEST}"}
        forbidden, allowed = f"{url}/article/default/undated", f"{url}/article/other/o"
        assert [page["metadata"]["source"] for page in load(url, forbidden, allowed, WEB, **reader)[2]] == [
            forbidden, allowed, WEB,
        ]  # fmt: skip
        assert [page["metadata"]["source"] for page in load(url, forbidden, allowed, WEB, **guest)[2]] == [allowed]
        assert search(url, "wheat", index="/default", **guest)[0] == 403
        assert load(url, WEB, index="/default", **guest)[0] == 403
        assert [result["title"] for result in search(url, "wheat", **guest)[2]] == ["o"]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("search", {"query": "x", "count": 0}, 400, "count"),
        ("search", {"query": "x", "count": 101}, 400, "count"),
        ("search", {"query": ""}, 400, "query"),
        ("search", {"query": "x" * 2001}, 400, "query"),
        ("search", {"query": "x", "k": 3}, 400, "k"),
        ("search", {"count": 3}, 400, "query"),
        ("nothing/search", {"query": "x"}, 404, None),
        ("load", {"urls": []}, 400, "urls"),
        ("load", {"urls": ["x"] * 101}, 400, "urls"),
        ("load", {"urls": ["x" * 8001]}, 400, "urls.0"),
        ("load", {"urls": [1]}, 400, "urls.0"),
        ("load", {"urls": WEB}, 400, "urls"),
        ("load", {"url": WEB}, 400, "urls"),
        ("nothing/load", {"urls": [WEB]}, 404, None),
    ],
)
def test_what_is_wrong_is_told_as_an_error_which_open_webui_takes_for_no_results(url, path, body, status, param):
    answered, _, answer = ask(f"{url}/openwebui/{path}", body)
    assert (answered, answer["error"]["param"]) == (status, param)


def test_no_path_of_this_machine_leaves(url, root):
    results = search(url, "wheat prices", 10)[2]
    pages = load(url, *(result["link"] for result in results))[2]
    assert "/home/someone" not in json.dumps([results, pages])
    assert str(root) not in json.dumps([results, pages])
    assert f"{url}/article/default/{quote('farm/wheat.md', safe='')}" in {result["link"] for result in results}


def test_twenty_addresses_at_once_from_several_callers(url):
    links = [result["link"] for result in search(url, "quinces", 50, "/odd")[2]] * 2
    with ThreadPoolExecutor(8) as pool:
        for status, _, pages in pool.map(lambda _: load(url, *links), range(16)):
            assert (status, len(pages)) == (200, len(DOC_IDS))
