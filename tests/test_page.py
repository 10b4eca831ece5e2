"""The search page and the article view, in a real browser in front of a real server."""

# ruff: noqa: F811 - the fixtures of browser_tools are arguments of tests

import re
import shutil
from urllib.parse import quote

import httpx
import pytest
from browser_tools import Watched, address, browser, in_browser, open_tab, root  # noqa: F401
from hostile_tools import ATTACKS
from serving_tools import served

from searchidx import Document, Index
from searchidx.serving.guard import Door
from searchidx.serving.keys import READ_VARIABLE, read_keys

GEAR = "who was barred from selling network gear"
PARTS = ("style.css", "search.js", "icon.svg")


def titles(page):
    return page.locator(".hit h2").all_inner_texts()


def search(page, query):
    page.fill("#q", query)
    with page.expect_response(lambda answer: "/?" in answer.url):
        page.press("#q", "Enter")
    page.wait_for_selector("body.found:not(.busy)")


def in_viewport(page, selector):
    return page.locator(selector).first.evaluate(
        "e => { const r = e.getBoundingClientRect(); return r.top >= 0 && r.top < innerHeight && r.width > 0 }"
    )


def focused(page):
    return page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")


def get(address, path, **options):
    return httpx.get(address + path, timeout=60, **options)


# searching


@in_browser
def test_the_start_page_has_the_focus_in_the_box_and_says_what_there_is(open_tab):
    page = open_tab()
    page.goto("/?index=samples")
    assert focused(page) == "q"
    assert "46 articles, 141 passages in samples" in page.inner_text("main")
    assert page.locator(".outlets li").count() == 7
    page.click(".outlets a >> nth=0")
    assert page.input_value("[name=source]") == "Sample Desk: Technology"


@in_browser
def test_a_search_shows_title_source_date_and_the_best_sentence(open_tab):
    page = open_tab()
    page.goto("/?index=samples")
    search(page, GEAR)
    first = page.locator(".hit").first
    assert first.locator("h2").inner_text() == "ZTE's near-death: from denial order to billion-dollar settlement"
    assert first.locator(".outlet").inner_text() == "Sample Desk: Business"
    assert first.locator("time").inner_text() == "13 July 2018"
    assert "cut it off from American parts." in first.locator("mark.best").inner_text()
    assert {"network", "gear"} & set(" ".join(first.locator("mark mark").all_inner_texts()).split())
    assert "barred" in first.locator(".text > mark:not(.best)").all_inner_texts()
    assert re.fullmatch(r"10 best results in \d+ ms", page.inner_text("#status"))
    assert page.locator(".hit").count() == 10
    assert focused(page) == "q"


@in_browser
def test_the_score_is_explained_on_demand_and_more_of_the_article_is_there(open_tab):
    page = open_tab()
    page.goto(f"/?index=samples&q={GEAR}")
    first = page.locator(".hit").first
    assert not first.locator("table").is_visible()
    first.locator("summary").first.click()
    rows = first.locator("tbody tr").all_inner_texts()
    assert [row.split("\t")[0] for row in rows] == ["By meaning", "By words", "Together"]
    assert all(re.search(r"\t\d+\t\d+\.\d{4}$", row) for row in rows)
    assert "calculated from share" in first.inner_text()
    first.locator("summary", has_text="more from this article").click()
    first.locator("details li a").first.click()
    page.wait_for_url("**/article/samples/**")
    assert in_viewport(page, "#passage")


@in_browser
def test_more_results_come_on_demand(open_tab):
    page = open_tab(java_script_enabled=False)
    page.goto("/?index=samples&q=government")
    assert page.locator(".hit").count() == 10
    page.click("text=More results")
    assert page.locator(".hit").count() == 20
    assert len(set(titles(page))) == 20


@in_browser
def test_filters_by_date_and_source_narrow_the_results(open_tab):
    page = open_tab()
    page.goto(f"/?index=samples&q={GEAR}")
    page.click("text=Filters")
    page.fill("[name=after]", "2019-01-01")
    page.wait_for_url("**after=2019-01-01**")
    page.fill("[name=before]", "2021-01-01")
    page.wait_for_url("**before=2021-01-01**")
    page.wait_for_selector("body:not(.busy)")
    years = page.locator(".hit > .origin time").all_inner_texts()
    assert years
    assert {year.split()[-1] for year in years} <= {"2019", "2020"}
    assert page.locator("#outlets option").count() == 7
    page.fill("[name=source]", "Sample Desk: Business")
    page.press("[name=source]", "Enter")
    page.wait_for_url("**source=Sample**")
    page.wait_for_selector("body:not(.busy)")
    assert set(page.locator(".hit > .origin .outlet").all_inner_texts()) == {"Sample Desk: Business"}
    assert page.inner_text(".filters .count") == "3"
    assert page.locator(":focus").get_attribute("name") == "source"  # a swap of results takes the focus from nobody


