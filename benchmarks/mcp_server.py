"""The Model Context Protocol over 100,000 passages: how soon it is there, and what a call costs over stdio and HTTP.

    python benchmarks/mcp_server.py --data ../shared/data --cache ~/.cache/searchidx-bench

Takes half a minute. The messages are written by hand, so that the figures are the server's and not those of a client
library. Baselines in the same run: importing the protocol's SDK alone, and the same searches called from Python.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from load import HEAD, PROGRAM, Client, K, post, server
from news import index_of_100k, queries

from searchidx import Index

WARM = 30
BASELINE = "Index.search"
VERSION = "2025-11-25"
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "benchmark", "version": "0"}},
}


def search_call(number: int, query: str) -> dict[str, Any]:
    arguments = {"query": query, "k": K}
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": "search", "arguments": arguments},
    }


@contextmanager
def over_stdio(index: Path) -> Iterator[Callable[[dict[str, Any]], bytes]]:
    """Start ``searchidx mcp``; what is given sends a message and waits for the answer."""
    command = [PROGRAM, "mcp", "-i", str(index)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout

        def send(message: dict[str, Any]) -> bytes:
            process.stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            if "id" not in message:
                return b""
            return checked(process.stdout.readline())  # type: ignore[union-attr]

        yield send
        process.stdin.close()
        process.wait(30)


def checked(answer: bytes) -> bytes:
    """The answer to a search must be results, and to ``initialize`` the version."""
    result = json.loads(answer).get("result", {})
    if not (result.get("structuredContent", {}).get("results") or result.get("protocolVersion") == VERSION):
        raise RuntimeError(f"not the answer that was expected: {answer[:300]!r}")
    return answer


def starts(place: Path, runs: int) -> None:
    ready: list[float] = []
    imports: list[float] = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        with over_stdio(place) as send:
            send(INITIALIZE)
            ready.append(time.perf_counter() - began)
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import os, mcp.server.stdio; os._exit(0)"], check=True)
        imports.append(time.perf_counter() - began)
    a, b = statistics.median(ready[1:]), statistics.median(imports[1:])
    print(
        f"| `searchidx mcp` to the answer to initialize, median of {runs} | {1000 * a:.0f} ms "
        f"| `import mcp.server.stdio`: {1000 * b:.0f} ms | {a / b:.2f} | 1,000 ms |"
    )


def calls(place: Path, texts: list[str]) -> None:
    """Each query is asked in all ways in turn, so that all see the machine in the same state."""
    headers = ("Accept: application/json, text/event-stream", f"MCP-Protocol-Version: {VERSION}")
    with Index.open(place) as index, over_stdio(place) as send, server(place) as (_, port):
        client = Client(port, patience=30)
        send(INITIALIZE)
        send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        ways: dict[str, Callable[[int, str], object]] = {
            BASELINE: lambda _, text: index.search(text, K),
            "MCP `search` over stdio": lambda number, text: send(search_call(number, text)),
            "MCP `search` over HTTP": lambda number, text: client.ask(
                post("/mcp", search_call(number, text), *headers)
            ),
        }
        checked(client.ask(post("/mcp", search_call(1, texts[0]), *headers)))
        times: dict[str, list[float]] = {name: [] for name in ways}
        for number, text in enumerate(texts, 1):
            for name in sorted(ways, reverse=bool(number % 2)):
                began = time.perf_counter()
                ways[name](number, text)
                times[name].append(1000 * (time.perf_counter() - began))
        client.close()
    measured = {name: np.array(some[WARM:]) for name, some in times.items()}
    called = measured.pop(BASELINE)
    for name, some in measured.items():
        print(
            f"| {name}, {len(some)} calls, p50 / p95 | {shown(some)} ms | `Index.search`: {shown(called)} ms "
            f"| {np.median(some) / np.median(called):.2f}; {np.median(some - called):.1f} ms more | |"
        )


def shown(times: np.ndarray) -> str:
    return " / ".join(f"{value:.1f}" for value in np.percentile(times, [50, 95]))


def main(
    data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()], number: int = 300, runs: int = 10
) -> None:
    """Print the times of start and of calls."""
    place = index_of_100k(data, cache)
    before = os.getloadavg()[0]
    print(HEAD)
    starts(place, runs)
    calls(place, queries(data, number))
    print(f"\nload of the machine before {before:.1f}, after {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    typer.run(main)
