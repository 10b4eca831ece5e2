"""One spelling for a page, and no spelling that leads inside."""

# ruff: noqa: F811 - the fixtures of web_tools are arguments of tests

import socket
import threading

import pytest
from web_tools import canary  # noqa: F401 - a fixture

from searchidx.articles import addresses
from searchidx.articles.addresses import parse, refusal, resolve, same_site, without_secrets
from searchidx.articles.fetching import Fetcher
from searchidx.errors import FetchError, Unreachable


def words(text):
    return text.split()


INSIDE = words("""
127.0.0.1 127.0.0.2 127.255.255.255 0.0.0.0 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1
100.100.100.200 169.254.169.254 169.254.170.2 192.0.0.192 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1
192.88.99.1 168.63.129.16 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 ::1 :: ::127.0.0.1 ::ffff:127.0.0.1
::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1 2002:7f00:1::
2002:a00:1:: 2001::1 2001:0:7f00:1:: 2001:db8::1 3fff::1 fe80::1 fe80::1%eth0 fec0::1 fc00::1 fd00:ec2::254 ff02::1
100::1 5f00::1 2606:4700::5efe:127.0.0.1 2606:4700::200:5efe:10.0.0.1
""")
OUTSIDE = words(
    "1.1.1.1 93.184.216.34 8.8.8.8 2606:4700:4700::1111 2a00:1450:4001::200e 64:ff9b::808:808 2002:808:808::1"
)

# all of them reach 127.0.0.1 where a program leaves it to the system's resolver, or to a lax reader of addresses
LOOPBACK = words("""
127.0.0.1 127.1 127.0.1 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1 017700000001 0177.1 127.0.0.1. 0 0.0.0.0
localhost LOCALHOST localhost. ①②⑦.⓪.⓪.① 127。0。0。1 127.0.0.1 [::1] [::] [::ffff:127.0.0.1] [::ffff:7f00:1]
[0:0:0:0:0:0:0:1] [0000:0000:0000:0000:0000:0000:0000:0001] [::127.0.0.1] ⓛⓞⓒⓐⓛⓗⓞⓢⓣ 127.000.000.001 0x7F.0x0.0x0.0x1
00000177.0.0.1 127.0.0.2 127.127.127.127 1.1.1.1@127.0.0.1 127.0.0.1%00.example.org 127.0.0.1%2eexample.org
example.org\\@127.0.0.1 example.org#@127.0.0.1 [64:ff9b::7f00:1] [2002:7f00:1::] [fec0::1] [::1%25lo] [::1%lo] [fe80::1]
""")


@pytest.mark.parametrize("ip", INSIDE)
def test_what_is_not_on_the_public_internet_is_refused(ip):
    assert refusal(ip)


@pytest.mark.parametrize("ip", OUTSIDE)
def test_what_is_on_the_public_internet_is_not_refused(ip):
    assert refusal(ip) == ""


def test_no_spelling_of_this_machine_is_connected_to(canary, monkeypatch):
    port, met = canary
    monkeypatch.setitem(addresses.PORTS, "http", port)  # so that a connection would be seen
    assert len(LOOPBACK) >= 40
    fetcher = Fetcher(resolver=_offline)
    for host in LOOPBACK:
        with pytest.raises(FetchError):
            fetcher.get(f"http://{host}/robots.txt")
    assert met == []


def test_the_listener_sees_who_connects(canary, monkeypatch):
    port, met = canary
    monkeypatch.setattr("searchidx.articles.fetching.BACKOFF", 0.0)
    with pytest.raises(Unreachable):
        Fetcher(allow_private=True).get(f"http://127.0.0.1:{port}/")
    assert met


def _offline(host, port, **options):
    """The system's resolver, but for names that it would ask somebody for."""
    if "example" in host:
        raise socket.gaierror(socket.EAI_NONAME, "no such name")
    return socket.getaddrinfo(host, port, **options)


def _answers(*ips):
    """A resolver that gives one answer after another."""
    left = [[ip] if isinstance(ip, str) else ip for ip in ips]

    def resolver(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in left.pop(0)]

    return resolver


def test_a_name_with_any_private_address_is_refused():
    address = parse("http://rebound.example/")
    with pytest.raises(FetchError, match=r"a private or reserved address \(10\.0\.0\.7\)"):
        resolve(address, 1, private=False, resolver=_answers(["93.184.216.34", "10.0.0.7"]))
    assert resolve(address, 1, private=True, resolver=_answers(["10.0.0.7", "10.0.0.7"])) == ["10.0.0.7"]


