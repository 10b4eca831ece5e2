"""The search page and the article view: HTML made here, by templates that escape everything.

They need no script. ``search.js`` asks for the same addresses and puts what comes back in place.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Annotated, Any, NamedTuple, TypeAlias
from urllib.parse import quote, urlencode, urlsplit

from fastapi import APIRouter, Depends, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from searchidx import __version__
from searchidx.errors import SearchIdxError
from searchidx.ranking.duplicates import near_duplicates
from searchidx.ranking.highlight import Span
from searchidx.search import cite
from searchidx.serving.api import base_of, caller, catalogue
from searchidx.serving.errors import BadRequest, log, status_of
from searchidx.serving.markup import article, excerpt, opening
from searchidx.serving.models import MAX_K, MAX_QUERY
from searchidx.serving.public import is_web, public_citation
from searchidx.types import Citation, Copy, Document, Hit, Passage

router = APIRouter(include_in_schema=False)
PAGE, MOST = 10, 50
"""Results of a page, and those it can grow to."""
SORTS = ("relevance", "date")
OUTLETS = 100
"""Outlets that the page proposes."""
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",  # what was looked for is nobody's business
}
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the form says, as typed; empty where it says nothing."""

    q: str = ""
    index: str = ""
    after: str = ""
    before: str = ""
    source: str = ""
    sort: str = ""
    k: str = ""

    @property
    def filters(self) -> int:
        """How many of the filters are set."""
        return sum(bool(value) for value in (self.after, self.before, self.source))

    def url(self, **changes: str) -> str:
        """Address of the same search, with changes."""
        return f"/?{query}" if (query := self.query(**changes)) else "/"

    def query(self, **changes: str) -> str:
        """The same as the query of an address."""
        fields = {name: changes.get(name, getattr(self, name)) for name in Asked.__slots__}
        return urlencode({name: value for name, value in fields.items() if value}, quote_via=quote)

    def article(self, doc_id: str, span: Span | None = None) -> str:
        """Address of an article, or of a passage of it, which knows the way back to this search."""
        place = f"start={span[0]}&end={span[1]}&" if span else ""
        way = f"/article/{quote(self.index, safe='')}/{quote(doc_id, safe='')}?{place}{self.query(index='')}"
        return way.rstrip("?&") + ("#passage" if span else "")

    def number(self) -> int:
        """How many results are wanted."""
        if not self.k:
            return PAGE
        if not (self.k.isascii() and self.k.isdecimal() and 1 <= int(self.k[:9]) <= MOST):
            raise BadRequest(f"k, the number of results, must be between 1 and {MOST}", "k")
        return int(self.k)

    def options(self) -> dict[str, Any]:
        """The same as options of ``Index.search``."""
        if self.sort not in ("", *SORTS):
            raise BadRequest(f"sort is one of {', '.join(SORTS)}", "sort")
        return {
            "after": self.after or None,
            "before": self.before or None,
            "sources": [self.source] if self.source else [],
            "sort": self.sort or "relevance",
        }


class Repeat(NamedTuple):
    """An article that says again what a hit says, and the passage that does where it is known."""

    article: Copy | Document
    span: Span | None


Form: TypeAlias = Annotated[Asked, Depends()]
"""What an address says of the form; the index may stand in its path."""


class Result(NamedTuple):
    """A hit, its citation, and who says the same again: copies of the article, and hits after it."""

    hit: Hit
    citation: str
    repeats: Sequence[Repeat]


@router.get("/")
def search_page(request: Request, asked: Form) -> Response:
    """The search page, with the results of a query where there is one."""
    typed = {name: getattr(asked, name).strip() for name in ("q", "after", "before", "source")}
    return _page(request, replace(asked, **typed), _search)


@router.get("/article/{index}/{doc_id:path}")
def article_page(request: Request, asked: Form, doc_id: str, start: str = "", end: str = "") -> Response:
    """An article, with a passage of it marked where ``start`` and ``end`` say which; the rest is the way back."""
    return _page(request, asked, lambda request, asked: _article(request, asked, doc_id, _span(start, end)))


@router.get("/static/{name}")
def static_file(request: Request, name: str, v: str = "") -> Response:
    """One of the few files that the pages are made of."""
    if name not in _TYPES:
        return Response("there is no such file", 404, media_type="text/plain")
    content, version = _static(name)
    lasting = "public, max-age=31536000, immutable" if v == version else "no-cache"
    headers = {"ETag": f'"{version}"', "Cache-Control": lasting}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type=_TYPES[name])


# what the pages say


def _page(request: Request, asked: Asked, make: Callable[[Request, Asked], tuple[str, dict[str, Any]]]) -> Response:
    """A page, or another that says why there is none."""
    names = catalogue(request).names(caller(request))
    known: dict[str, Any] = {"asked": asked, "names": names, "outlets": {}}
    try:
        if not asked.index and names:
            known["asked"] = asked = replace(asked, index="default" if "default" in names else names[0])
        template, told = make(request, asked)
        return _html(template, 200, {**known, **told})
    except SearchIdxError as error:
        status, message = status_of(error), catalogue(request).hide(str(error))
        if status == 503:
            log.error("%s: %s", request.url.path, message)
        return _html("error.html", status, {**known, "status": status, "message": message})


