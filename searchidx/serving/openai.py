"""Models, embeddings and reranking, as clients of OpenAI, Cohere and Jina ask for them.

They are for tools that bring a store of their own; docs/openai.md says what is refused. The models are the encoders of
the indexes that the key may see, and the bundled one: no request loads another.
"""

from __future__ import annotations

import base64
from contextlib import suppress
from copy import copy
from functools import cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request, Response
from pydantic import BeforeValidator, Field

from searchidx.encoders import DEFAULT_ENCODER, load_encoder
from searchidx.errors import SearchIdxError
from searchidx.serving.api import as_json, caller, catalogue
from searchidx.serving.errors import BadRequest
from searchidx.serving.models import QueryText, Strict, Text
from searchidx.serving.public import public_name
from searchidx.types import Encoder

router = APIRouter(prefix="/v1")
MAX_INPUTS, MAX_DOCUMENTS = 2_048, 1_000
"""Texts to embed, and to rerank, in one request."""
MAX_TEXT = 100_000
"""Characters of one of them."""


def _as_list(value: Any) -> Any:
    """One text as a list of one; tokens of another model mean nothing here."""
    if isinstance(value, list) and value and isinstance(value[0], int | list):
        raise ValueError("arrays of tokens are not understood, only texts")
    return [value] if isinstance(value, str) else value


class EmbeddingRequest(Strict):
    """Texts to embed."""

    model: Annotated[Text, Field(max_length=500)]
    input: Annotated[
        list[Annotated[Text, Field(min_length=1, max_length=MAX_TEXT)]],
        Field(min_length=1, max_length=MAX_INPUTS),
        BeforeValidator(_as_list, json_schema_input_type=str | list[str]),
    ]
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: Text | None = None
    input_type: Annotated[
        Literal["query", "document"], Field(description="Not of OpenAI: where prompts differ, they follow this.")
    ] = "document"


class RerankDocument(Strict):
    """A text to rank."""

    text: Annotated[Text, Field(max_length=MAX_TEXT)]


class RerankRequest(Strict):
    """Texts to rank by a query."""

    query: QueryText
    documents: Annotated[
        list[
            Annotated[
                RerankDocument,
                BeforeValidator(
                    lambda value: {"text": value} if isinstance(value, str) else value,
                    json_schema_input_type=str | RerankDocument,
                ),
            ]
        ],
        Field(min_length=1, max_length=MAX_DOCUMENTS),
    ]
    model: Annotated[Text, Field(max_length=500)] = DEFAULT_ENCODER
    top_n: Annotated[int | None, Field(ge=1)] = None
    return_documents: bool = False
    language: Annotated[
        Text, Field(pattern="^(auto|[a-z]{2})$", description="Of the texts, such as de; auto finds it.")
    ] = "auto"


@router.get("/models", operation_id="openai_models")
def list_models(request: Request) -> Response:
    """The encoders that embeddings and reranking can use."""
    return as_json({"object": "list", "data": [_model(name) for name in _models(request)]})


@router.get("/models/{model:path}", operation_id="openai_model")
def get_model(request: Request, model: Annotated[str, Path(max_length=500)]) -> Response:
    """One encoder."""
    if model not in _models(request):
        raise _no_model(request, model)
    return as_json(_model(model))


@router.post("/embeddings", operation_id="openai_embeddings")
def embeddings(request: Request, asked: EmbeddingRequest) -> Response:
    """Vectors of texts: unit length, or all zeros for a text of which the encoder knows no word."""
    encoder = copy(_encoder(request, asked.model))  # what an encoder keeps of texts it counted goes with the copy
    if asked.dimensions not in (None, encoder.dim):
        raise BadRequest(f"dimensions: vectors of {asked.model} have {encoder.dim}, and none else", "dimensions")
    tokens = sum(encoder.count_tokens(asked.input))
    encode = encoder.encode_queries if asked.input_type == "query" else encoder.encode_passages
    vectors = encode(asked.input)
    if asked.encoding_format == "base64":
        shown: list[Any] = [base64.b64encode(row.tobytes()).decode("ascii") for row in vectors.astype("<f4")]
    else:
        shown = vectors.tolist()
    return as_json(
        {
            "object": "list",
            "data": [{"object": "embedding", "index": place, "embedding": each} for place, each in enumerate(shown)],
            "model": asked.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


@router.post("/rerank", operation_id="rerank")
def rank_documents(request: Request, asked: RerankRequest) -> Response:
    """Texts by how well they answer a query, best first, with a relevance from 0 to 1."""
    from searchidx.rerank import rerank  # numpy comes with the first question

    texts = [document.text for document in asked.documents]
    ranking = rerank(asked.query, texts, _encoder(request, asked.model), asked.language)
    results = [
        {
            "index": place,
            "relevance_score": score,
            **({"document": {"text": texts[place]}} if asked.return_documents else {}),
        }
        for place, score in ranking[: asked.top_n]
    ]
    return as_json({"model": asked.model, "results": results})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "searchidx"}


def _models(request: Request) -> dict[str, str]:
    """Names of the encoders that the key may use, each with an index that has it; the bundled one needs none."""
    found = {DEFAULT_ENCODER: ""}
    for index in catalogue(request).names(caller(request)):
        with suppress(SearchIdxError), catalogue(request).reading(index, caller(request)) as opened:
            encoder = opened.setting("encoder")
            found.setdefault(public_name(encoder["name"], encoder["fingerprint"]), index)
    return found


def _encoder(request: Request, model: str) -> Encoder:
    if model == DEFAULT_ENCODER:
        return _bundled()
    index = _models(request).get(model)
    if index is None:
        raise _no_model(request, model)
    with catalogue(request).reading(index, caller(request)) as opened:
        return opened.encoder


@cache
def _bundled() -> Encoder:
    return load_encoder(DEFAULT_ENCODER)


def _no_model(request: Request, model: str) -> BadRequest:
    return BadRequest(f"no model is called {model[:100]!r}; there are: {', '.join(_models(request))}", "model", 404)
