"""Pages, feeds and sitemaps from a real server into a real index, and again."""

# ruff: noqa: F811 - the fixtures of web_tools and cli_tools are arguments of tests

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest
from cli_tools import ROOT, run, somewhere_else  # noqa: F401 - fixtures
from web_tools import BODY, add, canary, index, page, site  # noqa: F401 - fixtures

import searchidx
from searchidx import Document, Index
from searchidx.articles import feeds, web
from searchidx.articles.fetching import Fetcher
from searchidx.articles.web import Web
from searchidx.errors import BadFilter
from searchidx.types import Failure

RSS = '<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>T</title>{}\
</channel></rss>'
SITEMAP = '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</urlset>'
SITEMAPS = '<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{}</sitemapindex>'


def sync(index):
    return index.sync(allow_private=True)


def item(link, title="", date="", creator=""):
    by = f"<dc:creator>{creator}</dc:creator>"
    return f"<item><title>{title}</title><link>{link}</link><pubDate>{date}</pubDate>{by}</item>"


def rss(*items):
    return 200, {"Content-Type": "application/rss+xml"}, RSS.format("".join(items)).encode()


def urls(*entries, form=SITEMAP, tag="url"):
    rows = "".join(f"<{tag}><loc>{loc}</loc><lastmod>{date}</lastmod></{tag}>" for loc, date in entries)
    return 200, {"Content-Type": "application/xml"}, form.format(rows).encode()


def ids(index):
    return {document.doc_id for document in index.list()}


def cached(body, etag, **headers):
    """A page that knows its ETag."""

    def answer(request):
        if request.headers["If-None-Match"] == etag:
            return 304, {"Content-Length": None}, b""
        return 200, {"ETag": etag, **headers}, body

    return answer


# pages


def test_a_page_becomes_an_article_at_its_address(site, index):
    site.routes["/ferry?id=1"] = page("A new ferry")
    report = add(index, f"{site.url}/ferry?utm_source=mail&id=1#top")
    assert (report.added, report.failed) == (1, ())
    (document,) = index.list()
    assert document.doc_id == document.uri == f"{site.url}/ferry?id=1"
    assert document.title == "A new ferry"
    assert index.search("electric boat for the harbour", 1)[0].citation.uri == document.uri
    assert index.status()["roots"] == [document.uri]


def test_a_page_is_known_by_the_address_that_it_gives_itself_on_its_own_site(site, index):
    links = (f"{site.url}/story", "http://nyt.example/x", f"{site.url}/")
    own, foreign, home = (f'<link rel="canonical" href="{link}">' for link in links)
    site.routes |= {
        "/a?page=1": page("A", head=own),
        "/b": page("B", BODY[::2], head=foreign),
        "/c": page("C", head=home),
    }
    add(index, f"{site.url}/a?page=1", f"{site.url}/b", f"{site.url}/c")
    assert ids(index) == {f"{site.url}/story", f"{site.url}/b", f"{site.url}/c"}


def test_a_page_is_found_where_it_is_after_redirects(site, index):
    site.routes |= {"/short": (301, {"Location": "/long/story"}, b""), "/long/story": page("A")}
    add(index, f"{site.url}/short")
    assert ids(index) == {f"{site.url}/long/story"}
    assert sync(index).unchanged == 1


def test_the_charset_of_the_header_counts_where_the_page_is_silent(site, index):
    text = BODY.replace("ferry", "Fähre") * 3
    body = page("Fähre", text).decode().encode("cp1252")
    site.routes["/a"] = (200, {"Content-Type": "text/html; charset=windows-1252"}, body)
    site.routes["/b.txt"] = (
        200,
        {"Content-Type": "text/plain; charset=koi8-r"},
        ("Паром отошёл.\n" * 9).encode("koi8-r"),
    )
    add(index, f"{site.url}/a", f"{site.url}/b.txt")
    assert "old Fähre" in index.get(f"{site.url}/a").text
    assert "Паром отошёл" in index.get(f"{site.url}/b.txt").text


