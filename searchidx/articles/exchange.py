"""One question to one web server: a connection to a vetted address, one answer, over at the deadline.

The owner of urllib3, which reads the answer and unpacks it piece by piece. The connection is ours: it goes to an IP
address that was vetted and never to a name, so that no second lookup can lead elsewhere. Proxies of the environment are
not asked, as they would look names up themselves.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from importlib import metadata
from typing import TYPE_CHECKING

from searchidx.articles import addresses
from searchidx.articles.addresses import Address, Resolver
from searchidx.errors import FetchError, Unreachable

if TYPE_CHECKING:
    from urllib3.response import HTTPResponse

CONNECT_SECONDS = 10.0
"""Time for one connection to be made."""
MAX_BYTES = 20 * 2**20
"""Longest body, decompressed."""
MAX_ADDRESSES = 3
"""Addresses of one server that are tried."""
NAME = "searchidx"
"""What robots.txt calls us."""
_PIECE = 2**16
_ENCODINGS = {"gzip", "x-gzip", "deflate", "identity"}
_ACCEPT = (
    "text/html, application/xhtml+xml, application/rss+xml, application/atom+xml, application/feed+json, "
    "application/xml;q=0.9, text/plain;q=0.8, */*;q=0.5"
)


@dataclass(frozen=True, slots=True)
class Response:
    """What a server said.

    Attributes:
        address: which was asked.
        status: of HTTP.
        headers: names in small letters.
        body: decompressed; empty where the status is not 200.
    """

    address: str
    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(Unreachable):
    """There was none, or one that says to come back in ``wait`` seconds.

    Another try may help at once, unless it was ``slow``: that cost all the time there is already.
    """

    def __init__(self, uri: str, reason: str, wait: float = 0.0, *, slow: bool = False) -> None:
        super().__init__(uri, reason)
        self.wait = wait
        self.slow = slow


def ask(
    target: Address, headers: Mapping[str, str], deadline: float, *, private: bool, resolver: Resolver | None = None
) -> Response:
    """The answer of one server to GET, redirects not followed.

    Args:
        target: what is asked for.
        headers: sent with those that are always sent.
        deadline: of ``time.monotonic``, for everything.
        private: also machines that are not on the public internet, and any port.
        resolver: in place of ``socket.getaddrinfo``.

    Raises:
        FetchError: it may not be asked, or its answer is none to use.
        NoAnswer: none came, or only a part of it.
    """
    from urllib3.exceptions import DecodeError, HTTPError

    try:
        with _connected(target, deadline, private=private, resolver=resolver) as connected:
            return _exchanged(connected, target, headers, deadline)
    except ssl.SSLCertVerificationError as error:
        raise FetchError(str(target), f"its certificate is not valid: {error.verify_message}") from None
    except DecodeError:
        raise FetchError(str(target), "its body is compressed and damaged, or in a way that is not read") from None
    except (OSError, HTTPError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise _too_slow(target) from None
        raise NoAnswer(str(target), f"the server did not answer ({_said(error)})") from None


def _exchanged(connected: socket.socket, target: Address, headers: Mapping[str, str], deadline: float) -> Response:
    from urllib3.connection import HTTPConnection

    connection = HTTPConnection(target.host, target.port, timeout=_left(deadline))
    connection.sock = connected
    sent = {
        "Host": target.origin.partition("://")[2],
        "User-Agent": _user_agent(),
        "Accept": _ACCEPT,
        "Accept-Encoding": "gzip, deflate",
        "Connection": "close",
        **headers,
    }
    try:
        connection.request("GET", target.target, headers=sent, preload_content=False, decode_content=True)
        answer = connection.getresponse()
        try:
            body = _body(answer, target, deadline) if answer.status == 200 else b""
        finally:
            answer.close()
    finally:
        connection.close()
    return Response(str(target), answer.status, {k.lower(): v for k, v in answer.headers.items()}, body)


def _body(answer: HTTPResponse, target: Address, deadline: float) -> bytes:
    """The whole body; given up as soon as it is too long or too late, however small it is when compressed."""
    packed = answer.headers.get("content-encoding", "").lower().replace(",", " ").split()
    if not _ENCODINGS.issuperset(packed):
        raise FetchError(str(target), f"its body is compressed as {' '.join(packed)}, which was not asked for")
    pieces, size = list[bytes](), 0
    announced = answer.headers.get("content-length", "")
    while size <= MAX_BYTES and not (announced.isdecimal() and int(announced) > MAX_BYTES):
        piece = answer.read(_PIECE)
        if time.monotonic() >= deadline:  # cut off by us, which looks like an end
            raise _too_slow(target)
        if not piece:
            return b"".join(pieces)
        pieces.append(piece)
        size += len(piece)
    raise FetchError(str(target), f"longer than {MAX_BYTES >> 20} MiB: save the article and add the file")


@contextmanager
def _connected(
    target: Address, deadline: float, *, private: bool, resolver: Resolver | None
) -> Iterator[socket.socket]:
    """A connection to a vetted address, cut at the deadline; for https the certificate is verified."""
    found = addresses.resolve(target, _left(deadline), private=private, resolver=resolver)
    held = [_first_open(found, target, deadline)]
    # the timeout of a socket begins anew with each byte: only a cut ends an answer that drips
    cut = threading.Timer(_left(deadline), lambda: _cut(held[0]))
    cut.daemon = True
    cut.start()
    try:
        if target.scheme == "https":
            secure = _certificates().wrap_socket(held[0], server_hostname=target.host, do_handshake_on_connect=False)
            held[0] = secure
            secure.do_handshake()
        yield held[0]
    finally:
        cut.cancel()
        held[0].close()


def _first_open(found: list[str], target: Address, deadline: float) -> socket.socket:
    """A connection to the first address that takes one."""
    error: OSError = OSError("no address")
    for ip in found[:MAX_ADDRESSES]:
        try:
            connected = socket.create_connection((ip, target.port), min(CONNECT_SECONDS, _left(deadline)))
        except OSError as failed:
            error = failed
        else:
            connected.settimeout(_left(deadline))
            return connected
    raise error


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(connected, socket.SHUT_RDWR)


@cache
def _certificates() -> ssl.SSLContext:
    """Those that the system trusts, and those of certifi for systems that have none."""
    import certifi

    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


@cache
def _user_agent() -> str:
    return f"{NAME}/{metadata.version(NAME)} (reads articles for a local search index)"


def _left(deadline: float) -> float:
    """Seconds until then; a socket takes 0 for never."""
    return max(deadline - time.monotonic(), 0.001)


def _too_slow(target: Address) -> NoAnswer:
    return NoAnswer(str(target), "the server took too long to answer", slow=True)


def _said(error: Exception) -> str:
    """What went wrong, without what libraries print of themselves."""
    return getattr(error, "strerror", None) or type(error).__name__


def retry_after(response: Response) -> float:
    """Seconds that a server asks to wait, given in seconds or as a date; 0 where it does not say."""
    value = response.headers.get("retry-after", "").strip()
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0
