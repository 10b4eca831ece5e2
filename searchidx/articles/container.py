"""The part of a pruned web page that holds the article, and what in it is still no article."""

from __future__ import annotations

import re
from typing import Any

from searchidx.articles.pruning import HEADINGS, Sizes, drop, measure, words

_BLOCKS = words("""
    p div section article main td li blockquote pre h1 h2 h3 h4 h5 h6 dd dt center body ul ol dl table tr tbody
    figure header details summary address hr
""")
_HOLDERS = ("div", "section", "article", "td", "main")
_DECAY = (1.0, 1.0, 0.95, 0.85, 0.7, 0.55)
"""How much a paragraph says for the element around it, for the one around that, and so on."""
_LEAST, _MOST = 25, 600
"""Letters of a paragraph that counts, and how many count at most."""
_ABOVE_TITLE = 400
"""Letters of paragraphs above the heading of an article at most; with more it is no heading of the article."""
_POINTER = re.compile(
    r"\W*(?:related|read (?:more|next|also)|see (?:also|more)|also (?:on|read|see)|more(?: on| from|:)|don.t miss"
    r"|recommended|mehr zum thema|lesen sie|lire aussi|à lire|lee también|leia (?:também|mais)|leggi anche|lees ook"
    r"|читайте также|insight|video|watch|listen|click here|must read|you may)",
    re.IGNORECASE,
)
"""How a line begins that sends the reader to another story."""
_BUTTONS = words("""
    caption close advert advertisement anzeige publicidad publicité ad more share tweet subscribe image photo photos
    gallery video print email loading comments comment follow story continues continue reading below read new of
""")
_WORD = re.compile(r"[^\W_]+")


def main_part(root: Any) -> Any:
    """The element with the most prose, counted from its paragraphs; None where there is none."""
    sizes, scores = measure(root), dict[Any, float]()
    for element in sizes.elements:
        if (weight := _prose(element, sizes)) > 0:
            around = element if element.tag in _HOLDERS else element.getparent()
            for factor in _DECAY:
                if around is None or around not in sizes.text:
                    break
                scores[around] = scores.get(around, 0.0) + weight * factor
                around = around.getparent()
    return max(scores, key=lambda element: scores[element] * _trust(element, sizes), default=None)


def _prose(element: Any, sizes: Sizes) -> float:
    """How much an element by itself, without the blocks in it, says that here is the article."""
    if element.tag not in _BLOCKS or element.tag in HEADINGS:
        return 0.0
    letters = len((element.text or "").strip())
    for child in element:
        if isinstance(child.tag, str) and child.tag not in _BLOCKS:
            letters += sizes.text[child] - sizes.links[child]
        letters += len((child.tail or "").strip())
    if letters < _LEAST:
        return 0.0
    return min(letters, _MOST) * (1.0 if element.tag in ("p", "blockquote", "pre", "li") else 0.8)


def _trust(element: Any, sizes: Sizes) -> float:
    trust = 1 - sizes.links[element] / max(sizes.text[element], 1)
    if element.get("itemprop") == "articleBody":
        return trust * 1.3
    return trust * 0.5 if element.tag in ("li", "p", "blockquote") else trust


def tidy(part: Any) -> None:
    """Take out the title and all above it, lists of links, pointers to other stories and the labels of buttons."""
    _drop_title(part)
    sizes = measure(part)
    for element in reversed(sizes.elements):
        if element is not part and element.getparent() is not None and _is_pointer(element, sizes):
            drop(element)


def _drop_title(part: Any) -> None:
    titles = list(part.iter("h1"))
    if len(titles) != 1:
        return
    (title,) = titles
    above = 0
    for element in part.iter():
        if element is title:
            break
        if element.tag in ("p", "li"):
            above += len("".join(element.itertext()).strip())
    if above > _ABOVE_TITLE:
        return
    inner = title
    while inner is not part:
        outer = inner.getparent()
        for sibling in list(inner.itersiblings(preceding=True)):
            outer.remove(sibling)
        outer.text = None
        inner = outer
    drop(title)


def _is_pointer(element: Any, sizes: Sizes) -> bool:
    tag, letters = element.tag, sizes.text[element]
    if not letters or (letters > 500 and tag not in ("ul", "ol", "dl")):
        return False
    linked = sizes.links[element] / letters
    if tag in ("ul", "ol", "dl"):
        return linked > 0.6 and next((True for number, _ in enumerate(element.iter("a")) if number), False)
    if letters < 40 and tag in ("p", "div", "section", "h4", "h5", "h6", "blockquote", "table") and _is_button(element):
        return True
    if tag in ("div", "section", "table"):
        if linked > 0.5 and sizes.prose[element] < 100:
            return True
    elif tag == "p" and linked > 0.95 and letters < 150:
        return True
    if tag in ("p", "div", "blockquote") or tag in HEADINGS:
        return linked > 0.3 and letters < 300 and bool(_POINTER.match("".join(element.itertext())))
    return False


def _is_button(element: Any) -> bool:
    said = _WORD.findall("".join(element.itertext()).lower())
    return bool(said) and all(word in _BUTTONS or (word.isdigit() and len(word) < 4) for word in said)
