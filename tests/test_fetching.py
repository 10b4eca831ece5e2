"""One address at a time, from servers of every kind: willing, slow, lying, endless."""

# ruff: noqa: F811 - the fixtures of web_tools are arguments of tests

import gzip
import resource
import socket
import ssl
import subprocess
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from web_tools import canary, page, site  # noqa: F401 - fixtures

from searchidx.articles import exchange, fetching
from searchidx.articles.fetching import Fetcher
from searchidx.errors import FetchError, Unreachable

PAGE = page("Ferry")


@pytest.fixture
def fetcher():
    return Fetcher(allow_private=True)


def test_a_page_comes_with_its_headers_and_is_asked_for_by_name(site, fetcher):
    site.routes["/a?id=1"] = (200, {"ETag": '"x"', "Content-Type": "text/html"}, PAGE)
    response = fetcher.get(f"{site.url}/a?id=1&utm_source=feed#top")
    assert (response.address, response.status, response.body) == (f"{site.url}/a?id=1", 200, PAGE)
    assert response.headers["etag"] == '"x"'
    headers = site.asked[-1][1]
    assert headers["User-Agent"].startswith("searchidx/0.")
    assert headers["Host"] == site.host
    assert "Cookie" not in headers
    assert "Authorization" not in headers


def test_what_is_as_it_was_is_not_sent_again(site, fetcher):
    def answer(request):
        same = request.headers["If-None-Match"] == '"x"' or request.headers["If-Modified-Since"] == "Tue, 05 May 2020"
        return (304, {"Content-Length": None}, b"") if same else (200, {"ETag": '"x"'}, PAGE)

    site.routes["/a"] = answer
    assert fetcher.get(f"{site.url}/a").status == 200
    assert fetcher.get(f"{site.url}/a", etag='"x"').status == 304
    assert fetcher.get(f"{site.url}/a", modified="Tue, 05 May 2020").status == 304
    assert fetcher.get(f"{site.url}/a", etag='"y"').body == PAGE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(site, fetcher, status):
    site.routes |= {
        "/a": (status, {"Location": "b"}, b"x" * 99),
        "/b": (302, {"Location": "//" + site.host + "/c"}, b""),
    }
    site.routes["/c"] = PAGE
    assert fetcher.get(f"{site.url}/a").address == f"{site.url}/c"


def test_a_redirect_may_be_written_in_utf_8(site, fetcher):
    def answer(request):
        request.wfile.write("HTTP/1.1 302 Found\r\nLocation: /käse\r\nContent-Length: 0\r\n\r\n".encode())

    site.routes |= {"/a": answer, "/k%C3%A4se": PAGE}
    assert fetcher.get(f"{site.url}/a").address == f"{site.url}/k%C3%A4se"


def test_redirects_end(site, fetcher):
    site.routes |= {"/a": (302, {"Location": "/b"}, b""), "/b": (302, {"Location": "/a"}, b"")}
    with pytest.raises(FetchError, match="in a circle"):
        fetcher.get(f"{site.url}/a")
    site.routes |= {f"/{n}": (302, {"Location": f"/{n + 1}"}, b"") for n in range(50)}
    with pytest.raises(FetchError, match="more than 10 times"):
        fetcher.get(f"{site.url}/0")


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "//[::ffff:127.0.0.1]:{port}/",
    ],
)
def test_a_redirect_inside_is_refused(site, canary, monkeypatch, location):
    port, met = canary
    here = int(site.host.partition(":")[2])
    monkeypatch.setitem(exchange.addresses.PORTS, "http", port)  # so that the port alone refuses nothing
    monkeypatch.setitem(exchange.addresses.PORTS, "https", here)
    site.routes["/a"] = (302, {"Location": location.format(port=port)}, b"")
    connect = socket.create_connection

    def resolver(host, port, **options):
        if host == "public.example":
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.216.34", port))]
        return socket.getaddrinfo(host, port, **options)

    def connect_here(address, *rest):
        return connect(("127.0.0.1", here) if address == ("93.184.216.34", here) else address, *rest)

    monkeypatch.setattr(socket, "create_connection", connect_here)
    with pytest.raises(FetchError, match="refused: use --allow-private"):
        Fetcher(resolver=resolver).get(f"http://public.example:{here}/a")
    assert site.paths() == ["/a"]
    assert met == []


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://a:b@c.example/", "http://[/"]
)
def test_a_redirect_to_no_web_address_is_refused(site, fetcher, location):
    site.routes["/a"] = (302, {"Location": location}, b"")
    with pytest.raises(FetchError):
        fetcher.get(f"{site.url}/a")


def test_compressed_bodies_are_unpacked(site, fetcher):
    raw = zlib.compressobj(wbits=-15)
    site.routes["/gzip"] = (200, {"Content-Encoding": "gzip"}, gzip.compress(PAGE))
    site.routes["/zlib"] = (200, {"Content-Encoding": "deflate"}, zlib.compress(PAGE))
    site.routes["/raw"] = (200, {"Content-Encoding": "deflate"}, raw.compress(PAGE) + raw.flush())
    for path in ("/gzip", "/zlib", "/raw"):
        assert fetcher.get(site.url + path).body == PAGE
    assert {headers["Accept-Encoding"] for _, headers in site.asked} == {"gzip, deflate"}