def test_texts_and_records_come_from_the_web_too(site, index):
    site.routes["/a.md"] = (200, {"Content-Type": "text/plain"}, b"# Ferry\n\nIt runs on electricity.")
    site.routes["/day.jsonl"] = (
        200,
        {"Content-Type": "application/octet-stream"},
        b'{"id": "x", "text": "A story."}\n',
    )
    assert add(index, f"{site.url}/a.md", f"{site.url}/day.jsonl").added == 2
    assert index.get(f"{site.url}/a.md").title == "Ferry"
    assert index.get("x").uri == f"{site.url}/day.jsonl"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, {"Content-Type": "image/png"}, b"\x89PNG"), "of type image/png"),
        ((200, {"Content-Type": "application/octet-stream"}, b"\x7fELF\0\0"), "of type application/octet-stream"),
        ((200, {}, b"  "), "it is empty"),
        ((200, {}, b"<html><body></body></html>"), "no article found"),
        ((404, {}, b""), "no such page"),
        ((302, {"Location": "/"}, b""), "leads to the front page"),
        ((200, {"Content-Type": "application/rss+xml"}, b"<rss"), "feed cannot be read"),
        ((200, {}, b"<rss version='2.0'><channel/></rss><p>"), "this feed lists no article"),
    ],
)
def test_what_is_no_article_is_a_reason_and_the_rest_goes_on(site, index, answer, reason):
    site.routes |= {"/": page("Home"), "/bad": answer, "/good": page("Good")}
    report = add(index, f"{site.url}/bad", f"{site.url}/good")
    assert ids(index) == {f"{site.url}/good"}
    assert [failure.uri for failure in report.failed] == [f"{site.url}/bad"]
    assert reason in report.failed[0].reason


def test_a_private_address_is_refused_unless_it_is_allowed(canary, index):
    port, met = canary
    report = index.add(f"http://localhost:{port}/", f"http://127.1:{port}/", "http://169.254.169.254/latest/meta-data/")
    assert len(report.failed) == 3
    assert all("refused" in failure.reason or "not asked" in failure.reason for failure in report.failed)
    assert met == []
    assert index.status()["roots"] == []


def test_a_password_in_an_address_is_nowhere(site, index):
    site.routes["/a"] = page("A")
    report = add(index, f"http://jo:s3cret@{site.host}/a")
    assert "user name or password" in report.failed[0].reason
    assert "s3cret" not in json.dumps(report.to_dict())
    assert "s3cret" not in json.dumps(index.status())
    assert site.asked == []


def test_a_redirect_to_a_session_and_a_canonical_link_back_give_the_canonical_address(site, index):
    session = page("A", head=f'<link rel="canonical" href="{site.url}/story">')
    site.routes |= {"/story": (302, {"Location": "/story?session=7"}, b""), "/story?session=7": session}
    add(index, f"{site.url}/story")
    assert ids(index) == {f"{site.url}/story"}


@pytest.mark.parametrize("etag", ['"x' + "y" * 5000 + '"', '"\x01"', '"ü"'])
def test_a_validator_that_cannot_be_sent_is_not_kept(site, index, etag):
    def answer(request):
        body = page("A")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nETag: {etag}\r\nContent-Length: {len(body)}\r\n\r\n"
        request.wfile.write(head.encode("latin-1") + body)

    site.routes["/a"] = answer
    assert add(index, f"{site.url}/a").added == 1
    report = sync(index)
    assert (report.unchanged, report.failed) == (1, ())
    assert "If-None-Match" not in site.asked[-1][1]


# again


def test_a_page_that_is_the_same_is_not_read_again(site, index):
    site.routes["/a"] = cached(page("A"), '"1"')
    add(index, f"{site.url}/a")
    passages = index.status()["position"]
    for report in (sync(index), add(index, f"{site.url}/a")):
        assert (report.unchanged, report.added, report.updated, report.failed) == (1, 0, 0, ())
        assert site.asked[-1][1]["If-None-Match"] == '"1"'
    site.routes["/a"] = page("A")  # without validators the content decides
    assert sync(index).unchanged == 1
    assert index.status()["position"] == passages


def test_a_page_that_changed_is_read_again(site, index):
    site.routes["/a"] = cached(page("A"), '"1"')
    add(index, f"{site.url}/a")
    site.routes["/a"] = cached(page("Rewritten", "A storm sank the boat in the night. " * 9), '"2"')
    report = sync(index)
    assert (report.updated, report.added, report.removed) == (1, 0, 0)
    assert index.get(f"{site.url}/a").title == "Rewritten"