@in_browser
def test_another_index_can_be_chosen(open_tab):
    page = open_tab()
    page.goto("/?index=samples&q=magnetar")
    assert page.locator("[name=index] option").all_inner_texts() == ["empty", "hostile", "samples", "wire"]
    page.select_option("[name=index]", "wire")
    page.wait_for_url("**index=wire**")
    page.wait_for_selector("h2:has-text('magnetar')")
    assert page.locator("#outlets option").first.get_attribute("value") == "Herald"


@in_browser
def test_near_duplicates_are_folded_into_one_result(open_tab):
    page = open_tab()
    page.goto("/?index=wire&q=agency telescope recorded burst of magnetar")
    assert "Agency sees burst" in titles(page)
    first = page.locator(".hit", has_text="Agency sees burst")
    first.locator("summary", has_text="Also in 2 others").click()
    assert sorted(first.locator("details[open] li a").all_inner_texts()) == ["Bright burst", "Burst seen by agency"]
    assert "Bright burst" not in titles(page)
    assert "What is a magnetar?" in titles(page)


@in_browser
def test_a_result_opens_at_its_passage_and_leads_back(open_tab):
    page = open_tab()
    page.goto("/?index=samples")
    search(page, "what did Beijing say about the blacklist")
    wanted = page.locator(".hit a", has_text="Commerce Department puts Huawei").first
    wanted.click()
    page.wait_for_url("**/article/**#passage")
    assert page.inner_text("h1") == "Commerce Department puts Huawei on trade blacklist"
    assert in_viewport(page, "#passage")
    assert page.locator("h3", has_text="Android and chips").count() == 1
    page.click("text=Back to the results")
    page.wait_for_selector("body.found")
    assert page.input_value("#q") == "what did Beijing say about the blacklist"


@in_browser
def test_a_search_can_be_made_with_the_keyboard_only(open_tab):
    page = open_tab()
    page.goto("/?index=samples")
    page.keyboard.type(GEAR)
    page.keyboard.press("Enter")
    page.wait_for_selector("body.found:not(.busy)")
    found = titles(page)
    page.keyboard.press("ArrowDown")
    assert focused(page) == found[0]
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    assert focused(page) == found[2]
    page.keyboard.press("k")
    assert focused(page) == found[1]
    page.keyboard.press("Escape")
    assert focused(page) == "q"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert focused(page) == "q"
    page.keyboard.press("Tab")
    page.keyboard.press("/")
    assert focused(page) == "q"
    assert page.input_value("#q") == GEAR  # the slash was a key and no text
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/article/**")
    assert focused(page) == "passage"
    page.keyboard.press("/")
    assert focused(page) == "q"


@in_browser
def test_the_address_of_a_search_can_be_shared_and_going_back_works(open_tab):
    page = open_tab()
    page.goto("/?index=samples")
    search(page, GEAR)
    first = titles(page)
    shared = page.url
    search(page, "wheat prices")
    second = titles(page)
    assert first != second
    page.go_back()
    page.wait_for_function("title => document.querySelector('.hit h2').textContent == title", arg=first[0])
    assert page.input_value("#q") == GEAR
    page.go_forward()
    page.wait_for_function("title => document.querySelector('.hit h2').textContent == title", arg=second[0])
    page.go_back()
    page.go_back()
    page.wait_for_selector("body.start")
    other = open_tab(java_script_enabled=False)
    other.goto(shared)
    assert titles(other) == first


@in_browser
def test_the_newest_of_several_searches_wins(open_tab):
    page = open_tab()
    page.goto("/?index=samples")

    held, failed = [], []
    page.route("**/?*slow*", lambda route: held.append(route))
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.fill("#q", "slow horses")
    page.press("#q", "Enter")
    page.wait_for_selector("body.busy #results[aria-busy=true]")
    search(page, "wheat prices")
    assert len(held) == len(failed) == 1
    assert page.title() == "wheat prices \u2013 searchidx"
    assert "wheat" in page.url
    assert page.locator("[aria-busy]").count() == 0


