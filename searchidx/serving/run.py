"""The server's process: where it listens, how long it waits for a request, how it ends."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from searchidx.errors import BadKeys, SearchIdxError
from searchidx.serving.guard import Door

HEAD_SECONDS = 15.0
"""For the head of a request to arrive, so that half-sent ones do not pile up."""
END_SECONDS = 10
"""For requests in work to finish when the server is told to end."""
BACKLOG = 512
"""Connections that wait to be accepted."""


class PatientForAWhile(HttpToolsProtocol):
    """HTTP/1.1 of uvicorn, which itself waits for ever for the head of a request."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: the clock starts."""
        super().connection_made(transport)
        self._start()

    def on_message_begin(self) -> None:
        """The first byte of a request: the clock starts again."""
        super().on_message_begin()
        self._start()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._stop()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._stop()
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.abort)

    def _stop(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None


def check_address(host: str, door: Door) -> None:
    """Refuse to be reached from other machines without a key.

    Raises:
        BadKeys: ``host`` is more than this machine, and there is no key.
    """
    if not is_loopback(host) and not door.keys:
        raise BadKeys(
            f"{host} can be reached from other machines, so searchidx needs a key: set SEARCHIDX_API_KEY (openssl rand "
            "-hex 32 makes one) or give --keys FILE; without one it serves 127.0.0.1 only"
        )


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens already, so that whoever comes early waits; port 0 takes a free one.

    Raises:
        SearchIdxError: the address is in use, or none of this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # named, because asyncio sends at once (TCP_NODELAY) only where it is: without it an answer can wait 40 ms
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise SearchIdxError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; choose another with --port or --host"
        ) from error
    return listening


def make_server(app: FastAPI) -> uvicorn.Server:
    """A server for one process, which says nothing but through ``logging``."""
    config = uvicorn.Config(
        app,
        http=PatientForAWhile,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # the guard writes one without queries
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=END_SECONDS,
    )
    return uvicorn.Server(config)


def serve(app: FastAPI, listening: socket.socket) -> None:
    """Serve until told to end (Ctrl-C, SIGTERM): what is being worked on is finished first."""
    make_server(app).run(sockets=[listening])