@pytest.mark.parametrize("answer", [(404, {}, b""), (410, {}, b""), (500, {}, b""), (302, {"Location": "/"}, b"")])
def test_an_article_that_is_gone_from_the_web_stays_and_is_told(site, index, answer):
    site.routes |= {"/a": page("A"), "/": page("Home")}
    add(index, f"{site.url}/a")
    site.routes["/a"] = answer
    for _ in range(2):
        report = sync(index)
        assert [failure.uri for failure in report.failed] == [f"{site.url}/a"]
        assert report.removed == 0
    assert index.get(f"{site.url}/a").title == "A"
    assert index.status()["failed"] == 1
    site.routes["/a"] = page("A")
    report = sync(index)
    assert (report.unchanged, report.failed) == (1, ())
    assert index.status()["failed"] == 0


def test_sync_offline_loses_nothing_and_tells_it(site, index):
    site.routes |= {"/a": page("A"), "/f": rss(item("/b")), "/b": page("B", BODY[::2])}
    add(index, f"{site.url}/a", f"{site.url}/f")
    site.close()
    report = sync(index)
    assert len(ids(index)) == 2
    assert {failure.uri for failure in report.failed} == {f"{site.url}/a", f"{site.url}/f"}
    assert all("sync tries again" in failure.reason for failure in report.failed)


def test_what_the_user_removed_stays_removed(site, index):
    site.routes |= {"/a": page("A"), "/f": rss(item("/b"), item("/c")), "/b": page("B"), "/c": page("C")}
    add(index, f"{site.url}/a", f"{site.url}/f")
    index.remove(f"{site.url}/a", f"{site.url}/b")
    sync(index)
    assert ids(index) == {f"{site.url}/c"}
    assert index.status()["roots"] == [f"{site.url}/f"]
    add(index, f"{site.url}/a")
    assert ids(index) == {f"{site.url}/a", f"{site.url}/c"}


def test_a_feed_can_be_left_and_its_articles_stay(site, index):
    site.routes |= {"/f": rss(item("/b")), "/b": page("B")}
    add(index, f"{site.url}/f")
    report = index.remove(f"{site.url}/f")
    assert (report.removed, report.failed) == (0, ())
    site.paths()
    sync(index)
    assert site.paths() == []
    assert ids(index) == {f"{site.url}/b"}


# feeds


def test_a_feed_becomes_its_articles_and_fills_in_what_they_lack(site, index):
    bare = f"<html><body><article><p>{BODY}</p><p>{BODY}</p></article></body></html>".encode()
    dated = page("Own title", BODY[::-1], '<meta property="article:published_time" content="2019-03-04T10:00:00Z">')
    site.routes["/news/f.xml"] = rss(
        item("a?utm_source=rss", "By the feed", "Tue, 05 May 2020 10:00:00 +0200", "Jo Do"),
        item(f"{site.url}/b", "Other", "Tue, 05 May 2020 10:00:00 GMT"),
    )
    site.routes |= {"/news/a": bare, "/b": dated}
    report = add(index, f"{site.url}/news/f.xml")
    assert (report.added, report.failed) == (2, ())
    document = index.get(f"{site.url}/news/a")
    assert (document.title, document.published, document.author) == ("By the feed", "2020-05-05T08:00:00Z", "Jo Do")
    document = index.get(f"{site.url}/b")
    assert (document.title, document.published[:10]) == ("Own title", "2019-03-04")
    assert index.status()["roots"] == [f"{site.url}/news/f.xml"]


def test_a_feed_that_did_not_change_costs_one_request(site, index):
    body = rss(item("/a"), item("/b"))[2]
    site.routes |= {"/f": cached(body, '"1"'), "/a": page("A"), "/b": page("B", BODY[::2])}
    add(index, f"{site.url}/f")
    site.paths()
    report = sync(index)
    assert site.paths() == ["/f"]
    assert (report.unchanged, report.added, report.failed) == (2, 0, ())


