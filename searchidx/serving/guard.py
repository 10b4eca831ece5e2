"""The door: what a request must be before anything of it is believed, and what every answer carries.

In this order: a Host that cannot come from a rebound name, an Origin that is this server's own or was allowed, not
too many requests, a key, a body of bounded size that arrives in time, and a free place among those that are worked on.
docs/decisions/013-server.md says against what.
"""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searchidx.serving.keys import ANYONE, Key, find_key
from searchidx.serving.metrics import Metrics

log = logging.getLogger("searchidx.access")
PUBLIC_PATHS = ("/health", "/static/")
"""What needs no key: whether the server is up, and how its page looks."""
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_NOTHING = "default-src 'none'; frame-ancestors 'none'"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a server takes on.

    Attributes:
        body: bytes of a request's body.
        seconds: for a body to arrive.
        requests: worked on or waiting at once.
        rate: of one client, in the notation of the package limits, such as ``100/second``; empty for none.
    """

    body: int = 8 * 1024 * 1024
    seconds: float = 30.0
    requests: int = 128
    rate: str = "6000/minute"


@dataclass(frozen=True, slots=True)
class Door:
    """Who may come in.

    Attributes:
        keys: none, and anyone may read.
        hosts: names other than addresses and ``localhost`` that the server may be called by.
        origins: origins of web pages, other than the server's own, that may call it.
        limits: bounds.
    """

    keys: Sequence[Key] = ()
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Guard:
    """ASGI middleware around the whole application; puts the caller's ``Key`` into ``scope["state"]["key"]``."""

    def __init__(self, app: ASGIApp, door: Door, metrics: Metrics) -> None:
        self._app, self._door, self._metrics = app, door, metrics
        self._busy = 0
        self._rate = parse(door.limits.rate) if door.limits.rate else None
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, hand it on, and log it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._watch(scope, receive, send)
        else:  # there is nothing to be had over a websocket
            await send({"type": "websocket.close", "code": 1008})

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        began, status = time.perf_counter(), 0
        own_page = scope["path"] == "/" or scope["path"].startswith(("/article/", "/static/"))

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _ALWAYS.items():
                    headers[name] = value
                if not own_page:
                    headers.setdefault("Content-Security-Policy", _NOTHING)
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._admit(scope, receive, noting)
        finally:
            seconds = time.perf_counter() - began
            route = getattr(scope.get("route"), "path", None) or "other"
            self._metrics.note(route, scope["method"], status, seconds)
            _log(scope, status, seconds)

    async def _admit(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers, limits = Headers(scope=scope), self._door.limits
        try:
            self._check_host(headers)
            self._check_origin(headers)
            preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
            key = ANYONE if preflight else self._check_key(scope, headers)
            scope.setdefault("state", {})["key"] = key
            self._check_rate(scope, key)
            body = await _read(receive, headers, limits)
            if self._busy >= limits.requests:
                raise Refused(429, f"{self._busy} requests are being worked on: try again", Retry_After="1")
        except Refused as refusal:
            await _answer(send, refusal)
            return
        self._busy += 1
        self._metrics.busy.set(self._busy)
        try:
            await self._app(scope, _replay(body, receive), send)
        except Exception:  # the answer tells nothing of the inside
            logging.getLogger("searchidx.server").exception("%s %s", scope["method"], _path(scope))
            await _answer(send, Refused(500, "this is a fault of searchidx: its log says more"))
        finally:
            self._busy -= 1
            self._metrics.busy.set(self._busy)

    def _check_host(self, headers: Headers) -> None:
        """A rebound name (DNS rebinding) is a name; an address or ``localhost`` cannot be one."""
        hosts = headers.getlist("host")
        name = _host_name(hosts[0]) if len(hosts) == 1 else ""
        if not (name and (name == "localhost" or name in self._door.hosts or _is_address(name))):
            raise Refused(421, "this server does not go by that name: allow it with --allow-host NAME")

    def _check_origin(self, headers: Headers) -> None:
        """Pages of other sites may not call; programs send no Origin."""
        for origin in headers.getlist("origin"):
            own = urlsplit(origin).netloc == headers["host"] and origin.startswith(("http://", "https://"))
            if not own and origin not in self._door.origins:
                raise Refused(403, "pages of other origins may not call this server: allow one with --cors-origin URL")
        if (
            headers.get("sec-fetch-site") == "cross-site"
            and "origin" not in headers
            and headers.get("sec-fetch-mode") not in ("navigate", None)
        ):
            raise Refused(403, "pages of other sites may not call this server")

    def _check_key(self, scope: Scope, headers: Headers) -> Key:
        """The caller's key: ``Authorization: Bearer KEY``; a browser sends it as the password of Basic, to read."""
        if not self._door.keys or scope["path"].startswith(PUBLIC_PATHS):
            return ANYONE
        scheme, _, typed = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic" and scope["method"] in ("GET", "HEAD"):
            typed = _password(typed)
        elif scheme.lower() != "bearer":
            typed = ""
        key = find_key(self._door.keys, typed.strip())
        if key:
            return key
        page = scope["path"] == "/" or scope["path"].startswith("/article/")
        challenge = 'Basic realm="searchidx, any name, the key as password"' if page else "Bearer"
        reason = "this key is not known" if typed else "this server needs a key: Authorization: Bearer KEY"
        raise Refused(401, reason, WWW_Authenticate=challenge)

    def _check_rate(self, scope: Scope, key: Key) -> None:
        client = scope.get("client") or ("", 0)
        if self._rate and not self._limiter.hit(self._rate, key.name, client[0]):
            raise Refused(429, f"more requests than {self._rate}: slow down", Retry_After="1")


async def _read(receive: Receive, headers: Headers, limits: Limits) -> bytes:
    """The whole body, so that nobody holds a place while it trickles in."""
    if "content-length" not in headers and "transfer-encoding" not in headers:
        return b""
    too_large = Refused(413, f"the body is larger than {limits.body:,} bytes: send less at a time", Connection="close")
    if headers.get("content-length", "0").isdecimal() and int(headers.get("content-length", "0")) > limits.body:
        raise too_large
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "the client went away")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limits.body:
                    raise too_large
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise Refused(408, f"the body did not arrive within {limits.seconds:g} s", Connection="close") from None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Give the application the body that was read; what it hears after that is the client hanging up."""
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return waiting.pop() if waiting else await receive()

    return replay


async def _answer(send: Send, refusal: Refused) -> None:
    content = error_body(refusal.status, str(refusal))
    headers = {"content-type": "application/json", "content-length": str(len(content)), **refusal.headers}
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": refusal.status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


def error_body(status: int, message: str, param: str | None = None) -> bytes:
    """How every error looks, in the form that OpenAI's clients read."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    error = {"message": message, "type": kind, "param": param, "code": None}
    return json.dumps({"error": error}, ensure_ascii=False).encode("utf-8", "replace")


def _host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.netloc == host and "@" not in host else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _password(encoded: str) -> str:
    try:
        return base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""


def _log(scope: Scope, status: int, seconds: float) -> None:
    """One line a request, with neither query nor key: what people look for is nobody's business."""
    client = (scope.get("client") or ("-", 0))[0]
    key = scope.get("state", {}).get("key")
    name = key.name if key else "-"
    log.info("%s %s %s %s %d %.1f ms", client, name, scope["method"], _path(scope), status, seconds * 1000)


def _path(scope: Scope) -> str:
    """The path as it was sent, percent-encoded, so that it cannot forge lines."""
    path: bytes = scope.get("raw_path", b"")
    return path.partition(b"?")[0].decode("ascii", "backslashreplace")
