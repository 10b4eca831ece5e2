"""What of a parsed web page is no part of its article: unseen parts, menus, share bars, captions, other stories.

An element goes for its tag, its role, or the words of its class and id (``article-related_list`` says ``related``),
never for the name of a site. One that holds a good part of the page's prose stays, as themes put such words on whole
articles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


HEADINGS = words("h1 h2 h3 h4 h5 h6")
_TAGS = words(
    "script style noscript template head iframe svg math object embed form button select option input textarea nav"
    " footer aside figcaption dialog audio video canvas menu"
)
_MAY_HOLD_ALL = words("form aside dialog button")
"""Tags that stand around whole articles on some pages."""
_ROLES = words(
    "navigation banner contentinfo complementary dialog alert alertdialog search menu menubar toolbar tablist note"
)
_NAMES = words("""
    share shares sharing sharebar sharedaddy shariff addtoany addthis sharethis social sociable followus related
    relateds recommended recommendation recommendations recirc recirculation popular trending mostread readnext
    upnext readmore seealso moreon morefrom prevnext newsletter newsletters signup subscribe subscription login
    signin register donate donation promo promos promoted promotion ad ads adslot adbox advert adverts advertisement
    advertising advertorial sponsor sponsored sponsors outbrain taboola zergnet revcontent disqus footer foot
    sidebar nav navbar navigation subnav menu breadcrumb breadcrumbs toolbar pagination pager paging masthead banner
    print skip cookie cookies consent gdpr popup modal overlay rollover tooltip popover hovercard flyout lightbox
    screenreader byline bylines author authors authorbox bio tags taglist timestamp dateline rating ratings postmeta
    postmetadata caption captions legend annotation credit credits copyright factbox infobox
""")
_NAMES_WITH_LINKS = words("teaser teasers widget widgets")
"""Names of furniture where it holds links; without, a lead or a part of the article."""
_NAMES_OF_LINES = words("""
    meta metadata date time posted pubdate published publish updated datetime datum fecha kicker eyebrow section
    category categories topic topics label labels count counter correspondent reporter writer contributor journalist
    editor follow source sources
""")
_LINE = 80
"""Letters of an element to which ``_NAMES_OF_LINES`` apply."""
_LINKS = 0.25
_SHARE, _COMMENTS_SHARE, _TAG_SHARE = 0.35, 0.75, 0.3
"""Part of the page's prose from which on an element stays."""

_COMMENTS = re.compile(
    r"(?:^|[ _-])(?:comments?|disqus|respond)(?:$|[ _-])"
    r"|[Cc]omment(?:s|[-_]?list|[-_]?area|[-_]?section|Section|List|[-_]?body|[-_]?text)"
)
_NO_COMMENTS = re.compile("no-?comment", re.IGNORECASE)
_UNSEEN = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|(?<![-\w])(?:text-indent|left|top)\s*:\s*-\d{3,}"
    r"|(?<![-\w])(?:font-size|opacity|max-height|height|width)\s*:\s*0(?:\.0+)?(?:p[xt]|r?em|%)?\s*(?:;|!|$)",
    re.IGNORECASE,
)
_UNSEEN_CLASS = re.compile(
    r"(?:^|\s)(?:hidden|hide|is-hidden|d-none|invisible|visually-?hidden|sr-only|screen-reader(?:-text)?)(?:\s|$)",
    re.IGNORECASE,
)
_SHOWN_ON_SOME = re.compile(r"(?:^|\s)(?:sm|md|lg|xl|2xl|print):")
"""Classes that show on large screens what is hidden on small ones."""
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")


class Sizes(NamedTuple):
    """Letters under each element: of all text, in links, and in paragraphs outside links."""

    elements: list[Any]
    text: dict[Any, int]
    links: dict[Any, int]
    prose: dict[Any, int]


def measure(root: Any) -> Sizes:
    """The sizes of ``root`` and all below it; without recursion, as pages nest deeply."""
    elements = [element for element in root.iter() if isinstance(element.tag, str)]
    text, links, prose = dict[Any, int](), dict[Any, int](), dict[Any, int]()
    for element in reversed(elements):
        letters, linked, spoken = len((element.text or "").strip()), 0, 0
        for child in element:
            letters += text.get(child, 0) + len((child.tail or "").strip())
            linked += links.get(child, 0)
            spoken += prose.get(child, 0)
        if element.tag == "a":
            linked = letters
        elif element.tag in ("p", "pre", "blockquote"):
            spoken = max(spoken, letters - linked)
        text[element], links[element], prose[element] = letters, linked, spoken
    return Sizes(elements, text, links, prose)


def drop(element: Any) -> None:
    """Take an element out of its tree; what follows it stays."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        before = element.getprevious()
        if before is None:
            parent.text = (parent.text or "") + element.tail
        else:
            before.tail = (before.tail or "") + element.tail
    parent.remove(element)


def drop_hidden(root: Any) -> None:
    """Take out what a browser does not show, by what the elements themselves say; comments too."""
    for element in list(root.iter()):
        if not isinstance(element.tag, str) or (element.tag not in ("html", "body") and _hidden(element)):
            drop(element)


def _hidden(element: Any) -> bool:
    if not (attributes := element.attrib):
        return False
    if "hidden" in attributes or attributes.get("aria-hidden") == "true":
        return True
    style, names = attributes.get("style"), attributes.get("class")
    if style and _UNSEEN.search(style):
        return True
    return bool(names and _UNSEEN_CLASS.search(names) and not _SHOWN_ON_SOME.search(names))


def prune(root: Any) -> None:
    """Take out what is no part of an article."""
    _drop_tags(root)
    sizes = measure(root)
    whole = sizes.prose[root] or sizes.text[root] or 1
    for element in sizes.elements:
        if element.tag not in ("html", "body", "main", "h1") and _is_furniture(element, sizes, whole):
            drop(element)


def _drop_tags(root: Any) -> None:
    text = measure(root).text
    script = sum(text[element] for element in root.iter("script", "style", "noscript", "head"))
    least = _TAG_SHARE * (text[root] - script)
    for element in list(root.iter(*_TAGS)):
        if element.tag in _MAY_HOLD_ALL and text[element] > least:
            element.tag = "div"
        else:
            drop(element)


def _is_furniture(element: Any, sizes: Sizes, whole: int) -> bool:
    prose, text = sizes.prose[element], sizes.text[element]
    large = prose > _SHARE * whole
    if element.get("role") in _ROLES and not large:
        return True
    names = f"{element.get('class') or ''} {element.get('id') or ''}"
    if names == " ":
        return False
    if prose < _COMMENTS_SHARE * whole and element.tag != "article" and _are_comments(names):
        return True
    if large or (text and element.tag in ("a", "b", "i", "em", "strong")):
        return False
    said = _name_words(names[:1000])
    return bool(
        said & _NAMES
        or (said & _NAMES_WITH_LINKS and sizes.links[element] > _LINKS * text)
        or (text < _LINE and element.tag not in HEADINGS and said & _NAMES_OF_LINES)
    )


def _are_comments(names: str) -> bool:
    return bool(_COMMENTS.search(names)) and not _NO_COMMENTS.search(names)


@lru_cache(maxsize=8192)
def _name_words(names: str) -> frozenset[str]:
    """The words of names as they are written together: ``relatedStories-list`` has related, stories and list."""
    found: Iterable[str] = _WORD.findall(names)
    return frozenset(word.lower() for word in found)