def test_a_changed_feed_costs_its_news_and_a_question_for_what_it_does_not_date(site, index):
    date = "Tue, 05 May 2020 10:00:00 GMT"
    site.routes |= {"/dated": page("A"), "/undated": cached(page("B", BODY[::2]), '"b"'), "/new": page("C", BODY[::3])}
    site.routes["/f"] = cached(rss(item("/dated", "", date), item("/undated"))[2], '"1"')
    add(index, f"{site.url}/f")
    site.routes["/f"] = cached(rss(item("/new"), item("/dated", "", date), item("/undated"))[2], '"2"')
    site.paths()
    report = sync(index)
    assert (report.added, report.unchanged) == (1, 2)
    assert site.asked[-1][1]["If-None-Match"] == '"b"'
    assert site.paths() == ["/f", "/new", "/undated"]


def test_an_article_that_left_the_feed_stays(site, index):
    site.routes |= {"/f": rss(item("/a"), item("/b")), "/a": page("A"), "/b": page("B", BODY[::2])}
    add(index, f"{site.url}/f")
    site.routes["/f"] = rss(item("/b"))
    assert sync(index).removed == 0
    assert ids(index) == {f"{site.url}/a", f"{site.url}/b"}


def test_what_failed_in_a_feed_is_tried_again(site, index):
    site.routes |= {"/f": cached(rss(item("/a"), item("/b"))[2], '"1"'), "/a": page("A")}
    report = add(index, f"{site.url}/f")
    assert (report.added, [failure.uri for failure in report.failed]) == (1, [f"{site.url}/b"])
    site.routes["/b"] = page("B", BODY[::2])
    report = sync(index)
    assert (report.added, report.unchanged, report.failed) == (1, 1, ())


def test_limit_takes_the_newest_and_since_leaves_out_the_older_and_sync_keeps_to_them(site, index):
    days = {f"/{n}": f"Tue, 0{n} Sep 2020 10:00:00 GMT" for n in (2, 5, 1, 4, 3)}
    site.routes |= {path: page(f"Day {path}", BODY + path * 50) for path in days}
    site.routes["/f"] = cached(rss(*(item(path, "", date) for path, date in days.items()))[2], '"1"')
    report = add(index, f"{site.url}/f", limit=2, since="2020-09-02")
    assert ids(index) == {f"{site.url}/5", f"{site.url}/4"}
    assert report.skipped == {"older": 1, "beyond the limit": 2}
    assert sync(index).skipped == report.skipped
    assert len(ids(index)) == 2
    assert add(index, f"{site.url}/f").added == 3
    with pytest.raises(BadFilter, match="is no date"):
        add(index, f"{site.url}/f", since="soon")


ATOM = """<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><entry><title>A</title><link rel="self" href="/x"/>
<link href="/a"/><updated>2020-01-02T03:04:05Z</updated><author><name>Jo</name></author></entry></feed>"""
RDF = """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">
<channel><title>T</title></channel><item><title>A</title><link>/a</link></item></rdf:RDF>"""
JSON = json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "T", "items": [{"id": "1", "url": "/a"}]})


@pytest.mark.parametrize("feed", [ATOM, RDF, JSON, "\ufeff" + ATOM, "<!-- x -->\n" + ATOM])
@pytest.mark.parametrize("kind", ["application/xml", "text/html", "text/plain", "application/octet-stream"])
def test_feeds_are_known_by_what_they_hold(site, index, feed, kind):
    site.routes |= {"/f": (200, {"Content-Type": kind}, feed.encode()), "/a": page("A")}
    assert add(index, f"{site.url}/f").added == 1


def test_a_feed_that_lies_is_bounded_and_each_lie_is_told(site, index, canary, monkeypatch):
    _, met = canary
    monkeypatch.setattr(feeds, "MAX_ENTRIES", 9)
    lies = ["javascript:alert(1)", "file:///etc/passwd", "http://jo:pw@x.example/", "http://[", "/f", "/g", "/home"]
    site.routes |= {"/a": page("A"), "/g": rss(item("/a")), "/home": (302, {"Location": "/"}, b""), "/": page("Home")}
    site.routes["/f"] = rss(*map(item, ["/a", "/a#again", *lies, *(f"/{n}" for n in range(1000))]))
    report = add(index, f"{site.url}/f")
    assert ids(index) == {f"{site.url}/a"}
    assert len(report.failed) == 6  # /f itself was met already
    assert report.skipped == {"repeated": 2, "beyond 9 entries": 1000}
    assert "pw" not in json.dumps(report.to_dict())
    assert met == []