def _search(request: Request, asked: Asked) -> tuple[str, dict[str, Any]]:
    if not asked.index:
        return "start.html", {"documents": 0, "passages": 0}
    if len(asked.q) > MAX_QUERY:
        raise BadRequest(f"a query has {MAX_QUERY:,} characters at most, this one has {len(asked.q):,}", "q")
    wanted, options = asked.number(), asked.options()
    with catalogue(request).reading(asked.index, caller(request)) as index:
        outlets = index.outlets(OUTLETS)
        if not asked.q:
            status = index.status()
            return "start.html", {"outlets": outlets, **{name: status[name] for name in ("documents", "passages")}}
        began = time.perf_counter()
        hits = index.search(asked.q, min(MAX_K, 3 * wanted), **options)  # some will be folded
        seconds, bound = time.perf_counter() - began, index.bound()
        undated = index.undated(asked.q, wanted, **options)
        empty = not hits and next(index.list(limit=1), None) is None
    results = _folded(hits, lambda citation: _public(request, asked.index, citation))
    more = wanted + PAGE if len(results) > wanted and wanted + PAGE <= MOST else 0
    return "results.html", {
        "outlets": outlets,
        "results": results[:wanted],
        "more": more,
        "seconds": seconds,
        "undated": undated,
        "doubtful": bool(hits) and max(hit.score for hit in hits) < bound,
        "empty": empty,
    }


def _folded(hits: Sequence[Hit], written: Callable[[Citation], str]) -> list[Result]:
    """Hits without those that repeat an earlier one, which are listed with that."""
    owners = near_duplicates([hit.passage.text for hit in hits])
    repeats = [[Repeat(copy, None) for copy in hit.copies] for hit in hits]
    for hit, owner, copies in zip(hits, owners, list(repeats), strict=True):
        if owner is not None:
            repeats[owner] += [Repeat(hit.document, (hit.passage.start, hit.passage.end)), *copies]
    return [
        Result(hit, written(hit.citation), others)
        for hit, owner, others in zip(hits, owners, repeats, strict=True)
        if owner is None
    ]


def _article(request: Request, asked: Asked, doc_id: str, span: Span | None) -> tuple[str, dict[str, Any]]:
    with catalogue(request).reading(asked.index, caller(request)) as index:
        document, outlets = index.get(doc_id), index.outlets(OUTLETS)
    if document is None:
        raise BadRequest(f"no article has the id {doc_id[:200]!r}", "doc_id", 404)
    there = span is not None and span[1] <= len(document.text)
    shown = span if there else None
    start, end = shown or (0, len(document.text))
    passage = Passage(0, doc_id, 0, "", start, end, "")
    return "article.html", {
        "outlets": outlets,
        "document": document,
        "groups": article(document, shown),
        "citation": _public(request, asked.index, cite(passage, document)),
        "gone": span is not None and not there,
    }


def _span(start: str, end: str) -> Span | None:
    """The span that an address gives, or None where it gives none."""
    if not start and not end:
        return None
    if not all(place.isascii() and place.isdecimal() and len(place) < 12 for place in (start, end)):
        raise BadRequest("start and end are numbers of characters", "start")
    if int(start) >= int(end):
        raise BadRequest("start must come before end", "start")
    return int(start), int(end)


def _public(request: Request, index: str, citation: Citation) -> str:
    """A citation as text, with an address to follow."""
    return str(public_citation(citation, index, base_of(request)))


# how it is made


_TYPES = {"style.css": "text/css", "search.js": "text/javascript", "icon.svg": "image/svg+xml"}
"""The files there are, and nothing else is served."""


@cache
def _static(name: str) -> tuple[bytes, str]:
    """A file and its version, which changes with it."""
    content = files("searchidx.serving").joinpath("web", name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


def _day(published: str) -> str:
    """A date of ISO 8601 as people write it, as far as it is known."""
    year, *rest = published[:10].split("-")
    try:
        parts = [int(part) for part in rest]
        month = [_MONTHS[parts[0] - 1]] if parts else []
    except (ValueError, IndexError):
        return published[:10]
    return " ".join([*(str(day) for day in parts[1:2]), *month, year])


def _is_day(typed: str) -> bool:
    """Whether the date picker of a browser can show it."""
    return bool(re.fullmatch(r"\d{4}-\d\d-\d\d", typed, re.ASCII))


def _host(uri: str) -> str:
    """Who is behind a web address."""
    try:
        return urlsplit(uri).hostname or ""
    except ValueError:
        return ""


def _html(template: str, status: int, told: dict[str, Any]) -> Response:
    content = _templates().get_template(template).render(told)
    return Response(content.encode("utf-8", "replace"), status, _HEADERS, "text/html; charset=utf-8")


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("searchidx.serving", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.globals["version"] = __version__
    templates.globals["static"] = lambda name: f"/static/{name}?v={_static(name)[1]}"
    templates.filters.update(day=_day, host=_host, excerpt=excerpt, opening=opening)
    templates.tests.update(web=is_web, day=_is_day)
    return templates
