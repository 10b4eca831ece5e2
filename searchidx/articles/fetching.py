"""Web addresses, fetched with manners: redirects, robots.txt, pauses, second tries."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress

from searchidx.articles import addresses
from searchidx.articles.addresses import Address, Resolver
from searchidx.articles.exchange import NAME, NoAnswer, Response, ask, retry_after
from searchidx.errors import FetchError, Unreachable

SECONDS = 30.0
"""Time for an answer, redirects and every byte included; the pauses between requests are not."""
MAX_REDIRECTS = 10
DELAY, MAX_DELAY = 1.0, 30.0
"""Seconds between two requests to a host: the least, and the most that its robots.txt can ask for."""
TRIES = 3
BACKOFF = 2.0
"""Seconds before the second try; each further one waits twice as long."""
MAX_WAIT = 60.0
"""Longest Retry-After that is waited for; a host that asks for more is left for the next sync."""
MAX_OUTAGES = 3
"""Addresses of a host that got no answer, one after another, until the rest of the run leaves it alone."""
MAX_ROBOTS = 500 * 2**10
"""Bytes of a robots.txt that are read (RFC 9309, section 2.5)."""
_REDIRECTS = {301, 302, 303, 307, 308}
_LATER = {429, 500, 502, 503, 504}
_REASONS = {404: "there is no such page", 410: "the page was taken away"}
_REASONS |= dict.fromkeys((401, 402, 403, 407, 451), "the server does not give it to programs")


class Fetcher:
    """Fetches for one run; what robots.txt said, and when a host was last asked, is remembered as long.

    Args:
        allow_private: also machines that are not on the public internet, and any port.
        resolver: in place of ``socket.getaddrinfo``.
    """

    def __init__(self, *, allow_private: bool = False, resolver: Resolver | None = None) -> None:
        self._allow_private = allow_private
        self._resolver = resolver
        self._next: dict[str, float] = {}
        self._delays: dict[str, float] = {}
        self._outages = Counter[str]()
        self._resting: dict[str, str] = {}
        self._robots: dict[str, Callable[[str], bool] | FetchError] = {}

    def get(self, address: str, *, etag: str = "", modified: str = "") -> Response:
        """What lies at an address, after redirects: status 200, or 304 where a validator still holds.

        Args:
            address: of http or https.
            etag: as the server sent it when the address was fetched before.
            modified: Last-Modified, as the server sent it then.

        Raises:
            FetchError: it may not be asked, or its answer is none to use.
            Unreachable: there was no answer, or one that says to come back later.
        """
        asked = {"If-None-Match": etag, "If-Modified-Since": modified}
        response = self._tried(address, {name: value for name, value in asked.items() if value}, robots=True)
        if response.status not in (200, 304):
            reason = _REASONS.get(response.status, "the server gave no page")
            raise FetchError(address, f"{reason} (HTTP {response.status})")
        return response

    def _tried(self, address: str, headers: Mapping[str, str], *, robots: bool) -> Response:
        """The answer, asked for several times where need be; it may have any status but those that mean: later."""
        host = addresses.parse(address).host
        for number in range(TRIES):
            if host in self._resting:
                raise Unreachable(address, self._resting[host])
            try:
                response = self._followed(address, headers, robots=robots)
            except NoAnswer as error:
                if error.wait > MAX_WAIT:
                    self._resting[host] = f"{host} asks to wait {error.wait:,.0f} s: sync again then"
                elif error.slow or number + 1 == TRIES:
                    self._give_up(host)
                    times = f", {TRIES} times" if number else ""
                    raise Unreachable(address, f"{error.reason}{times}: sync tries again") from None
                else:
                    time.sleep(max(error.wait, BACKOFF * 2**number))
            else:
                del self._outages[host]
                return response
        raise Unreachable(address, self._resting[host])

    def _give_up(self, host: str) -> None:
        self._outages[host] += 1
        if self._outages[host] >= MAX_OUTAGES:
            self._resting[host] = f"{host} failed {MAX_OUTAGES} times in a row and is left alone: sync tries again"

    def _followed(self, address: str, headers: Mapping[str, str], *, robots: bool) -> Response:
        """The answer at the end of all redirects, each of which is checked like the first address."""
        left, met = SECONDS, set[str]()
        target = addresses.parse(address)
        while len(met) <= MAX_REDIRECTS:
            met.add(str(target))
            if robots:
                self._check_robots(target)
            time.sleep(max(0.0, self._next.get(target.host, 0.0) - time.monotonic()))
            began = time.monotonic()
            try:
                response = ask(target, headers, began + left, private=self._allow_private, resolver=self._resolver)
            finally:
                pause = max(DELAY, self._delays.get(target.host, 0.0))
                self._next[target.host] = time.monotonic() + pause
            left -= time.monotonic() - began
            onward = response.headers.get("location", "")
            if response.status in _LATER:
                raise NoAnswer(address, f"the server answered HTTP {response.status}", retry_after(response))
            if response.status not in _REDIRECTS or not onward:
                return response
            target = _onward(target, onward, met)
        raise FetchError(address, f"it redirects more than {MAX_REDIRECTS} times")

    def _check_robots(self, target: Address) -> None:
        """Ask robots.txt, once for each server.

        RFC 9309: where it is not there (4xx) everything may be read, where the server fails (5xx, no answer) nothing.
        """
        if target.origin not in self._robots:
            try:
                self._robots[target.origin] = self._read_robots(target)
            except FetchError as error:
                self._robots[target.origin] = error
        rules = self._robots[target.origin]
        if isinstance(rules, FetchError):
            raise type(rules)(str(target), rules.reason)
        if not rules(str(target)):
            raise FetchError(str(target), f"{target.origin}/robots.txt asks programs not to read it")

    def _read_robots(self, target: Address) -> Callable[[str], bool]:
        response = self._tried(f"{target.origin}/robots.txt", {}, robots=False)
        if response.status != 200:
            return lambda _: True
        from protego import Protego

        rules = Protego.parse(response.body[:MAX_ROBOTS].decode("utf-8", "replace"))
        self._delays[target.host] = min(float(rules.crawl_delay(NAME) or 0.0), MAX_DELAY)
        return lambda address: bool(rules.can_fetch(address, NAME))


def _onward(target: Address, location: str, met: set[str]) -> Address:
    """Where a redirect leads."""
    with suppress(UnicodeError):  # headers are read as Latin-1, and what is beyond ASCII in them is UTF-8
        location = location.encode("latin-1").decode()
    following = addresses.parse(location, str(target))
    if str(following) in met:
        raise FetchError(str(target), "it redirects in a circle")
    if (target.scheme, following.scheme) == ("https", "http"):
        raise FetchError(str(target), "it redirects from https to http, where anybody could change the page")
    return following