def test_a_feed_cannot_send_us_inside(canary, tmp_path):
    """From a public feed, as far as the program can tell: the one hop that is let through is the feed itself."""
    port, met = canary
    inside = [f"http://127.0.0.1:{port}/", "http://10.0.0.1/", "http://169.254.169.254/latest", "http://[::1]/x"]

    class Fetches(Fetcher):
        def get(self, address, **validators):
            if address == "http://feed.example/f":
                from searchidx.articles.exchange import Response

                return Response(address, 200, {}, rss(*map(item, inside))[2])
            return super().get(address, **validators)

    found = list(Web(lambda _: None, Fetches()).find("http://feed.example/f", Counter()))
    assert [type(item) for item in found[:-1]] == [Failure] * 4
    assert all("refused" in failure.reason or "not asked" in failure.reason for failure in found[:-1])
    assert met == []


@pytest.mark.parametrize(
    "feed",
    [
        RSS.format(item("/a", "R & D &nbsp;") + "<item><title>cut off").encode()[:-16],
        RSS.format(item("/a")).encode()[:-20],
        b'<?xml version="1.0" encoding="utf-16"?>' + RSS.format(item("/a")).encode().partition(b"?>")[2],
    ],
)
def test_a_broken_feed_is_read_as_far_as_it_goes(site, index, feed):
    site.routes |= {"/f": (200, {}, feed), "/a": page("A")}
    assert add(index, f"{site.url}/f").added == 1


def test_a_feed_that_explodes_is_not_expanded(site, index):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "ha"><!ENTITY x SYSTEM "file:///etc/passwd">{laughs}]>'
    for path, body in (
        ("/f", RSS.format(item("/a", "&l9;&x;"))),
        ("/s", SITEMAP.format("<url><loc>&l9;&x;</loc></url>")),
    ):
        site.routes[path] = (200, {}, (bomb + body.partition("?>")[2]).encode())
        began = time.monotonic()
        add(index, site.url + path)
        assert time.monotonic() - began < 5
    assert not any("root:" in document.title for document in index.list())


# sitemaps


def test_a_sitemap_becomes_its_pages(site, index):
    site.routes |= {"/sitemap.xml": urls((f"{site.url}/a", "2020-01-01"), (f"{site.url}/b", "2021"))}
    site.routes |= {"/a": page("A"), "/b": page("B", BODY[::2])}
    assert add(index, f"{site.url}/sitemap.xml", since="2020-06").skipped == {"older": 1}
    assert ids(index) == {f"{site.url}/b"}
    site.paths()
    assert sync(index).unchanged == 1
    assert site.paths() == ["/sitemap.xml"]
    site.routes["/sitemap.xml"] = urls((f"{site.url}/b", "2022-05-05"))
    site.routes["/b"] = page("B, rewritten", BODY[::3])
    assert sync(index).updated == 1


def test_an_index_of_sitemaps_is_followed_once_around(site, index):
    import gzip

    def below(*entries):
        return urls(*entries, form=SITEMAPS, tag="sitemap")

    site.routes |= {
        "/sitemap.xml": below((f"{site.url}/old.xml", "2001-01-01"), (f"{site.url}/new.xml.gz", "2022-01-01"),
                              (f"{site.url}/sitemap.xml", ""), (f"{site.url}/round.xml", ""),
                              (f"{site.url}/none.xml", "")),
        "/round.xml": below((f"{site.url}/sitemap.xml", ""), (f"{site.url}/round.xml", "")),
        "/new.xml.gz": (200, {"Content-Type": "application/gzip"}, gzip.compress(urls((f"{site.url}/a", "2022"))[2])),
        "/old.xml": urls((f"{site.url}/b", "2001")),
        "/a": page("A"),
    }  # fmt: skip
    report = add(index, f"{site.url}/sitemap.xml", since="2020")
    assert ids(index) == {f"{site.url}/a"}
    assert report.skipped == {"sitemaps: older": 1, "sitemaps: repeated": 3}
    assert [failure.uri for failure in report.failed] == [f"{site.url}/none.xml"]
    assert site.paths() == ["/sitemap.xml", "/new.xml.gz", "/round.xml", "/none.xml", "/a"]