def test_a_name_that_changes_its_address_is_connected_to_at_the_one_that_was_vetted(monkeypatch, canary):
    _, met = canary
    tried = []

    def connect(address, *_, **__):
        tried.append(address)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr("searchidx.articles.fetching.BACKOFF", 0.0)
    monkeypatch.setattr("searchidx.articles.fetching.DELAY", 0.0)
    fetcher = Fetcher(resolver=_answers("93.184.216.34", "127.0.0.1"))  # the second answer would be the attack
    with pytest.raises(FetchError, match="this machine itself"):
        fetcher.get("http://rebound.example/")
    assert tried == [("93.184.216.34", 80)]
    assert met == []


def test_only_the_usual_ports_are_asked():
    with pytest.raises(FetchError, match="port 6379 is not asked"):
        resolve(parse("http://1.1.1.1:6379/"), 1, private=False)
    assert resolve(parse("http://1.1.1.1:443/"), 1, private=False) == ["1.1.1.1"]
    assert resolve(parse("http://1.1.1.1:6379/"), 1, private=True) == ["1.1.1.1"]


def test_a_resolver_that_hangs_is_not_waited_for():
    held = threading.Event()
    with pytest.raises(Unreachable, match="could not be looked up"):
        resolve(parse("http://slow.example/"), 0.05, private=False, resolver=lambda *_, **__: held.wait(5) and [])
    held.set()


def test_a_name_that_does_not_exist_is_told():
    with pytest.raises(FetchError, match=r"there is no server called none\.example"):
        resolve(parse("http://none.example/"), 1, private=False, resolver=_offline)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("https://example.org:443/a#part", "https://example.org/a"),
        ("http://example.org:8080/", "http://example.org:8080/"),
        ("http://example.org/a?utm_source=x&id=7&fbclid=1&utm_medium", "http://example.org/a?id=7"),
        ("http://example.org/a?b=1&a=2", "http://example.org/a?b=1&a=2"),
        ("http://example.org/?", "http://example.org/"),
        ("http://müller.example/käse", "http://xn--mller-kva.example/k%C3%A4se"),
        ("http://example.org/a%2Fb?q=%20", "http://example.org/a%2Fb?q=%20"),
        ("http://example.org./", "http://example.org/"),
        ("http://[2606:4700::1]:80/x", "http://[2606:4700::1]/x"),
    ],
)
def test_a_page_has_one_spelling(written, kept):
    assert str(parse(written)) == kept
    assert str(parse(kept)) == kept


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("ftp://example.org/", "only http and https"),
        ("file:///etc/passwd", "only http and https"),
        ("gopher://127.0.0.1:6379/_x", "only http and https"),
        ("http://", "cannot be read"),
        ("http://exa mple.org/", "not a web address"),
        ("http://example.org\\@127.0.0.1/", "not a web address"),
        ("http://example.org/\r\nHost: evil", "not a web address"),
        ("http://example.org:99999/", "not a web address"),
        ("http://[::1/", "not a web address"),
        ("http://a..b/", "cannot be read"),
        ("http://example.org/" + "x" * 3000, "longer than 2,048"),
    ],
)
def test_what_is_no_web_address_is_told(written, reason):
    with pytest.raises(FetchError, match=reason):
        parse(written)


def test_a_password_is_neither_kept_nor_told():
    with pytest.raises(FetchError) as error:
        parse("https://jo:s3cret@example.org/a")
    assert "s3cret" not in str(error.value)
    assert "user name or password" in str(error.value)
    assert error.value.uri == "https://example.org/a"
    assert without_secrets("//jo:s3cret@x/a@b") == "//x/a@b"


def test_relative_addresses_are_read_from_where_they_stand():
    assert str(parse("/b?x=1", "http://example.org/a/c")) == "http://example.org/b?x=1"
    assert str(parse("//other.example/b", "https://example.org/")) == "https://other.example/b"


def test_a_site_is_its_host():
    assert same_site("http://www.example.org/a", "https://example.org/b")
    assert not same_site("http://example.org/", "http://evil.example/")
    assert not same_site("http://example.org.evil.example/", "http://example.org/")
