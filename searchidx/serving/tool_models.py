"""What the tools of a language model take and answer: every field named, typed and bounded."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from searchidx.serving.models import MAX_K, Asked, ContextRequest, Filters, IndexName, Outlets, QueryText, Strict, Text

MAX_TEXT = 100_000
"""Characters of an article in one answer, about 25,000 tokens; the answer says where the rest begins."""


def _as_list(value: Any) -> Any:
    """What some clients send for a list: JSON in a string, or its only member."""
    if not isinstance(value, str):
        return value
    try:
        parsed = json.loads(value)
    except (ValueError, RecursionError):
        return [value]
    return parsed if isinstance(parsed, list) else [parsed if isinstance(parsed, dict) else value]


# what is asked


class SearchArguments(Asked):
    """A search."""

    index: Annotated[
        IndexName, Field(description="Name of one index, as list_indexes gives it; left out, all are searched.")
    ] = None
    k: Annotated[int, Field(ge=1, le=MAX_K, description="Hits wanted, one for each article.")] = 10
    where: Annotated[Filters, BeforeValidator(_as_list)] = Field(default_factory=list)
    sources: Annotated[Outlets, BeforeValidator(_as_list)] = Field(default_factory=list)


class ContextArguments(ContextRequest):
    """A question to answer from the articles."""

    where: Annotated[Filters, BeforeValidator(_as_list)] = Field(default_factory=list)
    sources: Annotated[Outlets, BeforeValidator(_as_list)] = Field(default_factory=list)


class QueryArguments(Strict):
    """A search, as connectors ask it."""

    query: QueryText


class IdArguments(Strict):
    """An article, as connectors ask for it."""

    id: Annotated[Text, Field(min_length=1, max_length=1_300, description="Id of a result, as search gives it.")]


class FetchArguments(IdArguments):
    """An article, or a part of it."""

    start: Annotated[int, Field(ge=0, description="First character wanted, from 0.")] = 0
    end: Annotated[
        int | None,
        Field(ge=1, description=f"One past the last character; left out, the rest, up to {MAX_TEXT:,} characters."),
    ] = None


class StatusArguments(Strict):
    """An index."""

    index: IndexName = None


class NoArguments(Strict):
    """Nothing."""


# what is answered


class Result(BaseModel):
    """A passage or an article, as connectors expect it."""

    id: str
    title: str
    url: str
    text: str


class Results(BaseModel):
    """What a connector's search answers."""

    results: list[Result]


class Article(Result):
    """What a connector's fetch answers."""

    metadata: dict[str, Any]


class Copy(BaseModel):
    """The same story in another article."""

    id: str
    title: str
    url: str
    source: str
    published: str


class Passage(Result):
    """A passage found: characters ``start`` to ``end`` of its article."""

    index: str
    score: Annotated[float, Field(description="Relevance from 0 to 1, comparable between indexes.")]
    source: str
    published: str
    heading: str
    start: int
    end: int
    citation: str
    also_in: Annotated[list[Copy], Field(description="Other articles that say the same, nearly word for word.")]
    untrusted: Literal[True] = True


Undated = Annotated[
    int, Field(description="Articles that a filter by date kept out of the best because they have no date.")
]


class Found(BaseModel):
    """Passages found, best first, or newest first where that was asked for."""

    results: list[Passage]
    undated: Undated
    probably_answered: Annotated[bool, Field(description="False where probably nothing here answers the query.")]
    problems: Annotated[list[str], Field(description="Indexes that could not be searched, and why.")]


class ArticlePart(Article):
    """Characters ``start`` to ``end`` of an article that has ``characters`` of them."""

    start: int
    end: int
    characters: int
    next: Annotated[int | None, Field(description="The start to fetch the rest with; null where there is no rest.")]
    untrusted: Literal[True] = True


class Place(BaseModel):
    """Where a numbered passage of a context stands."""

    number: int
    id: str
    title: str
    url: str
    source: str
    published: str
    start: int
    end: int
    score: float


class Collected(BaseModel):
    """Numbered and quoted passages."""

    index: str
    text: str
    tokens: int
    fence: Annotated[str, Field(description="The code that begins and ends quoted text; no passage contains it.")]
    citations: list[Place]
    undated: Undated
    untrusted: Literal[True] = True


class Indexes(BaseModel):
    """Names of the indexes there are."""

    indexes: list[str]


class Status(BaseModel):
    """What an index holds."""

    index: str
    documents: int
    passages: int
    language: str
    encoder: str
    created: str
    bytes: int
