"""searchidx's own interface over HTTP, on a real server with real indexes."""

# ruff: noqa: F811 - the fixture of web_tools is an argument of a test

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from serving_tools import ARTICLES, Door, Limits, ask, keys, made, raw, served
from web_tools import canary  # noqa: F401 - a fixture

from searchidx import Document, Index
from searchidx.serving import run as running
from searchidx.serving.public import article_page

ROOT = Path(__file__).parents[1]
QUERY = "exports of parts to a phone maker"
WRITE = "write-key-0123456789"
READ = "read-key-0123456789ab"
OTHER = "other-key-0123456789a"
KEYS = f"""
[[key]]
name = "writer"
key = "{WRITE}"
rights = "write"
[[key]]
name = "reader"
key = "{READ}"
[[key]]
name = "guest"
key = "{OTHER}"
indexes = ["other"]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served") / "indexes"
    made(folder / "news")
    made(folder / "other", [Document("o", "Only the other index knows of volcanoes.")])
    return folder


@pytest.fixture(scope="module")
def url(root):
    with served(root) as address:
        yield address


@pytest.fixture
def keyed(tmp_path, root):
    copy = shutil.copytree(root, tmp_path / "indexes")
    with served(copy, Door(keys=keys(tmp_path, KEYS))) as address:
        yield address


def search(url, query=QUERY, index="news", **options):
    return ask(f"{url}/api/search", {"query": query, "index": index, **options})


# searching


def test_a_search_returns_what_the_python_call_returns(url, root):
    status, _, answer = search(url, where=["topic=trade"])
    with Index.open(root / "news") as index:
        (hit,) = index.search(QUERY, where=["topic=trade"])
    assert status == 200
    assert answer["hits"] == [json.loads(json.dumps(hit.to_dict()))]
    assert answer["index"] == "news"
    assert answer["query"] == QUERY
    assert 0 < answer["bound"] < 1


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ({"after": "2018", "before": "2019"}, {"trade/zte.md"}),
        ({"sources": ["bbc news"]}, {"farm/wheat.md"}),
        ({"where": ["views>100"]}, {"trade/zte.md"}),
        ({"where": [{"type": "in", "key": "topic", "value": ["food", "x"]}]}, {"farm/wheat.md"}),
        ({"mode": "lexical", "query": "tide"}, {"undated"}),
        ({"mode": "dense"}, {"trade/zte.md", "farm/wheat.md", "undated"}),
        ({"fusion": "rrf", "k": 1}, {"trade/zte.md"}),
        ({"lexical_weight": 1.0, "k": 1}, {"trade/zte.md"}),
        ({"min_score": 1.0}, set()),
        ({"group": False, "k": 1}, {"trade/zte.md"}),
    ],
)
def test_every_option_of_a_search_reaches_the_index(url, options, found):
    _, _, answer = search(url, **{"query": QUERY, **options})
    assert {hit["document"]["doc_id"] for hit in answer["hits"]} == found


def test_without_a_name_the_only_index_or_the_default_one_is_searched(url, tmp_path):
    status, _, answer = ask(f"{url}/api/search", {"query": QUERY})
    assert status == 404
    assert answer["error"]["message"] == "say which index: news, other"
    made(tmp_path / "several" / "default", [Document("d", "Volcanoes erupt.")])
    with served(tmp_path / "several") as other:
        assert ask(f"{other}/api/search", {"query": "volcano"})[2]["index"] == "default"
        made(tmp_path / "several" / "more", [Document("d", "Volcanoes erupt.")])
        assert ask(f"{other}/api/search", {"query": "volcano"})[2]["index"] == "default"
        assert ask(f"{other}/api/indexes")[2] == {"indexes": ["default", "more"]}


def test_a_path_of_this_machine_leaves_neither_in_a_hit_nor_in_a_context_nor_in_a_status(url, root):
    answers = [
        search(url, "wheat prices"),
        ask(f"{url}/api/context", {"query": "wheat prices", "index": "news"}),
        ask(f"{url}/api/indexes/news/documents"),
        ask(f"{url}/api/indexes/news/documents/farm%2Fwheat.md"),
        ask(f"{url}/api/indexes/news/status"),
    ]
    for status, _, answer in answers:
        text = json.dumps(answer)
        assert status == 200
        assert "/home/someone" not in text
        assert str(root) not in text
    page = article_page(url, "news", "farm/wheat.md")
    assert answers[0][2]["hits"][0]["document"]["uri"] == page
    assert answers[1][2]["citations"][0]["uri"].startswith(page)
    assert page in answers[1][2]["text"]
    assert answers[3][2]["uri"] == page


def test_a_citation_leads_to_the_exact_characters(url):
    _, _, answer = search(url)
    citation = answer["hits"][0]["citation"]
    _, _, article = ask(f"{url}/api/indexes/news/documents/{citation['doc_id']}")
    assert article["text"][citation["start"] : citation["end"]] == answer["hits"][0]["passage"]["text"]


def test_a_context_is_numbered_and_within_its_budget(url):
    status, _, answer = ask(f"{url}/api/context", {"query": QUERY, "index": "news", "max_tokens": 120})
    assert status == 200
    assert answer["text"].lstrip().startswith("[1]") or "[1]" in answer["text"]
    assert answer["tokens"] <= 120
    assert answer["citations"]


def test_no_answer_holds_vectors(url):
    assert "vector" not in json.dumps(search(url)[2])


# articles


def test_articles_are_listed_in_pages_and_filtered(url):
    first = ask(f"{url}/api/indexes/news/documents?limit=2")[2]
    assert [document["doc_id"] for document in first["documents"]] == ["trade/zte.md", "farm/wheat.md"]
    assert first["next"] == 2
    assert all("text" not in document for document in first["documents"])
    second = ask(f"{url}/api/indexes/news/documents?limit=2&offset=2")[2]
    assert [document["doc_id"] for document in second["documents"]] == ["undated"]
    assert second["next"] is None
    filtered = ask(f"{url}/api/indexes/news/documents?where=topic%3Dfood&after=2020&source=BBC%20News")[2]
    assert [document["doc_id"] for document in filtered["documents"]] == ["farm/wheat.md"]


@pytest.mark.parametrize("doc_id", ["a b", "x/y/z", "https://x.example/?q=1#f", "ünï/日本", "a%2Fb", "..%2f..", "a//b"])
def test_an_article_of_any_id_is_added_found_read_and_taken_out(keyed, doc_id):
    from urllib.parse import quote

    bearer = f"Bearer {WRITE}"
    article = {"doc_id": doc_id, "text": "Xylophones are made of rosewood.", "metadata": {"n": 1}}
    place = f"{keyed}/api/indexes/news/documents"
    status, _, report = ask(place, {"documents": [article]}, Authorization=bearer)
    assert (status, report["added"]) == (200, 1)
    _, _, answer = ask(f"{keyed}/api/search", {"query": "xylophone", "index": "news", "k": 1}, Authorization=bearer)
    assert answer["hits"][0]["document"]["doc_id"] == doc_id
    one = f"{place}/{quote(doc_id, safe='')}"
    assert ask(one, Authorization=bearer)[2]["text"] == article["text"]
    assert ask(one, method="DELETE", Authorization=bearer)[2]["removed"] == 1
    assert ask(one, Authorization=bearer)[0] == 404
    assert ask(one, method="DELETE", Authorization=bearer)[0] == 404


def test_a_server_takes_articles_and_fetches_none(keyed, canary):
    port, met = canary
    address = f"http://127.0.0.1:{port}/article"
    place, bearer = f"{keyed}/api/indexes/news/documents", f"Bearer {WRITE}"
    asked = [
        {"documents": [address]},
        {"documents": [{"doc_id": address}]},
        {"documents": [{"uri": address, "url": address}]},
        {"sources": [address]},
        {"documents": [], "sources": [address], "allow_private": True},
    ]
    for body in asked:
        assert ask(place, body, Authorization=bearer)[0] in (400, 422)
    kept = {"doc_id": address, "uri": address, "text": address, "metadata": {"url": address}}
    assert ask(place, {"documents": [kept]}, Authorization=bearer)[2]["added"] == 1
    assert met == []


def test_an_article_that_cannot_be_taken_is_told_and_the_others_are_added(keyed):
    good, bad = {"doc_id": "good", "text": "Good."}, {"doc_id": "bad", "text": " \n "}
    place = f"{keyed}/api/indexes/news/documents"
    status, _, report = ask(place, {"documents": [good, bad]}, Authorization=f"Bearer {WRITE}")
    assert (status, report["added"]) == (200, 1)
    assert report["failed"] == [{"uri": "bad", "reason": "it has no text"}]
    status, _, answer = ask(place, {"documents": [bad]}, Authorization=f"Bearer {WRITE}")
    assert (status, answer["error"]["message"]) == (400, "bad: it has no text")


def test_while_another_process_writes_a_write_waits_and_then_says_so(keyed, tmp_path, monkeypatch):
    from searchidx.serving import api
    from searchidx.storage.lock import writer_lock

    monkeypatch.setattr(api, "WAIT", 0.2)
    with writer_lock(tmp_path / "indexes" / "news"):
        status, headers, answer = ask(
            f"{keyed}/api/indexes/news/documents",
            {"documents": [{"doc_id": "x", "text": "x"}]},
            Authorization=f"Bearer {WRITE}",
        )
    assert status == 409
    assert headers["Retry-After"]
    assert answer["error"]["message"].startswith("another process is writing to news (pid")


def test_searches_go_on_while_articles_are_added(keyed):
    bearer = f"Bearer {WRITE}"
    many = [{"doc_id": f"m{n}", "text": f"Sentence {n} about harbours and ferries. " * 40} for n in range(300)]
    took = []
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(ask, f"{keyed}/api/indexes/news/documents", {"documents": many}, Authorization=bearer)
        while not writing.done():
            began = time.monotonic()
            status = ask(f"{keyed}/api/search", {"query": QUERY, "index": "news"}, Authorization=bearer)[0]
            took.append((time.monotonic() - began, status))
        assert writing.result()[2]["added"] == 300
    assert {status for _, status in took} == {200}
    _, _, answer = ask(f"{keyed}/api/search", {"query": "harbours ferries", "index": "news"}, Authorization=bearer)
    assert answer["hits"][0]["document"]["doc_id"].startswith("m")


# keys


def test_without_a_key_a_server_that_has_some_answers_nothing_but_health(keyed):
    for path in ("/api/indexes", "/openapi.json", "/metrics", "/nothing", "/v1/vector_stores", "/mcp", "/"):
        status, headers, answer = ask(keyed + path)
        assert status == 401, path
        assert headers["WWW-Authenticate"]
        assert "needs a key" in answer["error"]["message"]
    assert ask(f"{keyed}/health")[0] == 200


@pytest.mark.parametrize(
    "typed", ["Bearer wrong-key-0123456789", "Bearer", "Bearer  ", f"Basic {WRITE}", WRITE, "Bearer ü"]
)
def test_a_wrong_key_is_refused(keyed, typed):
    status, _, answer = ask(f"{keyed}/api/indexes", Authorization=typed.encode().decode("latin-1"))
    assert status == 401
    assert answer["error"]["type"] == "authentication_error"
    assert WRITE not in json.dumps(answer)


def test_a_key_to_read_cannot_write_and_a_key_for_some_indexes_sees_no_others(keyed):
    document = {"documents": [{"doc_id": "x", "text": "x"}]}
    place = f"{keyed}/api/indexes/news/documents"
    for typed in (READ, OTHER):
        assert ask(place, document, Authorization=f"Bearer {typed}")[0] == 403
        assert ask(f"{place}/undated", method="DELETE", Authorization=f"Bearer {typed}")[0] == 403
    bearer = f"Bearer {OTHER}"
    assert ask(f"{keyed}/api/indexes", Authorization=bearer)[2] == {"indexes": ["other"]}
    assert ask(f"{keyed}/api/search", {"query": "volcano"}, Authorization=bearer)[2]["index"] == "other"
    status, _, answer = ask(f"{keyed}/api/search", {"query": QUERY, "index": "news"}, Authorization=bearer)
    assert (status, answer["error"]["type"]) == (403, "permission_error")
    unknown = ask(f"{keyed}/api/search", {"query": QUERY, "index": "nothing"}, Authorization=bearer)
    assert unknown[0] == 403, "a key must not learn which other indexes there are"


def test_a_server_without_keys_writes_nothing(url):
    status, _, answer = ask(f"{url}/api/indexes/news/documents", {"documents": [{"doc_id": "x", "text": "x"}]})
    assert status == 403
    assert "right to write" in answer["error"]["message"]


def test_the_password_of_a_browser_reads_and_never_writes(keyed):
    from base64 import b64encode

    basic = "Basic " + b64encode(f"me:{WRITE}".encode()).decode()
    assert ask(f"{keyed}/api/indexes", Authorization=basic)[0] == 200
    assert ask(f"{keyed}/api/indexes/news/documents/undated", method="DELETE", Authorization=basic)[0] == 401
    assert ask(f"{keyed}/api/indexes", Authorization="Basic !!!")[0] == 401


# bad input


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        ({}, "query", "Field required"),
        ({"query": ""}, "query", "at least 1 character"),
        ({"query": " \n\t "}, "query", "match pattern"),
        ({"query": "x" * 2001}, "query", "at most 2000 characters"),
        ({"query": 5}, "query", "valid string"),
        ({"query": None}, "query", "valid string"),
        ({"query": "x\ud800"}, "query", "unicode string"),
        ({"query": "x", "where": [{"type": "eq", "key": "topic", "value": "\ud800"}]}, None, "half a character"),
        ({"query": "x", "k": 0}, "k", "greater than or equal to 1"),
        ({"query": "x", "k": 1_000_000}, "k", "less than or equal to 100"),
        ({"query": "x", "k": "many"}, "k", "valid integer"),
        ({"query": "x", "kk": 5}, "kk", "'kk' is not a field of this request"),
        ({"query": "x", "mode": "magic"}, "mode", "'hybrid', 'dense' or 'lexical'"),
        ({"query": "x", "min_score": 2}, "min_score", "less than or equal to 1"),
        ({"query": "x", "where": "topic=law"}, "where", "valid list"),
        ({"query": "x", "where": ["topic"]}, None, "expected FIELD OP VALUE"),
        ({"query": "x", "where": ["topik=law"]}, None, "did you mean topic"),
        ({"query": "x", "where": [{"type": "near", "key": "a"}]}, None, "type must be one of eq ne gt"),
        ({"query": "x", "after": "soon"}, None, '"soon" is no date'),
        ([1, 2], None, "JSON object"),
        ("text", None, "JSON object"),
    ],
)
def test_a_wrong_field_is_refused_by_name(url, body, param, message):
    if isinstance(body, dict) and "query" in body:
        body = {"index": "news", **body}
    status, _, answer = ask(f"{url}/api/search", body)
    assert status == 400
    assert message in answer["error"]["message"]
    assert answer["error"]["param"] == param
    assert answer["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize("data", [b"{", b"", b"\xff\xfe", b'{"query": "x",}', b"[" * 100_000, b'{"a":' * 50_000])
def test_malformed_json_is_refused(url, data):
    status, _, answer = ask(f"{url}/api/search", data=data, Content_Type="application/json")
    assert status == 400
    assert "JSON" in answer["error"]["message"] or "Field required" in answer["error"]["message"]


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_body_that_a_form_could_send_is_refused(url, kind):
    status, _, answer = ask(f"{url}/api/search", data=b'{"query": "x"}', Content_Type=kind)
    assert status == 400
    assert "Content-Type: application/json" in answer["error"]["message"]


@pytest.mark.parametrize(
    "query", ["((((" * 400, "\u0000", "*" * 2000, 'a" OR 1=1 --', "[a-z]+", "日本語 " * 300, "x " * 1000]
)
def test_a_hostile_query_is_a_query(url, query):
    status, _, answer = search(url, query)
    assert status == 200
    assert isinstance(answer["hits"], list)


@pytest.mark.parametrize(
    "name",
    [
        "nws",
        "..",
        "../served",
        "..%2fserved",
        "%2e%2e",
        "news%00",
        "CON",
        "/etc",
        "a" * 300,
        "\u2215etc",
        "%5c..",
        "news/",
        ".",
    ],
)
def test_an_unknown_index_is_not_found_and_the_known_ones_are_named(url, name):
    from urllib.parse import quote

    status, _, answer = search(url, index=name)
    assert status in (400, 404)
    if len(name) <= 200:
        assert status == 404
        assert answer["error"]["message"].endswith("there are: news, other")
    assert ask(f"{url}/api/indexes/{quote(name, safe='')}/status")[0] in (400, 404)


def test_a_link_to_a_folder_outside_is_not_served(url, root, tmp_path):
    made(tmp_path / "outside", [Document("o", "outside")])
    (root / "link").symlink_to(tmp_path / "outside")
    try:
        assert "link" not in ask(f"{url}/api/indexes")[2]["indexes"]
        assert search(url, index="link")[0] == 404
    finally:
        (root / "link").unlink()


def test_an_unknown_address_and_a_wrong_method_are_told(url):
    assert ask(f"{url}/api/nothing")[0] == 404
    assert ask(f"{url}/api/search")[0] == 405
    assert ask(f"{url}/api/search", method="PUT", data=b"{}")[0] == 405


# the door


HOSTS = [
    "evil.example",
    "evil.example:80",
    "127.0.0.1.evil.example",
    "",
    "localhost.evil.example",
    "a@127.0.0.1",
    "[::1",
]
ORIGINS = [
    "http://evil.example",
    "null",
    "file://",
    "http://127.0.0.1.evil.example",
    "http://localhost:1",
    "chrome-extension://x",
]
PATHS = ["/health", "/", "/api/indexes", "/openapi.json", "/metrics", "/v1/vector_stores", "/mcp"]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0"])
def test_neither_a_rebound_name_nor_a_foreign_page_reaches_a_handler(root, tmp_path, host):
    door = Door(keys=keys(tmp_path, KEYS)) if host == "0.0.0.0" else Door()
    authorization = f"Authorization: Bearer {READ}\r\n" if door.keys else ""
    with served(root, door, host=host) as url:
        url = url.replace("0.0.0.0", "127.0.0.1")
        port = url.rpartition(":")[2]
        own = f"127.0.0.1:{port}"
        for path in PATHS:
            for method in ("GET", "POST", "OPTIONS"):
                requests = [f"Host: {name}\r\n" for name in HOSTS] + [""]
                requests += [f"Host: {own}\r\nOrigin: {origin}\r\n" for origin in ORIGINS]
                requests += [f"Host: {own}\r\nHost: evil.example\r\n"]
                requests += [f"Host: {own}\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n"]
                for headers in requests:
                    text = f"{method} {path} HTTP/1.1\r\n{headers}{authorization}Connection: close\r\n\r\n"
                    answer = raw(url, text.encode())
                    assert re.match(rb"HTTP/1.1 (421|403|400) ", answer), (text, answer[:200])
                    assert b"access-control-allow-origin" not in answer.lower()


def test_own_pages_and_programs_may_call(url):
    port = url.rpartition(":")[2]
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost", "[::1]", "192.168.1.7:80"):
        assert ask(f"{url}/health", Host=host)[0] == 200
        assert ask(f"{url}/health", Host=host, Origin=f"http://{host}")[0] == 200


def test_a_name_and_an_origin_that_were_allowed_may_call(root):
    door = Door(hosts=["search.example"], origins=["https://chat.example"])
    with served(root, door) as url:
        assert ask(f"{url}/health", Host="search.example")[0] == 200
        assert ask(f"{url}/health", Host="other.example")[0] == 421
        status, headers, _ = ask(f"{url}/api/indexes", Origin="https://chat.example")
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://chat.example")
        preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        status, headers, _ = ask(f"{url}/api/search", method="OPTIONS", Origin="https://chat.example", **preflight)
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://chat.example")
        assert ask(f"{url}/api/indexes", Origin="https://evil.example")[0] == 403


def test_every_answer_carries_the_headers_that_keep_browsers_careful(url):
    for path in ("/health", "/api/indexes", "/nothing"):
        headers = ask(url + path)[1]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Cache-Control"] == "no-store"
        assert headers["Server"] is None
        assert headers["Access-Control-Allow-Origin"] is None


def test_a_body_over_the_limit_is_refused_by_its_length_and_in_pieces(root):
    with served(root, Door(limits=Limits(body=1000))) as url:
        large = json.dumps({"query": "x" * 990}).encode()
        assert len(large) > 1000
        status, _, answer = ask(f"{url}/api/search", data=large, Content_Type="application/json")
        assert status == 413
        assert "1,000 bytes" in answer["error"]["message"]
        head = "POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        chunks = b"".join(b"64\r\n" + b"x" * 100 + b"\r\n" for _ in range(11))
        assert raw(url, head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).startswith(b"HTTP/1.1 413")
        assert raw(url, head.encode() + b"Content-Length: 99999999999\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_slow_and_half_sent_requests_are_cut_off_and_disturb_nobody(root, monkeypatch):
    monkeypatch.setattr(running, "HEAD_SECONDS", 1.0)
    with served(root, Door(limits=Limits(seconds=1.0))) as url:
        host, port = url.removeprefix("http://").split(":")
        half = [socket.create_connection((host, int(port)), timeout=30) for _ in range(200)]
        slow = [socket.create_connection((host, int(port)), timeout=30) for _ in range(20)]
        try:
            for connection in half:
                connection.sendall(b"POST /api/search HT")
            for connection in slow:
                connection.sendall(
                    b"POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                    b"Content-Length: 100\r\n\r\n{"
                )
            for _ in range(5):
                assert search(url)[0] == 200
            for connection in half:
                with suppress(ConnectionResetError):  # aborted, or closed: either is an end
                    assert connection.recv(1000) == b""
            for connection in slow:
                assert connection.recv(1000).startswith(b"HTTP/1.1 408")
        finally:
            for connection in [*half, *slow]:
                connection.close()


def test_a_client_that_goes_away_leaves_no_trace(url):
    host, port = url.removeprefix("http://").split(":")
    body = json.dumps({"query": QUERY, "index": "news"}).encode()
    head = "POST /api/search HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    head += f"Content-Length: {len(body)}\r\n\r\n"
    before = threading.active_count()
    for _ in range(100):
        with socket.create_connection((host, int(port)), timeout=30) as connection:
            connection.sendall(head.encode() + body)
    deadline = time.monotonic() + 30
    while "searchidx_requests_busy 1.0" not in (text := ask(f"{url}/metrics")[2]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "searchidx_requests_busy 1.0" in text, "only this request is being worked on"
    assert threading.active_count() <= before + 8
    assert search(url)[0] == 200


def test_200_requests_at_once_are_answered_or_told_to_come_back(root):
    with served(root, Door(limits=Limits(requests=8))) as url, ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: search(url), range(200)))
    statuses = [status for status, _, _ in answers]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 8
    refused = [answer for answer in answers if answer[0] == 429]
    assert refused, "8 at once are too few for 200"
    assert refused[0][1]["Retry-After"] == "1"
    assert refused[0][2]["error"]["type"] == "rate_limit_error"


def test_200_requests_at_once_are_all_answered_by_default(url):
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: search(url), range(200)))
    assert {status for status, _, _ in answers} == {200}


def test_more_requests_than_the_rate_are_told_to_slow_down(root):
    with served(root, Door(limits=Limits(rate="5/minute"))) as url:
        statuses = [ask(f"{url}/health")[0] for _ in range(7)]
    assert statuses == [200] * 5 + [429] * 2


# indexes that change under the server


def test_what_another_process_adds_is_found_at_once(tmp_path):
    made(tmp_path / "indexes" / "news")
    with served(tmp_path / "indexes") as url:
        assert "o" not in [hit["document"]["doc_id"] for hit in search(url, "volcanoes")[2]["hits"]]
        script = (
            "import sys, searchidx\nwith searchidx.Index.open(sys.argv[1]) as index:\n"
            "    index.add(searchidx.Document('o', 'Volcanoes erupt in Iceland.'))"
        )
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "indexes" / "news")], check=True, cwd=ROOT)
        assert search(url, "volcanoes", k=1)[2]["hits"][0]["document"]["doc_id"] == "o"


def test_an_index_that_is_deleted_or_damaged_fails_alone_and_comes_back(tmp_path):
    root = tmp_path / "indexes"
    made(root / "news")
    made(root / "other", [Document("o", "Volcanoes erupt.")])
    with served(root) as url:
        assert search(url)[0] == search(url, "volcano", "other")[0] == 200
        shutil.copytree(root / "news", tmp_path / "kept")
        shutil.rmtree(root / "news")
        status, headers, answer = search(url)
        assert status == 503
        assert headers["Retry-After"]
        assert answer["error"]["message"].startswith("the index news was deleted while it was served")
        assert search(url, "volcano", "other")[0] == 200

        (root / "news").mkdir()
        (root / "news" / "store.db").write_bytes(os.urandom(20_000))
        status, _, answer = search(url)
        assert status == 503
        assert str(root) not in answer["error"]["message"]
        assert "news" in answer["error"]["message"]
        assert search(url, "volcano", "other")[0] == 200

        shutil.rmtree(root / "news")
        shutil.copytree(tmp_path / "kept", root / "news")
        assert search(url)[0] == 200


def test_a_file_that_is_overwritten_in_place_never_gives_a_500(tmp_path):
    made(tmp_path / "indexes" / "news", [Document(f"d{n}", f"Text {n} on volcanoes. " * 50) for n in range(200)])
    with served(tmp_path / "indexes") as url:
        assert search(url, "volcano")[0] == 200
        store = tmp_path / "indexes" / "news" / "store.db"
        with open(store, "r+b") as file:
            file.seek(4096)
            file.write(os.urandom(store.stat().st_size - 4096))
        statuses = {search(url, f"volcano {n}")[0] for n in range(5)}
        assert statuses <= {200, 503}
        assert ask(f"{url}/api/indexes/news/documents/d7")[0] in (200, 503)
        assert ask(f"{url}/health")[0] == 200


# what is told


def test_metrics_count_answers_by_route_and_status_and_never_by_what_was_asked(url):
    search(url, "a query that is nobody's business")
    ask(f"{url}/api/nothing-of-this-name")
    _, headers, text = ask(f"{url}/metrics")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    assert re.search(r'searchidx_requests_total\{method="POST",route="/api/search",status="200"\} \d', text)
    assert 'route="other",status="404"' in text
    assert "searchidx_request_seconds_bucket" in text
    assert "business" not in text
    assert "nothing-of-this-name" not in text


def test_the_log_has_a_line_for_each_request_without_query_or_key(keyed, caplog):
    caplog.set_level("INFO", logger="searchidx.access")
    ask(f"{keyed}/api/indexes/news/documents?where=topic%3Dsecret&limit=1", Authorization=f"Bearer {READ}")
    ask(f"{keyed}/api/indexes?key={READ}", Authorization="Bearer wrong-key-0123456789")
    ask(f"{keyed}/api/%0aforged%1b[31m", Authorization=f"Bearer {READ}")
    deadline = time.monotonic() + 10  # a line is written when its answer has been sent
    while len(lines := [record.getMessage() for record in caplog.records if record.name == "searchidx.access"]) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert re.fullmatch(r"127.0.0.1 reader GET /api/indexes/news/documents 200 \d+\.\d ms", lines[0])
    assert re.fullmatch(r"127.0.0.1 - GET /api/indexes 401 \d+\.\d ms", lines[1])
    assert "\n" not in lines[2]
    assert "\x1b" not in lines[2]
    for secret in ("secret", READ, WRITE, "wrong-key"):
        assert secret not in caplog.text


def test_an_unexpected_fault_tells_nothing_of_the_inside(root, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("/home/someone/secret.py line 5")

    with served(root) as url:
        assert search(url)[0] == 200
        monkeypatch.setattr(Index, "search", broken)
        status, headers, answer = search(url)
    assert status == 500
    assert answer["error"]["message"] == "this is a fault of searchidx: its log says more"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "secret.py" in caplog.text, "the log says more"


def test_the_openapi_document_describes_every_call_for_a_model(url):
    document = ask(f"{url}/openapi.json")[2]
    calls = [(path, method, call) for path, ways in document["paths"].items() for method, call in ways.items()]
    ids = [call["operationId"] for _, _, call in calls]
    assert len(set(ids)) == len(ids)
    assert {
        "search_articles",
        "collect_context",
        "get_article",
        "list_articles",
        "add_articles",
        "delete_article",
    } < set(ids)
    for path, _, call in calls:
        assert re.fullmatch(r"[a-z][a-z_]{2,63}", call["operationId"]), path
        assert call["summary"], path
        assert len(call["description"]) >= 20, path
        for parameter in call.get("parameters", ()):
            assert parameter.get("description"), (path, parameter["name"])


# the command


def start(*typed, cwd, env=None):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "searchidx", "serve", "--port", "0", *typed],
        cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = []
    for line in process.stderr:
        lines.append(line)
        if found := re.search(r"http://\S+:\d+", line):
            return process, found[0], "".join(lines)
    process.wait()
    raise AssertionError("".join(lines))


def test_the_command_serves_whatever_lies_under_indexes_and_ends_on_ctrl_c(tmp_path):
    made(tmp_path / "indexes" / "news")
    process, url, said = start(cwd=tmp_path)
    try:
        assert "serving news" in said
        assert "without a key, to read only" in said
        assert search(url)[0] == 200
        made(tmp_path / "indexes" / "later", [Document("o", "Volcanoes erupt.")])
        assert search(url, "volcano", "later")[0] == 200
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    rest = process.stderr.read()
    process.stderr.close()
    assert "Traceback" not in rest
    assert "POST /api/search 200" in rest


def test_on_sigterm_the_command_finishes_what_it_is_working_on(tmp_path):
    made(tmp_path / "indexes" / "news")
    process, url, _ = start(cwd=tmp_path, env={"SEARCHIDX_WRITE_KEY": WRITE})
    many = [{"doc_id": f"m{n}", "text": f"Sentence {n} about harbours. " * 60} for n in range(400)]
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            ask, f"{url}/api/indexes/news/documents", {"documents": many}, Authorization=f"Bearer {WRITE}"
        )
        time.sleep(0.4)
        process.send_signal(signal.SIGTERM)
        assert writing.result()[2]["added"] == 400
    process.wait(20)
    process.stderr.close()
    with Index.open(tmp_path / "indexes" / "news") as index:
        assert index.status(check=True)["problems"] == []
        assert index.get("m399") is not None


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 can be reached from other machines, so searchidx needs a key"),
        (["--host", "::"], "needs a key"),
        (["--host", "192.0.2.1"], "needs a key"),
        (["-i", "nws"], "did you mean indexes/news?"),
        (["-i", "news", "-i", "./indexes/news"], "two indexes are called news"),
        (["--cors-origin", "chat.example"], "is not an address"),
        (["--cors-origin", "https://chat.example/path"], "is not an address"),
        (["--public-url", "ftp://x"], "is not an address"),
        (["--keys", "missing.toml"], "missing.toml cannot be read: No such file"),
        (["--port", "99999"], "less than or equal to 65535"),
    ],
)
def test_a_server_that_must_not_start_says_why(tmp_path, monkeypatch, capsys, typed, message):
    from searchidx.cli import main

    monkeypatch.chdir(tmp_path)
    for name in ("SEARCHIDX_API_KEY", "SEARCHIDX_WRITE_KEY"):
        monkeypatch.delenv(name, raising=False)
    made(tmp_path / "indexes" / "news")
    assert main(["serve", *typed]) in (1, 2)
    assert message in capsys.readouterr().err


def test_a_port_in_use_is_told(tmp_path, monkeypatch, capsys):
    from searchidx.cli import main

    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    assert "choose another with --port" in capsys.readouterr().err


def test_with_a_key_the_server_may_be_reached_from_other_machines(tmp_path):
    made(tmp_path / "indexes" / "news")
    process, url, said = start("--host", "0.0.0.0", cwd=tmp_path, env={"SEARCHIDX_API_KEY": READ})
    try:
        assert "with a key" in said
        url = url.replace("0.0.0.0", "127.0.0.1")
        assert ask(f"{url}/api/indexes")[0] == 401
        assert ask(f"{url}/api/indexes", Authorization=f"Bearer {READ}")[0] == 200
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        process.stderr.close()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("key = 5", "one or more tables"),
        ("", "one or more tables"),
        ("[[key]]\nname = 'a'\nkey = 'short'", "16 printable ASCII characters"),
        ("[[key]]\nname = 'a'\nkey = 'long-enough-000000'\nright = 'write'", "no 'right', only name, key, rights"),
        ("[[key]]\nname = 'a'\nkey = 'long-enough-000000'\nrights = 'all'", "read or write"),
        ("[[key]]\nname = 'a'\nkey = 'long-enough-000000'\nindexes = 'news'", "a list of names"),
        ("[[key]]\nkey = 'long-enough-000000'", "needs a name"),
        ("[[key]]\nname = 'a'\nkey = 'long-enough-000000'\n" * 2, "the same secret"),
        ("[[key\nkey = 'long-enough-000000'", "is no TOML"),
    ],
)
def test_keys_that_cannot_be_relied_on_are_refused_and_never_shown(tmp_path, text, message):
    from searchidx import BadKeys

    with pytest.raises(BadKeys, match=message) as caught:
        keys(tmp_path, text)
    assert "long-enough" not in str(caught.value)


def test_a_file_of_keys_that_others_can_read_is_refused(tmp_path):
    from searchidx import BadKeys
    from searchidx.serving.keys import read_keys

    file = tmp_path / "keys.toml"
    file.write_text(KEYS)
    file.chmod(0o644)
    with pytest.raises(BadKeys, match="chmod 600"):
        read_keys(file, {})


def test_the_environment_holds_a_key_to_read_and_one_to_write():
    from searchidx.serving.keys import find_key, read_keys

    found = read_keys(None, {"SEARCHIDX_API_KEY": READ, "SEARCHIDX_WRITE_KEY": WRITE})
    assert not find_key(found, READ).writes
    assert find_key(found, WRITE).writes
    assert find_key(found, "") is None
    assert read_keys(None, {}) == []


def test_an_article_keeps_its_place_whatever_its_address():
    document = replace(ARTICLES[1], uri="javascript:alert(1)")
    from searchidx.serving.public import public_document

    assert public_document(document, "news", "http://h").uri == "http://h/article/news/farm%2Fwheat.md"
    assert public_document(document, "news", "").uri == ""
    assert public_document(ARTICLES[0], "news", "http://h") is ARTICLES[0]
