"""What a feed has of an article stands in for a page that gives none, and ``inspect`` shows the web."""

# ruff: noqa: F811 - the fixtures of web_tools and cli_tools are arguments of tests

import json

import pytest
from cli_tools import run, somewhere_else  # noqa: F401 - fixtures
from web_tools import BODY, add, canary, index, page, site  # noqa: F401 - fixtures

from searchidx import Index

FULL = "".join(f"<p>{BODY} Part {number} of the report.</p>" for number in range(3))
HEAD = '<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"><channel>'


def rss(*items):
    rows = (
        f"<item><title>{title}</title><link>{link}</link><pubDate>Mon, 02 Mar 2026 0{number}:00:00 GMT</pubDate>"
        f"<content:encoded><![CDATA[{content}]]></content:encoded></item>"
        for number, (title, link, content) in enumerate(items)
    )
    return 200, {"Content-Type": "application/rss+xml"}, f"{HEAD}{''.join(rows)}</channel></rss>".encode()


def test_the_text_of_a_feed_stands_in_for_a_page_that_is_not_given(site, index):
    site.routes["/feed"] = rss(("Ferry", "/ferry", f"<h2>Today</h2>{FULL}<script>bad()</script>"))
    report = add(index, f"{site.url}/feed")
    (failure,) = report.failed
    assert report.added == 1
    assert failure.reason == "there is no such page (HTTP 404); the text that its feed has was taken instead"
    document = index.get(f"{site.url}/ferry")
    assert (document.title, document.published) == ("Ferry", "2026-03-02T00:00:00Z")
    assert document.metadata == {"from_feed": True}
    assert document.text.startswith("## Today\n\nThe harbour commission")
    assert "bad()" not in document.text
    assert [hit.document.uri for hit in index.search("electric ferry", where=["from_feed=true"])] == [
        f"{site.url}/ferry"
    ]


def test_the_text_of_a_feed_stands_in_for_a_page_without_an_article(site, index):
    site.routes["/feed"] = rss(("Ferry", "/ferry", FULL))
    site.routes["/ferry"] = b"<html><body><script>render()</script></body></html>"
    report = add(index, f"{site.url}/feed")
    assert report.added == 1
    assert "the text that its feed has was taken instead" in report.failed[0].reason
    assert "Part 2 of the report" in index.get(f"{site.url}/ferry").text


def test_the_page_takes_its_place_as_soon_as_it_is_there(site, index):
    site.routes["/feed"] = rss(("Ferry", "/ferry", FULL))
    add(index, f"{site.url}/feed")
    site.routes["/ferry"] = page("The ferry, in full", BODY.replace("voted", "decided"))
    report = index.sync(allow_private=True)
    assert (report.updated, report.failed) == (1, ())
    document = index.get(f"{site.url}/ferry")
    assert "decided" in document.text
    assert "from_feed" not in document.metadata


@pytest.mark.parametrize("lost", [(404, {}, b""), b"<html><body><p>Please log in.</p></body></html>"])
def test_what_was_read_from_the_page_is_not_replaced_by_what_the_feed_has(site, index, lost):
    site.routes["/feed"] = rss(("Ferry", "/ferry", FULL))
    site.routes["/ferry"] = page("The ferry, in full", BODY.replace("voted", "decided"))
    add(index, f"{site.url}/feed")
    site.routes["/ferry"] = lost
    site.routes["/feed"] = rss(("Ferry again", "/ferry", FULL))
    index.sync(allow_private=True)
    assert "decided" in index.get(f"{site.url}/ferry").text


@pytest.mark.parametrize(
    "content",
    [
        "<p>A short summary of the article.</p>",
        f"{FULL}<p>The vote was close […]</p>",
        f"{FULL}<p><a href='/ferry'>Continue reading →</a></p>",
        f"{FULL}<p>Read more</p>",
        f"{FULL}<p>And then the mayor said...</p>",
        "",
    ],
)
def test_a_teaser_stands_in_for_nothing(site, index, content):
    site.routes["/feed"] = rss(("Ferry", "/ferry", content))
    report = add(index, f"{site.url}/feed")
    assert (report.added, [failure.reason for failure in report.failed]) == (0, ["there is no such page (HTTP 404)"])


@pytest.mark.parametrize(
    ("feed", "expected"),
    [
        (
            '<feed xmlns="http://www.w3.org/2005/Atom"><title>t</title><entry><title>A</title><link href="/a"/>'
            f'<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml">{FULL}</div></content></entry></feed>',
            "Part 2 of",
        ),
        (json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "t", "items": [
            {"id": "1", "url": "/a", "content_text": f"1 < 2 <b>\n\n{BODY * 2}"}]}), "1 < 2"),
    ],
    ids=["atom", "json"],
)  # fmt: skip
def test_atom_and_json_feeds_hold_texts_too(site, index, feed, expected):
    site.routes["/feed"] = feed.encode()
    assert add(index, f"{site.url}/feed").added == 1
    assert expected in index.get(f"{site.url}/a").text


