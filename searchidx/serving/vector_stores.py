"""Indexes as OpenAI's vector stores, to read: an index is a store, an article a file, a passage a result.

Ids of files are ``file-`` and the doc_id in base64url: doc_ids hold slashes, dots and whole addresses, which do not
survive every client, proxy and router as a part of a path. docs/openai.md has the mapping and what is refused.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BeforeValidator, Field, field_validator

from searchidx.errors import SearchIdxError
from searchidx.serving.api import Name, as_json, base_of, caller, catalogue
from searchidx.serving.attributes import attributes, translated
from searchidx.serving.errors import BadRequest, answer
from searchidx.serving.models import QueryText, Strict, Text
from searchidx.serving.public import public_document, public_hits, public_name
from searchidx.types import Document, Hit

if TYPE_CHECKING:
    from searchidx.index import Index

router = APIRouter(prefix="/v1/vector_stores")
T = TypeVar("T")
FileId = Annotated[str, Path(description="Id of a file, as lists and searches give it.", max_length=8_000)]
MAX_QUERIES = 16
"""Queries of one search."""


class Paging(Strict):
    """A page of a list, as OpenAI's clients ask for it."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    after: Annotated[Text | None, Field(max_length=8_000)] = None
    before: Annotated[Text | None, Field(max_length=8_000)] = None


class FilePaging(Paging):
    """A page of files."""

    filter: Literal["in_progress", "completed", "failed", "cancelled"] | None = None


class RankingOptions(Strict):
    """How results are ranked; every ``ranker`` means the one there is."""

    ranker: Literal["none", "auto", "default-2024-11-15"] = "auto"
    score_threshold: Annotated[float, Field(ge=0, le=1)] = 0.0


class StoreSearch(Strict):
    """A search of a vector store."""

    query: Annotated[
        list[QueryText],
        Field(min_length=1, max_length=MAX_QUERIES),
        BeforeValidator(
            lambda value: [value] if isinstance(value, str) else value, json_schema_input_type=str | list[str]
        ),
    ]
    filters: dict[str, Any] | None = None
    max_num_results: Annotated[int, Field(ge=1, le=50)] = 10
    ranking_options: RankingOptions | None = None
    rewrite_query: bool | None = None

    @field_validator("rewrite_query")
    @classmethod
    def _as_it_is(cls, value: bool | None) -> bool | None:
        if value:
            raise ValueError("nothing here rewrites queries: leave it out")
        return value


@router.get("", operation_id="openai_list_vector_stores")
def list_stores(request: Request, asked: Annotated[Paging, Query()]) -> Response:
    """The indexes that the key may see, by the time they were made."""
    stores = [_store_or_not(request, name) for name in catalogue(request).names(caller(request))]
    stores.sort(key=lambda store: (store["created_at"], store["id"]))
    return as_json(_listed(*_page(stores, asked, lambda store: str(store["id"]))))


@router.get("/{vector_store_id}", operation_id="openai_get_vector_store")
def get_store(request: Request, vector_store_id: Name) -> Response:
    """One index."""
    return as_json(_store(request, vector_store_id))


@router.post("/{vector_store_id}/search", operation_id="openai_search_vector_store")
def search_store(request: Request, vector_store_id: Name, asked: StoreSearch) -> Response:
    """The best passages of an index; of several queries the best of each, every passage once."""
    where = [translated(asked.filters, vector_store_id, base_of(request))] if asked.filters is not None else []
    options = asked.ranking_options or RankingOptions()
    found: dict[int, Hit] = {}
    with catalogue(request).reading(vector_store_id, caller(request)) as index:
        for query in asked.query:
            for hit in index.search(
                query, asked.max_num_results, where=where, group=False, min_score=options.score_threshold
            ):
                known = found.get(hit.passage.passage_id)
                if known is None or hit.score > known.score:
                    found[hit.passage.passage_id] = hit
    best = sorted(found.values(), key=lambda hit: -hit.score)[: asked.max_num_results]
    return as_json(
        {
            "object": "vector_store.search_results.page",
            "search_query": asked.query,
            "data": [_result(hit) for hit in public_hits(best, vector_store_id, base_of(request))],
            "has_more": False,
            "next_page": None,
        }
    )


@router.get("/{vector_store_id}/files", operation_id="openai_list_files")
def list_files(request: Request, vector_store_id: Name, asked: Annotated[FilePaging, Query()]) -> Response:
    """The articles of an index, in the order they were added; all of them are ``completed``."""
    with catalogue(request).reading(vector_store_id, caller(request)) as index:
        doc_ids = (document.doc_id for document in index.list()) if asked.filter in (None, "completed") else ()
        page, more = _page(doc_ids, asked, file_id_of)
        made = made_at(index)
        files = [_file(document, made, vector_store_id, request) for document in map(index.get, page) if document]
    return as_json(_listed(files, more))


@router.get("/{vector_store_id}/files/{file_id}", operation_id="openai_get_file")
def get_file(request: Request, vector_store_id: Name, file_id: FileId) -> Response:
    """One article, without its text."""
    with catalogue(request).reading(vector_store_id, caller(request)) as index:
        return as_json(_file(_document(index, file_id), made_at(index), vector_store_id, request))


@router.get("/{vector_store_id}/files/{file_id}/content", operation_id="openai_get_file_content")
def get_content(request: Request, vector_store_id: Name, file_id: FileId) -> Response:
    """The whole text of one article, in one piece; ``start`` and ``end`` of results count its characters."""
    with catalogue(request).reading(vector_store_id, caller(request)) as index:
        text = _document(index, file_id).text
    return as_json(
        {
            "object": "vector_store.file_content.page",
            "data": [{"type": "text", "text": text}],
            "has_more": False,
            "next_page": None,
        }
    )


