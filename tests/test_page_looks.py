"""How the search page looks and who can use it: widths, contrast, the dark, screen readers, the keyboard."""

# ruff: noqa: F811 - the fixtures of browser_tools are arguments of tests

import re

import pytest
from browser_tools import address, browser, in_browser, open_tab, root  # noqa: F401

GEAR = "who was barred from selling network gear"


STATES = {
    "start": "/?index=samples",
    "results": f"/?index=samples&q={GEAR}&after=2015-01-01",
    "hostile": "/?index=hostile&q=ferry",
    "article": "/article/samples/samples%2Fhuawei-entity-list.md?start=0&end=600#passage",
    "error": "/?index=samples&q=x&after=yesterday",
    "nothing": "/?index=samples&q=x&source=Nobody",
}


@in_browser
@pytest.mark.parametrize("width", [320, 360, 390, 1280])
def test_no_page_scrolls_sideways(open_tab, width):
    open_tab.expected = ["status of 400"]
    page = open_tab(viewport={"width": width, "height": 800})
    for path in STATES.values():
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        assert page.evaluate("document.scrollingElement.scrollWidth <= document.scrollingElement.clientWidth"), path


CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const linear = (v) => ((v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const color = rgb(getComputedStyle(e).backgroundColor);
      if (color[3] == 255) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  const measure = (color, element, name) => {
    const [a, b] = [light(rgb(color)), light(behind(element))].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), name]);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim(), e = walker.currentNode.parentElement;
    if (!text || !e.checkVisibility() || e.closest("datalist, option, .unseen")) continue;
    measure(getComputedStyle(e).color, e, `${e.tagName}.${e.className}: ${text.slice(0, 30)}`);
  }
  for (const e of document.querySelectorAll("input")) {
    measure(getComputedStyle(e).color, e, `input ${e.name}`);
    measure(getComputedStyle(e, "::placeholder").color, e, `placeholder ${e.name}`);
  }
  return found;
}"""


@in_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_a_contrast_that_can_be_read(open_tab, scheme):
    open_tab.expected = ["status of 400"]
    page = open_tab(color_scheme=scheme)
    for path in STATES.values():
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach(details => details.open = true)")
        measured = page.evaluate(CONTRAST)
        assert len(measured) > 10
        assert [text for ratio, text in measured if ratio < 4.5] == []


@in_browser
def test_the_dark_page_is_dark(open_tab):
    colours = {}
    for scheme in ("light", "dark"):
        page = open_tab(color_scheme=scheme)
        page.goto(STATES["results"])
        colours[scheme] = page.evaluate(
            "['body', '.best', '.hit h2 a'].map(s => getComputedStyle(document.querySelector(s)))"
            ".map(style => [style.backgroundColor, style.color])"
        )
    assert all(light != dark for light, dark in zip(colours["light"], colours["dark"], strict=True))
    assert sum(map(int, re.findall(r"\d+", colours["dark"][0][0])[:3])) < 100


@in_browser
def test_the_page_can_be_used_with_a_screen_reader(open_tab):
    open_tab.expected = ["status of 400"]
    page = open_tab()
    for path in STATES.values():
        page.goto(path)
        assert page.evaluate("document.documentElement.lang") == "en"
        assert page.locator("h1").count() == 1
        for landmark in ("main", "header", "footer", "[role=search]", "[role=status]"):
            assert page.locator(landmark).count() == 1
        unlabelled = "[...document.querySelectorAll('input, select')].filter(e => !e.labels.length).map(e => e.name)"
        assert page.evaluate(unlabelled) == []
        nameless = "[...document.querySelectorAll('a, button, summary')].filter(e => !e.textContent.trim()).length"
        assert page.evaluate(nameless) == 0
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids))
        levels = page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(e => +e.tagName[1])")
        assert levels[0] == 1


@in_browser
def test_the_focus_can_be_seen_and_goes_in_the_order_of_the_page(open_tab):
    page = open_tab()
    page.goto(STATES["results"])
    page.evaluate("document.activeElement.blur()")
    seen, last = [], -1
    for _ in range(16):
        page.keyboard.press("Tab")
        name, place, ring = page.evaluate(
            """() => { const e = document.activeElement, style = getComputedStyle(e), box = e.closest(".ask");
            const ring = style.outlineStyle != "none" || (box && getComputedStyle(box).boxShadow != "none");
            return [e.id || e.name || e.textContent.trim(), [...document.querySelectorAll("*")].indexOf(e), !!ring] }"""
        )
        assert ring, name
        assert place >= last  # a date has several stops
        seen.append(name)
        last = place
    assert seen[:5] == ["Skip to the results", "searchidx", "q", "Search", "index"]


@in_browser
def test_who_wants_less_motion_gets_none(open_tab):
    page = open_tab(reduced_motion="reduce")
    page.goto(STATES["start"])
    page.evaluate("document.body.classList.add('busy')")
    assert page.evaluate("getComputedStyle(document.body, '::before').animationName") == "none"