@pytest.mark.parametrize(
    "content", ["<div>" * 5000 + BODY * 3, "<!ENTITY a 'b'>" + BODY, "<p>" + "&#0;\x0b&#xD800;" * 50 + BODY * 3]
)
def test_hostile_text_in_a_feed_is_a_text_or_a_reason(site, index, content):
    site.routes["/feed"] = rss(("Ferry", "/ferry", content), ("Pier", "/pier", FULL))
    site.routes["/pier"] = page("Pier")
    report = add(index, f"{site.url}/feed")
    assert report.added >= 1
    assert all(failure.reason.startswith("there is no such page") for failure in report.failed)


# inspect


def test_inspect_of_an_address_shows_what_add_would_store_and_indexes_nothing(site, run, tmp_path):
    site.routes["/ferry"] = page("A new ferry", head='<meta property="article:modified_time" content="2026-03-05">')
    address = f"{site.url}/ferry?utm_source=mail"
    status, out, err = run("inspect", address, "--allow-private")
    assert (status, err) == (0, "")
    assert out.startswith("A new ferry\n")
    assert f"uri        {site.url}/ferry" in out
    assert "passage   1 [0-" in out
    (told,) = json.loads(run("inspect", address, "--allow-private", "--json")[1])
    with Index.create(tmp_path / "i") as index:
        index.add(address, allow_private=True)
        (stored,) = index.export()
    assert told["document"] == stored.to_dict()
    assert site.paths().count("/ferry") == 3
    assert not (tmp_path / "indexes").exists()


def test_inspect_of_a_feed_shows_the_newest_article_and_what_it_lists(site, run):
    site.routes["/feed"] = rss(*((f"Ferry {number}", f"/{number}", "") for number in range(3)))
    for number in range(3):
        site.routes[f"/{number}"] = page(f"The ferry of day {number}")
    status, out, err = run("inspect", f"{site.url}/feed", "--allow-private")
    assert (status, err) == (0, "")
    assert site.paths() == ["/feed", "/2"]
    assert out.startswith("The ferry of day 2\n")
    assert f"{site.url}/feed: a feed of 3 entries" in out
    assert [f"2026-03-02 Ferry {number}" in out for number in range(3)] == [True] * 3
    *articles, listing = json.loads(run("inspect", f"{site.url}/feed", "--allow-private", "--limit", "2", "--json")[1])
    assert [one["document"]["title"] for one in articles] == ["The ferry of day 2", "The ferry of day 1"]
    assert (listing["kind"], [entry["link"] for entry in listing["entries"]]) == ("feed", ["/0", "/1", "/2"])


def test_inspect_of_a_sitemap_lists_its_pages_and_says_what_it_leaves_out(site, run):
    rows = "".join(f"<url><loc>{site.url}/{number}</loc></url>" for number in range(30))
    site.routes["/map.xml"] = f"<urlset>{rows}</urlset>".encode()
    site.routes["/0"] = page("The first")
    status, out, _ = run("inspect", f"{site.url}/map.xml", "--allow-private")
    assert status == 0
    assert out.startswith("The first\n")
    assert f"{site.url}/map.xml: a sitemap of 30 entries" in out
    assert f"no date    {site.url}/19" in out
    assert "and 10 more: --json shows all" in out


def test_inspect_reports_what_cannot_be_fetched_and_keeps_out_of_private_places(site, canary, run):
    port, met = canary
    status, out, err = run("inspect", f"http://127.0.0.1:{port}/")
    assert (status, out) == (1, "")
    assert "--allow-private" in err
    assert not met
    status, _, err = run("inspect", f"{site.url}/gone", "--allow-private")
    assert status == 1
    assert "there is no such page (HTTP 404)" in err
    site.routes["/feed"] = rss(("Ferry", "/ferry", FULL))
    status, out, err = run("inspect", f"{site.url}/feed", "--allow-private")
    assert status == 0
    assert "the text that its feed has" in out
    assert "HTTP 404" in err


def test_inspect_cleans_what_a_feed_says_before_it_is_printed(site, run):
    site.routes["/feed"] = rss(("Ferry \x1b[31m\u202e red", "/0", ""))
    site.routes["/0"] = page("The ferry")
    out = run("inspect", f"{site.url}/feed", "--allow-private")[1]
    assert "\x1b" not in out
    assert "\u202e" not in out
