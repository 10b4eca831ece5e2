"""Web addresses: one spelling for each page, and which machines may be asked."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

from searchidx.errors import FetchError, Unreachable

Resolver = Callable[..., list[Any]]
"""``socket.getaddrinfo``, or what stands in for it in a test."""

PORTS = {"http": 80, "https": 443}
MAX_LENGTH = 2_048
"""Characters of an address; longer ones are made by programs that lost count."""
_WEB = re.compile(r"https?://", re.IGNORECASE)
_NETLOC = re.compile(r"[\w.~-]+(?::\d*)?|\[[0-9a-fA-F:.]+\](?::\d*)?")
_CONTROL = re.compile(r"[\x00-\x20\x7f-\x9f\\]")
_TRACKING = re.compile(
    r"(?:utm_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|mc_[ce]id|_hsenc|_hsmi|at_medium|at_campaign)"
    r"(?:=|$)",
    re.IGNORECASE,
)
_SAFE = "!#$%&'()*+,/:;=?@[]~"

# IPv6 is allowed by what it must be, as ``is_global`` differs between versions of Python: global unicast, without the
# blocks in it that are none. NAT64 and 6to4 are judged by the IPv4 address inside.
_GLOBAL = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_REFUSED_6 = tuple(map(IPv6Network, ("2001::/23", "2001:db8::/32", "3fff::/20")))
# Globally routed by the tables and yet inside: protocol assignments and Oracle's metadata, Azure's, the 6to4 relay.
_REFUSED_4 = tuple(map(IPv4Network, ("192.0.0.0/24", "168.63.129.16/32", "192.88.99.0/24")))


class Address(NamedTuple):
    """An address in parts; ``target`` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Scheme, host, and the port where it is not the usual one."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}" + ("" if self.port == PORTS[self.scheme] else f":{self.port}")

    def __str__(self) -> str:
        return self.origin + self.target


def is_address(spec: str) -> bool:
    """Whether what a user named is on the web."""
    return bool(_WEB.match(spec))


def parse(text: str, base: str = "") -> Address:
    """The parts of an address, relative to ``base`` where there is one, in the one spelling that stands for it.

    Fragment and tracking parameters go, scheme and host are in small letters and ASCII, a usual port is left out, and
    what may not stand in an address is percent-encoded.

    Raises:
        FetchError: it is none of http or https, or holds a user name, or cannot be read.
    """
    text = text.strip()
    shown = without_secrets(text)
    if len(text) > MAX_LENGTH or _CONTROL.search(text):
        raise FetchError(shown[:80], f"not a web address: it is longer than {MAX_LENGTH:,} characters, or holds blanks")
    try:
        parts = urlsplit(urljoin(base, text))
        port = parts.port
    except ValueError as error:
        raise FetchError(shown, f"not a web address: {error}") from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS:
        raise FetchError(shown, f"addresses of {scheme or 'no scheme'} are not fetched: only http and https are")
    if "@" in parts.netloc:
        raise FetchError(shown, "it holds a user name or password, which is neither sent nor stored: leave it out")
    if not _NETLOC.fullmatch(parts.netloc):
        raise FetchError(shown, "not a web address: the name of the server cannot be read")
    host = _ascii(parts.hostname or "", shown)
    query = "&".join(part for part in parts.query.split("&") if part and not _TRACKING.match(part))
    target = quote(parts.path or "/", safe=_SAFE.replace("?", "")) + (f"?{quote(query, safe=_SAFE)}" if query else "")
    return Address(scheme, host, PORTS[scheme] if port is None else port, target)


def _ascii(host: str, shown: str) -> str:
    """The name of a server as it is looked up."""
    if ":" in host:
        return host
    try:
        return host.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise FetchError(shown, "not a web address: the name of the server cannot be read") from None


def without_secrets(text: str) -> str:
    """The address without user name and password, as it may be told and kept."""
    return re.sub(r"(?i)(https?:)?([/\\]{2})[^/?#]*@", r"\1\2", text)


def same_site(one: str, other: str) -> bool:
    """Whether two addresses have the same host, ``www.`` aside."""
    hosts = {(urlsplit(address).hostname or "").removeprefix("www.") for address in (one, other)}
    return len(hosts) == 1


def refusal(address: str) -> str:
    """Why a machine is not asked: what kind of address it has; ``""`` for one on the public internet."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is None:
            public = ip in _GLOBAL and not any(ip in network for network in _REFUSED_6)
            # ISATAP hides an IPv4 address in the last half
            return "" if public and (int(ip) >> 32) & 0xFDFFFFFF != 0x5EFE else _kind(ip)
        ip = inner
    refused = not ip.is_global or ip.is_multicast or ip.is_reserved or any(ip in network for network in _REFUSED_4)
    return _kind(ip) if refused else ""


def _kind(ip: IPv4Address | IPv6Address) -> str:
    if ip.is_loopback or ip.is_unspecified:
        return "this machine itself"
    return "a link-local address" if ip.is_link_local else "a private or reserved address"


def resolve(address: Address, seconds: float, *, private: bool, resolver: Resolver | None = None) -> list[str]:
    """The IP addresses of a server, each of them vetted: what is connected to is one of these and never a name.

    Args:
        address: of which host and port are looked at.
        seconds: to wait for the answer.
        private: also machines that are not on the public internet, and ports other than 80 and 443.
        resolver: in place of the system's.

    Raises:
        FetchError: there is no such host, or an address or port of it may not be asked.
        Unreachable: no answer came.
    """
    if not private and address.port not in PORTS.values():
        raise FetchError(str(address), f"port {address.port} is not asked: only 80 and 443 are, or use --allow-private")
    answers = [str(answer[4][0]) for answer in _looked_up(address, seconds, resolver or socket.getaddrinfo)]
    found = list(dict.fromkeys(answers))
    for ip in found if not private else ():
        if kind := refusal(ip):
            raise FetchError(str(address), f"{address.host} is {kind} ({ip}), which is refused: use --allow-private")
    return found


def _looked_up(address: Address, seconds: float, resolver: Resolver) -> list[Any]:
    """What the system knows of a name; in a thread, as it cannot be told to hurry."""
    answers, errors = list[Any](), list[Exception]()

    def look_up() -> None:
        try:
            answers.extend(resolver(address.host, address.port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            errors.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(max(seconds, 0.0))
    if answers and not errors:
        return answers
    error = errors[0] if errors else None
    if error is None or (isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN):
        raise Unreachable(str(address), f"the name {address.host} could not be looked up: try again when online")
    raise FetchError(str(address), f"there is no server called {address.host}: check the address")