def test_a_sitemap_may_not_list_another_site_nor_go_on_for_ever(site, index, monkeypatch):
    monkeypatch.setattr(web, "MAX_SITEMAPS", 5)
    site.routes["/other.xml"] = urls(("http://other.example/", ""), ("http://127.0.0.2/", ""))
    report = add(index, f"{site.url}/other.xml")
    assert [("another site" in failure.reason) for failure in report.failed] == [True, True]
    for n in range(40):
        site.routes[f"/{n}.xml"] = urls((f"{site.url}/{n + 1}.xml", ""), form=SITEMAPS, tag="sitemap")
    report = add(index, f"{site.url}/0.xml")
    assert report.skipped == {"sitemaps: beyond 5": 1}
    bomb = SITEMAP.format("<url><loc>http://x.example/</loc></url>" * 600_000).encode()
    import gzip

    site.routes["/bomb.xml.gz"] = (200, {"Content-Type": "application/gzip"}, gzip.compress(bomb))
    assert "unpacked it is longer than 20 MiB" in add(index, f"{site.url}/bomb.xml.gz").failed[0].reason


# interrupted


def test_an_interrupted_run_goes_on_where_it_was_stored(site, tmp_path):
    pages = {f"/{n}": cached(page(f"Story {n}", BODY + f" Number {n}." * 20), f'"{n}"') for n in range(9)}
    site.routes |= {"/f": cached(rss(*map(item, pages))[2], '"f"'), **pages}
    folder = tmp_path / "killed"
    Index.create(folder).close()
    code = (
        "import sys, searchidx\nfrom searchidx import ingest\nfrom searchidx.articles import fetching\n"
        "ingest.SECONDS_WITHOUT_STORING = 0.0\nfetching.DELAY = 0.1\n"
        "with searchidx.Index.open(sys.argv[1]) as index:\n    index.add(sys.argv[2], allow_private=True)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    child = subprocess.Popen([sys.executable, "-c", code, str(folder), f"{site.url}/f"], env=environment)
    while len(site.asked) < 7:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait()
    before = len(site.paths())
    with Index.open(folder) as index:
        stored = len(ids(index))
        assert 0 < stored < 9
        report = add(index, f"{site.url}/f")
        assert (report.added, report.unchanged, report.failed) == (9 - stored, stored, ())
        given = sum("If-None-Match" in headers for path, headers in site.asked)
        assert given == stored
        assert before <= 8


# doors


def test_the_command_line_fetches_and_syncs(site, run, tmp_path):
    site.routes |= {"/f": rss(item("/a"), item("/b")), "/a": page("A"), "/b": page("B", BODY[::2])}
    status, out, _ = run("add", f"{site.url}/f", "--limit", 1, "--allow-private", "-i", tmp_path / "x")
    assert (status, "1 added" in out) == (0, True)
    status, out, err = run("sync", "--allow-private", "-i", tmp_path / "x")
    assert (status, "1 unchanged" in out, "skipped: 1 beyond the limit" in err) == (0, True, True)
    status, _, err = run("sync", "-i", tmp_path / "x")
    assert (status, "--allow-private" in err) == (1, True)
    status, _, err = run("add", f"{site.url}/f", "-i", tmp_path / "y")
    assert (status, "refused" in err or "not asked" in err) == (1, True)


def test_an_old_index_learns_to_fetch(site, tmp_path):
    import shutil
    from pathlib import Path

    from searchidx.storage.writer import StoreWriter
    from searchidx.types import Fetched

    shutil.copytree(Path(__file__).parent / "fixtures" / "format-1", tmp_path / "old")
    writer = StoreWriter(tmp_path / "old")
    with writer.transaction():
        writer.note_root("http://x.example/", {"limit": 3})
        writer.note_source("http://x.example/", "http://x.example/", "digest", "")
        writer.note_fetched("http://x.example/", Fetched("http://x.example/", '"1"'))
    assert writer.options("http://x.example/") == {"limit": 3}
    assert writer.fetched("http://x.example/") == Fetched("http://x.example/", '"1"')
    assert writer.counts()["documents"] == 3
    writer.close()


def test_a_document_with_an_address_is_not_fetched(site, index):
    index.add(Document("x", "A text.", uri=f"{site.url}/a"))
    index.sync(allow_private=True)
    assert site.asked == []
    assert searchidx.__version__