@in_browser
def test_a_search_needs_no_script(open_tab):
    page = open_tab(java_script_enabled=False)
    page.goto("/?index=samples")
    page.fill("#q", GEAR)
    page.press("#q", "Enter")
    assert titles(page)[0].startswith("ZTE's near-death")
    assert not page.locator(".copy").first.is_visible()
    page.click(".hit h2 a >> nth=0")
    assert in_viewport(page, "#passage")
    page.click("text=About this article")
    assert "characters 0-" in page.inner_text(".about")


@in_browser
def test_a_citation_is_copied_with_an_address_that_leads_to_the_passage(open_tab, address):
    page = open_tab(permissions=["clipboard-read", "clipboard-write"])
    page.goto(f"/?index=samples&q={GEAR}")
    page.click(".copy >> nth=0")
    page.wait_for_selector("text=Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert re.match(
        r"“ZTE's near-death.*”, Sample Desk: Business, 2018-07-13, http://127.*#passage, characters 0-\d+$", copied
    )
    page.goto(re.search(r"http://\S+#passage", copied)[0])
    assert in_viewport(page, "#passage")
    assert page.locator(".back").inner_text() == "Search"


@in_browser
def test_a_citation_is_copied_where_the_browser_has_no_clipboard_for_scripts(open_tab):
    page = open_tab()
    page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.goto(f"/?index=samples&q={GEAR}")
    page.evaluate("document.addEventListener('copy', () => window.copied = document.activeElement.value)")
    page.click(".copy >> nth=0")
    page.wait_for_selector("text=Copied")
    assert "characters 0-" in page.evaluate("window.copied")


def test_the_original_is_linked_only_where_it_is_on_the_web(address):
    found = get(address, "/?index=wire&q=agency telescope burst&source=Daily").text
    assert (
        '<a class="out" href="https://daily.example/burst" rel="noreferrer noopener">Original at daily.example</a>'
        in found
    )
    assert "Original at" not in get(address, "/?index=samples&q=wheat").text
    for path in ("/?index=hostile&q=ferry&k=50", f"/article/hostile/{quote('1/' + ATTACKS[1], safe='')}"):
        targets = re.findall(r'(?:href|src|action)="([^"]*)"', get(address, path).text)
        assert targets
        assert all(target.startswith(("/", "https://", "#")) for target in targets)


# what comes from articles


FORBIDDEN = ":is(main, header, footer) :is(script, iframe, svg, object, embed, style, link, meta, base, video)"


@in_browser
@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("script", [True, False])
def test_no_hostile_article_runs_anything_or_asks_another_host(open_tab, root, step, script):
    page = open_tab(java_script_enabled=script)
    with Index.open(root / "hostile") as index:
        doc_ids = [document.doc_id for document in index.list()]
    assert len(doc_ids) == len(ATTACKS) >= 60
    for doc_id in doc_ids[::step]:
        page.goto(f"/article/hostile/{quote(doc_id, safe='')}?start=0&end=60#passage")
        assert page.locator("article h1").inner_text().startswith("Harbour")
        assert page.locator(FORBIDDEN).count() == page.locator("main :is(img, form, input)").count() == 0
        assert not script or page.evaluate("window.hacked") is None


@in_browser
@pytest.mark.parametrize("script", [True, False])
def test_no_hostile_article_does_anything_among_the_results(open_tab, script):
    page = open_tab(java_script_enabled=script)
    shown = set()
    for year in (2020, 2021):
        page.goto(f"/?index=hostile&k=50&q=ferry&after={year}-01-01&before={year + 1}-01-01")
        shown.update(text.split()[1] for text in page.locator(".hit h2, .hit details li a").all_text_contents())
        assert page.locator(FORBIDDEN).count() == page.locator("main :is(img, form, input)").count() == 0
        assert not script or page.evaluate("window.hacked") is None
    assert len(shown) >= 60


@in_browser
def test_no_hostile_query_does_anything(open_tab):
    open_tab.expected = ["status of 400", "status of 404"]
    page = open_tab()
    for number, attack in enumerate(ATTACKS[::3]):
        parameter = ("q", "index", "after", "before", "source", "k")[number % 6]
        page.goto(f"/?index=samples&q=x&{parameter}={quote(attack)}")
        assert page.evaluate("window.hacked") is None
        assert page.locator(FORBIDDEN).count() == page.locator("main :is(img, form, input)").count() == 0


@in_browser
def test_hostile_results_are_put_in_place_by_the_script_without_running(open_tab):
    page = open_tab()
    page.goto("/?index=hostile")
    for query in ("ferry", "late harbour", "passengers waited", *ATTACKS[:12]):
        search(page, query)
        page.locator(".hit details summary").first.click()
        page.mouse.move(400, 400)
    assert page.evaluate("window.hacked") is None


