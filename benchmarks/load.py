"""What the benchmarks of the server share: the real command in a process that is watched, and clients that cost little.

Nothing here leaves this machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

K = 10
HEAD = "| what | searchidx | baseline in the same run | ratio | bound |\n|---|---|---|---|---|"
"""Of the table in README.md."""
PROGRAM = shutil.which("searchidx", path=str(Path(sys.executable).parent)) or "searchidx"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def server(index: Path, *options: str) -> Iterator[tuple[int, int]]:
    """``searchidx serve`` with its access log, as people run it, without a limit to the rate: (process id, port)."""
    port = free_port()
    command = [PROGRAM, "serve", "-i", str(index), "-p", str(port), "--rate", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(30)


def post(path: str, body: dict[str, object], *headers: str) -> bytes:
    """A request as bytes; the connection stays open."""
    content = json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(content)}", "\r\n"]).encode() + content


def search_request(query: str) -> bytes:
    return post("/api/search", {"query": query, "k": K})


HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Client:
    """One connection that is kept open; ``ask`` returns the body of an answer, which must be 200."""

    def __init__(self, port: int, patience: float = 0.0) -> None:
        deadline = time.perf_counter() + patience
        while True:
            try:
                self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
                break
            except ConnectionRefusedError:
                if time.perf_counter() > deadline:
                    raise
                time.sleep(0.001)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request: bytes) -> bytes:
        """Send a request and wait for the whole answer."""
        self._socket.sendall(request)
        received = b""
        while (end := received.find(b"\r\n\r\n")) < 0:
            received += self._more()
        length = _length(received[:end])
        parts, missing = [received[end + 4 :]], length - (len(received) - end - 4)
        while missing > 0:
            parts.append(self._more())
            missing -= len(parts[-1])
        body = b"".join(parts)
        if not received.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"the server answered {(received[:end].splitlines() or [b''])[0]!r}: {body[:200]!r}")
        return body

    def _more(self) -> bytes:
        piece = self._socket.recv(262_144)
        if not piece:
            raise ConnectionError("the server hung up")
        return piece

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def _length(head: bytes) -> int:
    lower = head.lower()
    place = lower.index(b"content-length:") + 15
    return int(lower[place:].split(b"\r\n", 1)[0])


# many clients at once


@dataclass
class Load:
    """What some clients saw: seconds of each answer, what went wrong, and what they cost themselves."""

    times: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0
    cpu: float = 0.0


def load(port: int, queries: list[str], clients: int, seconds: float) -> Load:
    """Search from some connections, each asking again as soon as it has its answer; to be run in another process."""
    requests = [search_request(query) for query in queries]
    result = Load()
    began = time.perf_counter()

    async def client(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        turn = number * len(requests) // clients  # each begins elsewhere
        while (asked := time.perf_counter()) - began < seconds:
            writer.write(requests[turn % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(_length(head))
            result.times.append(time.perf_counter() - asked)
            if not head.startswith(b"HTTP/1.1 200 ") or b'"hits": [{"rank": 1,' not in body:
                result.errors.append(f"{head.splitlines()[0].decode()}: {body[:100].decode(errors='replace')}")
            turn += 1
        writer.close()

    async def watched(number: int) -> None:
        try:
            await client(number)
        except (OSError, EOFError, ValueError) as error:
            result.errors.append(f"client {number}: {error!r}")

    async def all_clients() -> None:
        await asyncio.gather(*map(watched, range(clients)))

    before = _own_cpu()
    asyncio.run(all_clients())
    result.seconds, result.cpu = time.perf_counter() - began, _own_cpu() - before
    return result


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


# watching the server


@dataclass
class Watch:
    """Figures of a process, a row each second: MB of memory of its own, MB with mapped files, open files."""

    rows: list[tuple[float, float, int]] = field(default_factory=list)
    cpu: float = 0.0


@contextmanager
def watching(process: int) -> Iterator[Watch]:
    """Note the figures of a process each second, and the seconds of its processors in all."""
    watch, done = Watch(), threading.Event()

    def note() -> None:
        watch.rows.append(_figures(process))
        while not done.wait(1):
            watch.rows.append(_figures(process))

    before = _cpu_of(process)
    thread = threading.Thread(target=note)
    thread.start()
    try:
        yield watch
    finally:
        done.set()
        thread.join()
        watch.rows.append(_figures(process))
        watch.cpu = _cpu_of(process) - before


def _figures(process: int) -> tuple[float, float, int]:
    status = Path(f"/proc/{process}/status").read_text()
    sizes = {line.split()[0]: int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("Rss")}
    return sizes["RssAnon:"], sum(sizes.values()), len(os.listdir(f"/proc/{process}/fd"))


def _cpu_of(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
