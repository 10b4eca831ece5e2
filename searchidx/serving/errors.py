"""What went wrong, as an answer: a status, and a message that says what to do."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from searchidx.errors import AccessDenied, BadFilter, IndexLocked, IndexNotFound, SearchIdxError, SourceError
from searchidx.serving.guard import error_body

log = logging.getLogger("searchidx.server")


class ErrorDetail(BaseModel):
    """What went wrong and what to do; ``param`` is the field that is wrong, where one is."""

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """An error, in the form that OpenAI's clients read."""

    error: ErrorDetail


RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": ErrorAnswer, "description": "The request cannot be answered; the message says why."},
    "5XX": {"model": ErrorAnswer, "description": "The index cannot be read now; the message says why."},
}
"""What every call can answer besides."""
_STATUS: dict[type[SearchIdxError], int] = {
    IndexNotFound: 404,
    AccessDenied: 403,
    BadFilter: 400,
    SourceError: 400,
    IndexLocked: 409,
}
"""Every other error of searchidx means that the index cannot be read now."""


class BadRequest(SearchIdxError):
    """A request that is wrong in a way its types do not tell; ``param`` is the field."""

    def __init__(self, message: str, param: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.param = param
        self.status = status


def answer(status: int, message: str, param: str | None = None, headers: dict[str, str] | None = None) -> Response:
    """An error as an answer."""
    return Response(error_body(status, message, param), status, headers, "application/json")


def status_of(error: SearchIdxError) -> int:
    """The status of an error of searchidx."""
    if isinstance(error, BadRequest):
        return error.status
    return next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 503)


def install(app: FastAPI) -> None:
    """Teach an application how its errors look."""

    @app.exception_handler(SearchIdxError)
    async def ours(request: Request, error: SearchIdxError) -> Response:
        status, message = status_of(error), request.app.state.catalogue.hide(str(error))
        headers = {"Retry-After": "5"} if status in (409, 503) else None
        if status == 503:
            log.error("%s: %s", request.url.path, message)
        return answer(status, message, getattr(error, "param", None), headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return answer(400, *explain(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        reason = {
            400: "the body is not JSON",  # nested too deep, or no Unicode
            404: "there is nothing at this address: /openapi.json lists what is",
            405: "not with this method",
        }
        return answer(
            error.status_code,
            reason.get(error.status_code, str(error.detail)),
            headers=dict(error.headers) if error.headers else None,
        )


def explain(errors: Sequence[Any]) -> tuple[str, str | None]:
    """What pydantic found wrong, in a sentence, and the field."""
    first = errors[0]
    place = [str(part) for part in first["loc"][1:]]  # after "body", "query" or "path"
    field = ".".join(part for part in place if part.isidentifier() or part.isdigit())[:100] or None
    if first["type"] == "json_invalid":
        return "the body is not JSON", None
    if first["type"] == "extra_forbidden":
        return f"{place[-1][:100]!r} is not a field of this request", field
    if first["type"] == "model_attributes_type" and not place:
        return "the body must be a JSON object, with Content-Type: application/json", None
    message = first["msg"].removeprefix("Value error, ")
    return (f"{field}: {message}" if field else message), field
