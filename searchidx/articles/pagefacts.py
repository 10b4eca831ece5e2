"""What a web page says of itself: title, author, site, address, language, dates.

JSON-LD, meta elements and microdata are read here, as they give moments and say what was published and what updated;
what they lack comes from trafilatura, and the date from htmldate, which looks through the text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from searchidx.articles.dates import parse_date
from searchidx.types import Document, Source

_ARTICLE = re.compile(r"Article|Posting|Report|Review|Recipe|HowTo|WebPage|Story", re.IGNORECASE)
MAX_JSON, MAX_NODES = 2_000_000, 5_000
"""Characters of a piece of JSON-LD that is read, and how many objects of a page."""
_PUBLISHED = """
    article:published_time og:published_time og:article:published_time published_time datepublished
    date_published pubdate publishdate publish-date publish_date published-date publication_date
    parsely-pub-date sailthru.date article.published article_date_original cxenseparse:recs:publishtime
    dc.date.issued dcterms.issued dc.date.created dcterms.created citation_publication_date date dc.date
    dcterms.date
""".split()  # noqa: SIM905
_UPDATED = """
    article:modified_time og:updated_time article:updated_time datemodified date_modified last-modified lastmod
    dcterms.modified dc.date.modified article.updated revised updated_time
""".split()  # noqa: SIM905
_DAY_IN_ADDRESS = re.compile(r"/((?:19|20)\d\d)[/-](0[1-9]|1[0-2])[/-](0[1-9]|[12]\d|3[01])(?=[/_-])")
_JOINTS = re.compile(r"\s+[|–—·•›»:-]+\s+|\s*[|›»]\s*|:\s+")
_CREDIT = re.compile(
    r"^(?:by|von|par|por|di|da|av|door|auteur|autor|autora|author|texte?|text):?\s+(?=\S)", re.IGNORECASE
)
_NO_AUTHOR = frozenset(
    "no author|human|admin|administrator|editor|redaktion|redaction|staff|unknown|author|wordpress".split("|")  # noqa: SIM905
)
_WORD = re.compile(r"[^\W_]+")


def page_facts(tree: Any, source: Source) -> Document:
    """A document with all but its text."""
    from trafilatura.metadata import extract_metadata

    found = extract_metadata(tree)
    nodes, metas = list(_nodes(tree)), _metas(tree)
    address = _address(tree, metas, source)
    published, updated = _dates(nodes, metas, tree, address, found.date or "")
    site = found.sitename or found.hostname or ""
    metadata = {key: value for key in ("description", "categories", "tags") if (value := getattr(found, key))}
    if updated:
        metadata["updated"] = updated
    return Document(
        doc_id=source.label,
        text="",
        title=_title(tree, found.title or "", site),
        uri=address,
        published=published,
        author=_author(found.author or "", nodes, site),
        source=site,
        language=found.language or _root(tree).get("lang") or "",
        metadata=metadata,
        media_type="text/markdown",
    )


def _root(tree: Any) -> Any:
    return tree.getroottree().getroot()


def _nodes(tree: Any) -> Iterator[Mapping[str, Any]]:
    """The objects of JSON-LD that describe an article, or the page."""
    left = MAX_NODES
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or "").lower() or len(script.text or "") > MAX_JSON:
            continue
        try:
            waiting = [json.loads(script.text or "", strict=False)]
        except (ValueError, RecursionError):
            continue
        while waiting and left:
            item, left = waiting.pop(0), left - 1
            if isinstance(item, list):
                waiting[:0] = item[:100]
            elif isinstance(item, dict):
                if _ARTICLE.search(str(item.get("@type"))[:200]):
                    yield item
                waiting += [value for key, value in item.items() if key in ("@graph", "mainEntity", "mainEntityOfPage")]


def _metas(tree: Any) -> dict[str, str]:
    """What meta elements and microdata say, by name in small letters; the first of a name counts."""
    metas = dict[str, str]()
    for element in tree.iter("meta"):
        for key in ("property", "name", "itemprop", "http-equiv"):
            if (name := element.get(key)) and (value := (element.get("content") or "").strip()):
                metas.setdefault(name.strip().lower(), value)
    for element in tree.iter("time", "span", "div", "p"):
        if (name := (element.get("itemprop") or "").lower()) in ("datepublished", "datemodified"):
            value = element.get("datetime") or element.get("content") or "".join(element.itertext())
            metas.setdefault(name, value.strip()[:100])
    return metas


def _dates(
    nodes: list[Mapping[str, Any]], metas: Mapping[str, str], tree: Any, address: str, guess: str
) -> tuple[str, str]:
    """When the article was published and, where it says so and that is later, updated; ISO 8601 in UTC or ``""``."""
    said = _first_date([*(node.get("datePublished") for node in nodes), *(metas.get(name) for name in _PUBLISHED)])
    if not said:
        times = (element.get("datetime") for element in tree.iter("time") if element.get("pubdate") is not None)
        said = _first_date([*times])
    if not said and (day := _DAY_IN_ADDRESS.search(urlsplit(address).path)):
        said = "-".join(day.groups())
    published = said or parse_date(guess)
    updated = _first_date([*(node.get("dateModified") for node in nodes), *(metas.get(name) for name in _UPDATED)])
    return published, updated if updated[:10] > published[:10] or (updated > published and "T" in published) else ""


def _first_date(values: list[Any]) -> str:
    """The first date among values: of one that gives a moment rather than a year, if there is one."""
    dates = [date for value in values if isinstance(value, str) and (date := parse_date(value[:60]))]
    return next((date for date in dates if len(date) >= 10), dates[0] if dates else "")


def _address(tree: Any, metas: Mapping[str, str], source: Source) -> str:
    """Where the page says that it stands; where it was found, if that makes no sense."""
    found = source.uri if source.uri.startswith(("http://", "https://")) else ""
    links = (link.get("href") for link in tree.iter("link") if "canonical" in (link.get("rel") or "").lower().split())
    for said in (*links, metas.get("og:url")):
        address = _absolute(said or "", found)
        if address and not (_is_front(address) and (not found or not _is_front(found))):
            return address
    return found or source.uri


def _absolute(address: str, base: str) -> str:
    try:
        whole = urlsplit(urljoin(base, address.strip()) if base else address.strip())
        host = whole.hostname or ""
    except ValueError:
        return ""
    known = whole.scheme in ("http", "https") and "." in host and not re.search(r"[\s<>\"{}]", whole.geturl())
    return whole.geturl() if known else ""


def _is_front(address: str) -> bool:
    parts = urlsplit(address)
    return parts.path.strip("/") in ("", "index.html", "index.php") and not parts.query


def _title(tree: Any, title: str, site: str) -> str:
    """The headline: the heading that the title repeats, else the title without the name of the site."""
    headings = [" ".join("".join(one.itertext()).split()) for one in tree.iter("h1")]
    headings = [one for one in headings if one]
    words = _plain(title)
    for heading in headings:
        if heading != title and len(_plain(heading)) > 1 and _part_of(_plain(heading), words):
            return heading
    if len(headings) == 1 and (own := _plain(headings[0])) and len(own) > 2:
        shared = len(set(own) & set(words))
        if not words or shared >= 0.6 * min(len(set(own)), len(set(words))):
            return headings[0]
    pieces = _JOINTS.split(title)
    if len(pieces) > 1 and site and "".join(_plain(pieces[-1])) in ("".join(_plain(site)), _name_of_host(site)):
        return title[: title.rindex(pieces[-1])].rstrip(" |–—·•›»:-")
    return title


def _name_of_host(site: str) -> str:
    return "".join(_WORD.findall(site.lower().removeprefix("www.").rpartition(".")[0]))


def _plain(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _part_of(short: list[str], long: list[str]) -> bool:
    """Whether the words of one begin or end the other."""
    return long[: len(short)] == short or long[-len(short) :] == short


def _author(found: str, nodes: list[Mapping[str, Any]], site: str) -> str:
    """The people who wrote it, without the outlet where there are people."""
    names = [_CREDIT.sub("", " ".join(name.split())) for name in found.split(";")]
    publishers = {"".join(_plain(site))}
    for node in nodes:
        if isinstance(publisher := node.get("publisher"), dict):
            publishers.add("".join(_plain(str(publisher.get("name")))))
    names = [name for name in dict.fromkeys(names) if name and name.casefold() not in _NO_AUTHOR]
    people = [name for name in names if "".join(_plain(name)) not in publishers]
    return ", ".join(people or names)