def test_a_damaged_compressed_body_is_told(site, fetcher):
    site.routes["/a"] = (200, {"Content-Encoding": "gzip"}, b"no gzip at all")
    with pytest.raises(FetchError, match="compressed and damaged"):
        fetcher.get(f"{site.url}/a")


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, br", "compress"])
def test_a_compression_that_was_not_asked_for_is_told(site, fetcher, encoding):
    site.routes["/a"] = (200, {"Content-Encoding": encoding}, PAGE)
    with pytest.raises(FetchError, match="which was not asked for"):
        fetcher.get(f"{site.url}/a")


def test_a_bomb_is_given_up_without_being_unpacked(site, fetcher):
    pack = zlib.compressobj(9, wbits=31)
    bomb = b"".join(pack.compress(b"\0" * 2**20) for _ in range(400)) + pack.flush()
    twice = gzip.compress(bomb)
    site.routes["/a"] = (200, {"Content-Encoding": "gzip"}, bomb)
    site.routes["/b"] = (200, {"Content-Encoding": "gzip, gzip"}, twice)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in ("/a", "/b"):
        with pytest.raises(FetchError, match="longer than 20 MiB"):
            fetcher.get(site.url + path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB, of 400 MB


def test_an_endless_body_is_given_up(site, fetcher):
    def endless(request):
        request.send_response(200)
        request.end_headers()
        while not site.stopping.is_set():
            request.wfile.write(b"x" * 2**16)

    site.routes["/a"] = endless
    with pytest.raises(FetchError, match="longer than 20 MiB"):
        fetcher.get(f"{site.url}/a")
    site.routes["/b"] = (200, {"Content-Length": 2**40}, b"")
    with pytest.raises(FetchError, match="longer than 20 MiB"):
        fetcher.get(f"{site.url}/b")


def _drip(site, *, head):
    """A server that sends a byte at a time, of the body or of the headers, for ever."""

    def drip(request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" if head else b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
        while not site.stopping.wait(0.02):
            request.wfile.write(b"x")

    return drip


def _stall(site):
    return lambda request: site.stopping.wait(30) and None


@pytest.mark.parametrize("kind", ["stall", "body", "head"])
def test_a_slow_server_is_left_on_time(site, fetcher, monkeypatch, kind):
    monkeypatch.setattr(fetching, "SECONDS", 0.3)
    site.routes["/robots.txt"] = (404, {}, b"")
    site.routes["/a"] = _stall(site) if kind == "stall" else _drip(site, head=kind == "head")
    began = time.monotonic()
    with pytest.raises(Unreachable, match="took too long"):
        fetcher.get(f"{site.url}/a")
    assert time.monotonic() - began < 2


def test_a_handshake_that_never_ends_is_left_on_time(fetcher, monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        began = time.monotonic()
        with pytest.raises(Unreachable, match="took too long"):
            fetcher.get(f"https://127.0.0.1:{listener.getsockname()[1]}/")
        assert time.monotonic() - began < 2


def test_a_broken_answer_is_tried_again_and_told(site, fetcher):
    def broken(request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        request.close_connection = True

    site.routes["/robots.txt"] = (404, {}, b"")
    site.routes["/a"] = broken
    site.routes["/b"] = lambda request: request.wfile.write(b"garbage\r\n\r\n") and None
    for path in ("/a", "/b"):
        site.asked.clear()
        with pytest.raises(Unreachable, match=r"did not answer .*, 3 times"):
            fetcher.get(site.url + path)
        assert site.paths() == [path] * 3


def test_a_busy_server_is_asked_again_when_it_says(site, fetcher, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    answers = [(503, {"Retry-After": "7"}, b""), (429, {"Retry-After": soon}, b""), (200, {}, PAGE)]
    site.routes["/a"] = lambda _: answers.pop(0)
    assert fetcher.get(f"{site.url}/a").body == PAGE
    first, second = (wait for wait in waits if wait > 0)
    assert first == 7
    assert 25 < second <= 30


def test_a_server_that_asks_for_hours_is_left_for_the_rest_of_the_run(site, fetcher):
    site.routes["/a"] = (429, {"Retry-After": "7200"}, b"")
    for path in ("/a", "/b"):
        with pytest.raises(Unreachable, match="asks to wait 7,200 s"):
            fetcher.get(site.url + path)
    assert site.paths() == ["/a"]


def test_a_server_that_fails_again_and_again_is_left_for_the_rest_of_the_run(site, fetcher):
    site.routes |= {f"/{n}": (500, {}, b"") for n in range(5)}
    reasons = []
    for n in range(5):
        with pytest.raises(Unreachable) as error:
            fetcher.get(f"{site.url}/{n}")
        reasons.append(error.value.reason)
    assert "HTTP 500, 3 times" in reasons[0]
    assert "failed 3 times in a row" in reasons[4]
    assert site.paths() == ["/0"] * 3 + ["/1"] * 3 + ["/2"] * 3


@pytest.mark.parametrize(("status", "reason"), [(404, "no such page"), (410, "taken away"), (403, "does not give it")])
def test_a_page_that_is_not_given_is_told_and_not_asked_for_again(site, fetcher, status, reason):
    site.routes["/a"] = (status, {}, PAGE)
    with pytest.raises(FetchError, match=reason):
        fetcher.get(f"{site.url}/a")
    assert site.paths() == ["/a"]


def test_robots_are_asked_once_and_obeyed(site, fetcher):
    site.routes["/robots.txt"] = (
        b"User-agent: other\nDisallow: /\n\nUser-agent: *\nDisallow: /private\nDisallow: /*.pdf$\n"
    )
    site.routes |= {"/a": PAGE, "/private/x": PAGE, "/b.pdf": PAGE, "/on": (302, {"Location": "/private/x"}, b"")}
    assert fetcher.get(f"{site.url}/a").body == PAGE
    for path in ("/private/x", "/b.pdf", "/on"):
        with pytest.raises(FetchError, match=r"robots\.txt asks programs not to read it"):
            fetcher.get(site.url + path)
    assert [path for path, _ in site.asked] == ["/robots.txt", "/a", "/on"]


def test_our_own_name_in_robots_counts(site, fetcher):
    site.routes["/robots.txt"] = b"User-agent: searchidx\nDisallow: /\n\nUser-agent: *\nAllow: /\n"
    with pytest.raises(FetchError, match=r"robots\.txt"):
        fetcher.get(f"{site.url}/a")


def test_robots_that_fail_forbid_and_robots_that_are_missing_allow(site):
    site.routes |= {"/robots.txt": (503, {}, b""), "/a": PAGE}
    with pytest.raises(Unreachable, match="HTTP 503"):
        Fetcher(allow_private=True).get(f"{site.url}/a")
    assert site.paths() == []
    site.routes["/robots.txt"] = (403, {}, b"")
    assert Fetcher(allow_private=True).get(f"{site.url}/a").body == PAGE


def test_hostile_robots_do_no_harm(site):
    for rules in (b"\xff\0" * 1000, b"Disallow: /" + b"*a" * 50_000, b"User-agent: *\nDisallow: /x\n" * 50_000):
        site.routes |= {"/robots.txt": rules, "/a": PAGE}
        assert Fetcher(allow_private=True).get(f"{site.url}/a").body == PAGE


def test_a_host_is_asked_with_pauses_as_long_as_it_wants_within_reason(site, fetcher, monkeypatch):
    monkeypatch.setattr(fetching, "DELAY", 1.0)
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    site.routes |= {"/robots.txt": b"User-agent: *\nCrawl-delay: 5\n", "/a": PAGE}
    fetcher.get(f"{site.url}/a")
    fetcher.get(f"{site.url}/a")
    assert [round(wait) for wait in waits] == [0, 1, 5]
    site.routes["/robots.txt"] = b"User-agent: *\nCrawl-delay: 86400\n"
    slow = Fetcher(allow_private=True)
    slow.get(f"{site.url}/a")
    slow.get(f"{site.url}/a")
    assert round(waits[-1]) == 30


def test_proxies_of_the_environment_are_not_asked(site, fetcher, canary, monkeypatch):
    port, met = canary
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{port}")
    site.routes["/a"] = PAGE
    assert fetcher.get(f"{site.url}/a").body == PAGE
    assert met == []


@pytest.fixture
def secure(tmp_path):
    """A server with a certificate that nobody signed: its port."""
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", f"{tmp_path}/key", "-out", f"{tmp_path}/certificate"]
    subprocess.run(made + names, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{tmp_path}/certificate", f"{tmp_path}/key")
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            try:
                with context.wrap_socket(connection, server_side=True) as safe:
                    path = safe.recv(4096).split()[1]
                    body = b"" if path == b"/robots.txt" else PAGE
                    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n"
                    head += "Location: http://localhost/\r\n" if path == b"/down" else ""
                    safe.sendall(head.replace("200", "302" if path == b"/down" else "200").encode() + b"\r\n" + body)
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_a_certificate_is_always_verified(site, secure, tmp_path, monkeypatch):
    with pytest.raises(FetchError, match="its certificate is not valid: self-signed certificate"):
        Fetcher(allow_private=True).get(f"https://localhost:{secure}/")
    trusted = ssl.create_default_context(cafile=f"{tmp_path}/certificate")
    monkeypatch.setattr(exchange, "_certificates", lambda: trusted)
    assert Fetcher(allow_private=True).get(f"https://localhost:{secure}/").body == PAGE
    with pytest.raises(FetchError, match="its certificate is not valid"):
        Fetcher(allow_private=True).get(f"https://127.0.0.1:{secure}/")
    with pytest.raises(FetchError, match="redirects from https to http"):
        Fetcher(allow_private=True).get(f"https://localhost:{secure}/down")