def _read_only() -> Response:
    message = (
        "vector stores are for reading here: make an index with searchidx add, and change its articles with "
        "POST and DELETE /api/indexes/INDEX/documents"
    )
    return answer(405, message, headers={"Allow": "GET"})


for _path, _methods in (
    ("", ["POST"]),
    ("/{vector_store_id}", ["POST", "DELETE"]),
    ("/{vector_store_id}/files", ["POST"]),
    ("/{vector_store_id}/files/{file_id}", ["POST", "DELETE"]),
    ("/{vector_store_id}/file_batches", ["POST"]),
):
    router.add_api_route(_path, _read_only, methods=_methods, include_in_schema=False)


# ids and pages


def file_id_of(doc_id: str) -> str:
    """The id of the file that is an article."""
    return "file-" + base64.urlsafe_b64encode(doc_id.encode("utf-8", "surrogatepass")).decode("ascii").rstrip("=")


def doc_id_of(file_id: str) -> str | None:
    """The article that is a file; None where ``file_id_of`` gives no such id."""
    encoded = file_id.removeprefix("file-")
    try:
        doc_id = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode("utf-8", "surrogatepass")
    except ValueError:
        return None
    return doc_id if file_id_of(doc_id) == file_id else None


def _document(index: Index, file_id: str) -> Document:
    doc_id = doc_id_of(file_id)
    document = None if doc_id is None else index.get(doc_id)
    if document is None:
        raise BadRequest(f"no file has the id {file_id[:200]!r}", "file_id", 404)
    return document


def _page(items: Iterable[T], asked: Paging, id_of: Callable[[T], str]) -> tuple[list[T], bool]:
    """The page of ``items``, which come in ascending order, and whether there are more in the direction asked."""
    backwards = asked.order == "desc"
    low, high = (asked.before, asked.after) if backwards else (asked.after, asked.before)
    from_end = backwards != (asked.before is not None and asked.after is None)  # else the page nearest to before
    waiting = {low, high} - {None}
    kept: deque[T] = deque(maxlen=asked.limit + 1)
    for item in items:
        if (name := id_of(item)) == high:
            waiting.discard(high)
            break
        if low in waiting:
            waiting.discard(name)
            continue
        kept.append(item)
        if not from_end and len(kept) > asked.limit:
            waiting.clear()
            break
    for field in ("after", "before"):
        if (cursor := getattr(asked, field)) in waiting:
            raise BadRequest(f"{field}: nothing in this list has the id {cursor[:200]!r}", field)
    more = len(kept) > asked.limit
    if more:
        kept.popleft() if from_end else kept.pop()
    return list(reversed(kept)) if backwards else list(kept), more


def _listed(items: list[dict[str, Any]], more: bool) -> dict[str, Any]:
    ids = [item["id"] for item in items] or [None]
    return {"object": "list", "data": items, "first_id": ids[0], "last_id": ids[-1], "has_more": more}


# stores, files and results as OpenAI's clients read them


def _store(request: Request, name: str) -> dict[str, Any]:
    with catalogue(request).reading(name, caller(request)) as index:
        status, made = index.status(), made_at(index)
    about = {
        "encoder": public_name(status["encoder"]["name"], status["encoder"]["fingerprint"]),
        "language": status["language"],
    }
    return _as_store(name, made, status["bytes"], status["documents"], status["failed"], about)


def _store_or_not(request: Request, name: str) -> dict[str, Any]:
    """In a list, an index that cannot be read is said to be ``expired``; the others stay there."""
    try:
        return _store(request, name)
    except SearchIdxError:
        return {**_as_store(name, 0, 0, 0, 0, {}), "status": "expired"}


def _as_store(name: str, made: int, size: int, documents: int, failed: int, about: dict[str, str]) -> dict[str, Any]:
    counts = {"completed": documents, "failed": failed, "in_progress": 0, "cancelled": 0, "total": documents + failed}
    return {
        "id": name,
        "object": "vector_store",
        "created_at": made,
        "name": name,
        "status": "completed",
        "usage_bytes": size,
        "file_counts": counts,
        "last_active_at": None,
        "metadata": about,
    }


def made_at(index: Index) -> int:
    """When an index was made, in Unix seconds; its files say the same, since nobody notes when an article came."""
    return int(datetime.fromisoformat(index.setting("created")).timestamp())


def _file(document: Document, made: int, store: str, request: Request) -> dict[str, Any]:
    return {
        "id": file_id_of(document.doc_id),
        "object": "vector_store.file",
        "created_at": made,
        "vector_store_id": store,
        "status": "completed",
        "last_error": None,
        "usage_bytes": len(document.text.encode("utf-8", "surrogatepass")),
        "attributes": attributes(public_document(document, store, base_of(request))),
    }


def _result(hit: Hit) -> dict[str, Any]:
    place: dict[str, str | int] = {"heading": hit.passage.heading, "start": hit.passage.start, "end": hit.passage.end}
    return {
        "file_id": file_id_of(hit.document.doc_id),
        "filename": hit.document.title or hit.document.doc_id,
        "score": hit.score,
        "attributes": attributes(replace(hit.document, uri=hit.citation.uri), place),
        "content": [{"type": "text", "text": hit.passage.text}],
    }
