"""Servers and feeds that say what is not so: wrong types, wrong dates, pages without end."""

# ruff: noqa: F811 - the fixtures of web_tools are arguments of tests

import gzip
import time

import pytest
from document_tools import FISH, SALT, docx, paragraph, pdf, zipped
from web_tools import BODY, add, index, page, site  # noqa: F401 - fixtures

from searchidx.articles import exchange, fetching

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20


def rss(*items):
    rows = "".join(f"<item><title>T</title><link>{link}</link><pubDate>{date}</pubDate></item>" for link, date in items)
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{rows}</channel></rss>'.encode()


# the name, the type that the server says, the body; and whether it becomes an article, or what is told
TYPES = [
    ("/a", "text/html", pdf(FISH), ""),
    ("/a", "text/html", PNG, "a binary file, not text"),
    ("/a", "text/html", zipped({"a.txt": FISH}), "a binary file, not text"),
    ("/a", "application/pdf", page("A"), "this PDF is damaged"),
    ("/a.pdf", "text/html", page("A"), ""),
    ("/a.pdf", "application/octet-stream", pdf(FISH), ""),
    ("/a", "application/octet-stream", pdf(FISH), ""),
    ("/a", "application/octet-stream", PNG, "which is not read from the web"),
    ("/a", "image/png", page("A"), "of type image/png, which is not read"),
    ("/a", "text/plain", page("A"), ""),
    ("/a", "application/zip", zipped({"a.txt": FISH, "../b.txt": SALT}), "leads out of the archive"),
    ("/a", "application/zip", b"PK\3\4 no more", "damaged or cut off"),
    ("/a.docx", "application/octet-stream", docx(paragraph(FISH))[:300], "damaged or cut off"),
    ("/a", "nonsense", page("A"), "of type nonsense"),
    ("/a", "text/html; charset=utf-7", page("A", "+ADw-script+AD4-" + BODY), ""),
    ("/a", "text/html; charset=rot13", page("A"), ""),
]


@pytest.mark.parametrize(("path", "kind", "body", "told"), TYPES, ids=[f"{kind}-{told}" for _, kind, _, told in TYPES])
def test_a_type_that_is_not_so_is_an_article_or_a_reason_and_the_rest_goes_on(site, index, path, kind, body, told):
    site.routes[path] = 200, {"Content-Type": kind}, body
    site.routes["/b"] = page("B")
    report = add(index, site.url + path, f"{site.url}/b")
    assert index.get(f"{site.url}/b") is not None
    if told:
        assert told in " ".join(failure.reason for failure in report.failed)
    else:
        assert (report.added, report.failed) == (2, ())


def test_a_feed_is_one_whatever_type_it_says(site, index):
    site.routes["/f"] = 200, {"Content-Type": "image/png"}, rss(("/a", ""))
    site.routes["/a"] = page("A")
    assert add(index, f"{site.url}/f").added == 1
    site.routes["/g"] = 200, {"Content-Type": "application/rss+xml"}, page("No feed at all")
    report = add(index, f"{site.url}/g")
    assert report.added == 0
    assert "application/rss+xml, which is not read" in report.failed[0].reason


DATES = [
    *("yesterday", "12:30", "03/04/2018", "Thu, 99 Foo 2019", "0000-00-00", "9999-12-31T23:59:59Z", "2087-01-01"),
    *("-1", "1e400", "<b>", "Ⅻ"),
]


def test_dates_that_cannot_be_are_none_and_those_that_are_wrong_stay_apart(site, index):
    for number in range(len(DATES)):
        site.routes[f"/{number}"] = page(f"T{number}")
    site.routes["/f"] = rss(*((f"/{number}", date.replace("<", "&lt;")) for number, date in enumerate(DATES)))
    report = add(index, f"{site.url}/f")
    assert (report.added, report.failed) == (len(DATES), ())
    dates = {document.doc_id.rpartition("/")[2]: document.published for document in index.list()}
    plausible = {str(DATES.index(date)) for date in ("2087-01-01", "9999-12-31T23:59:59Z")}
    assert {date for number, date in dates.items() if number not in plausible} == {""}
    assert dates[str(DATES.index("2087-01-01"))].startswith("2087-01-01")
    assert index.sync(allow_private=True).failed == ()
    ranked = [hit.document.published for hit in index.search("electric ferry", 20, half_life="1y", all_copies=True)]
    assert len(ranked) == len(DATES)