def test_every_text_of_an_article_is_shown_as_it_is(address, root):
    with Index.open(root / "hostile") as index:
        document = index.get(f"4/{ATTACKS[4]}")
    shown = get(address, f"/article/hostile/{quote(document.doc_id, safe='')}").text
    assert "&lt;img src=x onerror=window.hacked=1;alert(1)&gt;" in shown
    assert ATTACKS[4] not in shown


@in_browser
def test_a_long_article_opens_at_a_passage_near_its_end(open_tab):
    page = open_tab()
    page.goto("/?index=wire&q=lighthouse keeper of Skerryvore saw a comet")
    page.click("h2 a >> nth=0")
    page.wait_for_url("**/article/wire/long**")
    assert in_viewport(page, "#passage")
    assert any("lighthouse keeper" in text for text in page.locator("mark").all_inner_texts())
    assert page.locator(".body > p").count() > 3_800


# pages that have bad news


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/?index=nowhere&q=x", 404, "there are: empty, hostile, samples, wire"),
        ("/?index=../../etc&q=x", 404, "no index is called"),
        ("/?index=samples&q=x&after=yesterday", 400, "is no date"),
        ("/?index=samples&q=x&before=2020-1", 400, "is no date"),
        ("/?index=samples&q=x&k=0", 400, "between 1 and 50"),
        ("/?index=samples&q=x&k=1000000", 400, "between 1 and 50"),
        ("/?index=samples&q=x&k=" + "9" * 5000, 400, "between 1 and 50"),
        ("/?index=samples&q=x&k=٣", 400, "between 1 and 50"),
        ("/?index=samples&q=" + "x" * 2001, 400, "2,000 characters at most"),
        ("/article/samples/nothing", 404, "no article has the id"),
        ("/article/nowhere/x", 404, "no index is called"),
        ("/article/samples/x?start=a&end=b", 400, "numbers of characters"),
        ("/article/samples/x?start=5", 400, "numbers of characters"),
        ("/article/samples/x?start=9&end=5", 400, "before end"),
        ("/article/samples/x?start=-1&end=5", 400, "numbers of characters"),
    ],
)
def test_an_error_is_a_page_with_its_status(address, path, status, says):
    answer = get(address, path)
    assert answer.status_code == status
    assert says in answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.count("<h1") == 1


@in_browser
def test_an_error_is_shown_in_place_and_the_next_search_works(open_tab):
    open_tab.expected = ["status of 400"]
    page = open_tab()
    page.goto(f"/?index=samples&q={GEAR}&after=lately")
    assert page.inner_text("h1") == "This cannot be searched for"
    assert page.input_value("[name=after]") == "lately"
    page.click("text=Search without filters")
    page.wait_for_selector("body.found")
    page.evaluate("Object.assign(document.querySelector('[name=after]'), {type: 'text', value: 'lately'})")
    page.press("#q", "Enter")
    page.wait_for_selector("body.failed")
    assert '"lately" is no date' in page.inner_text("main")
    page.evaluate("document.querySelector('[name=after]').value = '2020'")
    page.press("#q", "Enter")
    page.wait_for_selector("body.found")


@in_browser
def test_a_server_that_is_gone_or_refuses_is_told(open_tab):
    open_tab.expected = ["ERR_FAILED", "status of 429"]
    page = open_tab()
    page.goto("/?index=samples")
    page.route("**/?*", lambda route: route.abort())
    page.fill("#q", "wheat")
    page.press("#q", "Enter")
    page.wait_for_selector("text=The server does not answer")
    page.unroute("**/?*")
    body = '{"error": {"message": "more requests than 1/minute: slow down"}}'
    page.route("**/?*", lambda route: route.fulfill(status=429, content_type="application/json", body=body))
    page.press("#q", "Enter")
    page.wait_for_selector("text=slow down")
    page.unroute("**/?*")
    search(page, "wheat")


@in_browser
def test_an_empty_index_says_how_to_fill_it(open_tab):
    page = open_tab()
    page.goto("/?index=empty")
    assert page.inner_text("h1") == "This index is empty"
    assert "searchidx add articles/ -i empty" in page.inner_text("main")
    page.fill("#q", "anything")
    page.press("#q", "Enter")
    page.wait_for_selector("body.found")
    assert page.inner_text("#status") == "No results"
    assert "is empty" in page.inner_text("main")


def test_a_server_without_an_index_says_how_to_make_one(tmp_path):
    with served(tmp_path) as address:
        answer = get(address, "/")
        assert answer.status_code == 200
        assert "There is no index yet" in answer.text
        assert get(address, "/?q=x").status_code == 200
        assert get(address, "/?q=x&index=y").status_code == 404


