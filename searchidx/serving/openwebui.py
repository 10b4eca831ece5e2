"""Open WebUI's external web search and external web loader, as it calls them; docs/open-webui.md has its settings.

The two belong together: the link of a result loads the text of its article from the index. Nothing is ever fetched.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import islice
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from searchidx.errors import AccessDenied, IndexNotFound
from searchidx.serving.api import Name, as_json, base_of, caller, catalogue
from searchidx.serving.models import MAX_K, QueryText, Strict, Text
from searchidx.serving.public import article_of, is_web, public_hits
from searchidx.types import Document

router = APIRouter(prefix="/openwebui")
MAX_URLS = 100
"""Addresses in one request; Open WebUI sends 20."""


class WebSearch(Strict):
    """What Open WebUI posts to an external search."""

    query: QueryText
    count: Annotated[int, Field(ge=1, le=MAX_K)] = 10


class WebLoad(Strict):
    """What Open WebUI posts to an external loader."""

    urls: Annotated[list[Annotated[Text, Field(max_length=8_000)]], Field(min_length=1, max_length=MAX_URLS)]


@router.post("/search", operation_id="openwebui_search_default")
def search_default(request: Request, asked: WebSearch) -> Response:
    """The same in the index that is meant where none is named."""
    return search(request, asked, catalogue(request).default(caller(request)))


@router.post("/{index}/search", operation_id="openwebui_search")
def search(request: Request, asked: WebSearch, index: Name) -> Response:
    """The best articles, each once: address, title, and the passage that answers best."""
    with catalogue(request).reading(index, caller(request)) as found:
        hits = public_hits(found.search(asked.query, asked.count), index, base_of(request))
    return as_json(
        [
            {
                "link": hit.document.uri,
                "title": hit.document.title or hit.document.doc_id,
                "snippet": hit.passage.text,
            }
            for hit in hits
        ]
    )


@router.post("/load", operation_id="openwebui_load_default")
def load_default(request: Request, asked: WebLoad) -> Response:
    """The same; addresses on the web are looked for in the index that is meant where none is named."""
    return load(request, asked, catalogue(request).default(caller(request)))


@router.post("/{index}/load", operation_id="openwebui_load")
def load(request: Request, asked: WebLoad, index: Name) -> Response:
    """The texts behind addresses that are articles of this server; others are left out, and nothing is fetched.

    An address of an article's page says its index itself; one on the web is looked for in the index asked.
    """
    urls = list(dict.fromkeys(asked.urls))
    own = {url: place for url in urls if (place := article_of(url, base_of(request)))}
    places = [(url, name, doc_id) for url, (name, doc_id) in own.items()]
    if web := [url for url in urls if url not in own and is_web(url)]:
        with catalogue(request).reading(index, caller(request)) as found:
            named = found.list(where=[{"type": "in", "key": "uri", "value": web}])  # which heeds no case
            places += islice(((each.uri, index, each.doc_id) for each in named if each.uri in web), MAX_URLS)
    places.sort(key=lambda place: urls.index(place[0]))
    pages = (_page(url, document) for url, *place in places if (document := _article(request, *place)))
    return as_json(list(pages))


def _article(request: Request, name: str, doc_id: str) -> Document | None:
    """An article with its text, where there is one that the key may see."""
    with suppress(AccessDenied, IndexNotFound), catalogue(request).reading(name, caller(request)) as found:
        return found.get(doc_id)
    return None


def _page(url: str, document: Document) -> dict[str, Any]:
    """A page as Open WebUI takes it: it cites ``source``, under ``title``."""
    about = {
        "source": url,
        "title": document.title or document.doc_id,
        "author": document.author,
        "outlet": document.source,
        "published": document.published,
        "language": document.language,
    }
    return {"page_content": document.text, "metadata": {name: value for name, value in about.items() if value}}