def test_since_leaves_out_only_what_is_surely_older(site, index):
    site.routes |= {f"/{number}": page(f"T{number}") for number in range(4)}
    site.routes["/f"] = rss(
        ("/0", "Mon, 02 Mar 2015 01:00:00 GMT"), ("/1", "yesterday"), ("/2", ""), ("/3", "2087-01-01")
    )
    report = add(index, f"{site.url}/f", since="2020")
    assert report.skipped == {"older": 1}
    assert report.added == 3


def test_further_pages_of_a_feed_are_not_followed_so_that_none_leads_in_a_circle(site, index):
    site.routes["/a"] = page("A")
    site.routes["/f"] = (
        f'<feed xmlns="http://www.w3.org/2005/Atom"><title>T</title><link rel="self" href="/f"/>'
        f'<link rel="next" href="{site.url}/f?page=2"/><link rel="next" href="{site.url}/f"/>'
        f'<entry><title>A</title><link href="{site.url}/a"/><link rel="next" href="{site.url}/f"/></entry></feed>'
    ).encode()
    assert add(index, f"{site.url}/f").added == 1
    assert site.paths() == ["/f", "/a"]


def test_a_feed_that_lists_itself_and_other_feeds_ends(site, index):
    site.routes["/f"] = rss(("/f", ""), ("/g", ""), ("/a", ""))
    site.routes["/g"] = rss(("/f", ""), ("/g", ""))
    site.routes["/a"] = page("A")
    report = add(index, f"{site.url}/f")
    assert report.added == 1
    assert site.paths() == ["/f", "/g", "/a"]


@pytest.mark.parametrize("root", ["urlset=1", "urlset,", "urlset}x", "urlset:a:b", "urlset&x;"])
def test_a_sitemap_whose_root_has_no_proper_name_is_its_pages_or_a_reason(site, index, root):
    site.routes["/s"] = f"<{root}><url><loc>{site.url}/a</loc></url></{root}>".encode()
    site.routes["/a"] = page("A")
    report = add(index, f"{site.url}/s")
    assert report.added == 1 or len(report.failed) == 1


def test_a_bomb_of_entities_in_the_text_of_a_feed_is_not_expanded(site, index):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    head = f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY l0 "ha"><!ENTITY x SYSTEM "file:///etc/passwd">{laughs}]>'
    for tag in ("content:encoded", "description"):
        site.routes["/f"] = (
            f'{head}<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel><item>'
            f"<title>T</title><link>/gone</link><{tag}>{BODY * 3}&l9;&x;</{tag}></item></channel></rss>"
        ).encode()
        began = time.monotonic()
        add(index, f"{site.url}/f")
        assert time.monotonic() - began < 5
        assert not any("root:" in document.text or len(document.text) > 10_000 for document in index.export())


def test_every_bad_server_in_a_feed_is_one_reason_within_its_time_and_the_rest_is_read(site, index, monkeypatch):
    monkeypatch.setattr(fetching, "SECONDS", 3.0)
    monkeypatch.setattr(exchange, "MAX_BYTES", 2**20)

    def stall(_):
        site.stopping.wait(10)

    def endless(request):
        request.send_response(200)
        request.end_headers()
        while not site.stopping.is_set():
            request.wfile.write(b"<p>on and on" * 5000)

    bomb = gzip.compress(b"0" * 50 * 2**20)
    site.routes |= {
        "/stall": stall,
        "/endless": endless,
        "/bomb": (200, {"Content-Encoding": "gzip"}, bomb),
        "/round": (302, {"Location": "/round2"}, b""),
        "/round2": (302, {"Location": "/round"}, b""),
        "/brotli": (200, {"Content-Encoding": "br"}, b"\x0b\x02\x80"),
        "/zip": (200, {"Content-Type": "application/zip"}, zipped({"zeros.txt": b"0" * 20 * 2**20, "a.txt": SALT})),
        "/good": page("Good"),
        "/f": rss(*((f"/{name}", "") for name in ("stall", "endless", "bomb", "round", "brotli", "zip", "good"))),
    }
    began = time.monotonic()
    report = add(index, f"{site.url}/f")
    assert time.monotonic() - began < 30
    assert {document.doc_id.removeprefix(site.url) for document in index.list()} == {"/good", "/zip/a.txt"}
    told = {failure.uri.removeprefix(site.url): failure.reason for failure in report.failed}
    assert told.keys() == {"/stall", "/endless", "/bomb", "/round", "/brotli", "/zip/zeros.txt"}
    assert "took too long" in told["/stall"]
    assert "longer than 1 MiB" in told["/endless"]
    assert "longer than 1 MiB" in told["/bomb"]
    assert "redirects in a circle" in told["/round"]
    assert "compressed as br, which was not asked for" in told["/brotli"]
    assert "as bombs do" in told["/zip/zeros.txt"]