def test_nothing_found_has_a_hint_and_nothing_relevant_is_said(address):
    assert "Search without filters" in get(address, f"/?index=samples&q={GEAR}&source=Nobody").text
    assert "Probably nothing here answers this" in get(address, "/?index=samples&q=recipe for sourdough bread").text
    assert "Probably nothing" not in get(address, "/?index=samples&q=US restrictions on Chinese telecoms").text


def test_an_index_that_is_damaged_or_deleted_is_a_503_without_its_place(tmp_path, root):
    shutil.copytree(root / "samples", tmp_path / "one")
    shutil.copytree(root / "wire", tmp_path / "two")
    with served(tmp_path) as address:
        assert get(address, "/?index=one&q=wheat").status_code == 200
        assert get(address, "/?index=two&q=magnetar").status_code == 200
        shutil.rmtree(tmp_path / "one")
        lost = get(address, "/?index=one&q=wheat")
        assert lost.status_code == 503
        assert "was deleted while it was served" in lost.text
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "store.db").write_bytes(b"no database " * 1000)
        broken = get(address, "/?index=one&q=wheat")
        assert broken.status_code == 503
        assert str(tmp_path) not in lost.text + broken.text
        assert get(address, "/?index=two&q=magnetar").status_code == 200


def test_a_passage_that_is_no_longer_there_is_told(address):
    path = "/article/wire/d?start=10&end=100000"
    assert "the article has changed" in get(address, path).text
    assert "the article has changed" not in get(address, "/article/wire/d?start=10&end=20").text


@in_browser
def test_a_search_works_with_a_key_typed_as_password(browser, root):
    keys = read_keys(None, {READ_VARIABLE: "k" * 32})
    with served(root, door=Door(keys=keys)) as address:
        assert get(address, "/").status_code == 401
        assert get(address, "/static/style.css").status_code == 200
        tab = Watched(browser, address, http_credentials={"username": "me", "password": "k" * 32})
        tab.page.goto("/?index=samples")
        search(tab.page, GEAR)
        assert titles(tab.page)[0].startswith("ZTE's near-death")
        tab.close()
        assert [text for text in tab.complaints if "401" not in text] == []


# how it is made


def test_the_page_carries_a_strict_policy_and_nothing_is_kept(address):
    for path in ("/", "/?index=samples&q=wheat", "/article/wire/d", "/article/wire/none"):
        headers = get(address, path).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert set(policy.values()) <= {"'none'", "'self'"}
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"


def test_pages_hold_no_inline_script_or_style(address):
    for path in ("/", "/?index=samples&q=wheat", "/article/wire/d", "/article/wire/none"):
        html = get(address, path).text
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)
        assert re.findall(r"<script[^>]*>", html) == re.findall(r'<script src="/static/search.js\?v=\w+" defer>', html)


def test_static_files_are_the_known_ones_with_an_etag(address):
    for name in PARTS:
        first = get(address, f"/static/{name}")
        assert first.headers["cache-control"] == "no-cache"
        version = first.headers["etag"].strip('"')
        assert get(address, f"/static/{name}?v={version}").headers["cache-control"].endswith("immutable")
        again = get(address, f"/static/{name}", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
    for name in ("layout.html", "..%2fpage.py", "%2e%2e%2fpage.py", "style.css%00", "nothing", "../page.py", "page.py"):
        assert get(address, f"/static/{name}").status_code == 404


def test_the_page_is_light(address):
    results = get(address, f"/?index=samples&q={GEAR}")
    assert results.text.count('class="hit"') == 10
    weight = len(results.content) + sum(len(get(address, f"/static/{name}").content) for name in PARTS)
    assert weight < 60_000


def test_outlets_are_counted_and_follow_changes(tmp_path):
    with Index.create(tmp_path / "i") as index:
        assert index.outlets() == {}
        index.add(*(Document(f"{n}", f"text {n}", source=source) for n, source in enumerate(["B", "A", "B", "", "C"])))
        assert list(index.outlets().items()) == [("B", 2), ("A", 1), ("C", 1)]
        assert list(index.outlets(1)) == ["B"]
        index.remove("1")
        assert list(index.outlets()) == ["B", "C"]
        index.outlets().clear()
        assert list(index.outlets()) == ["B", "C"]


def test_the_page_is_no_tool_of_the_api(address):
    paths = get(address, "/openapi.json").json()["paths"]
    assert not any(path == "/" or path.startswith(("/article", "/static")) for path in paths)
