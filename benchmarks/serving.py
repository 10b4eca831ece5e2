"""The server over 100,000 passages: what HTTP adds to a search, how many searches it answers, how soon it is there.

    python benchmarks/serving.py --data ../shared/data --cache ~/.cache/searchidx-bench

Takes five minutes. Baselines in the same run: the same searches called from Python, from one thread and from eight, and
a cold ``searchidx search``. Server, clients and baseline share the cores of this machine.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from load import HEAD, HEALTH, PROGRAM, Client, K, Load, load, search_request, server, watching
from news import index_of_100k, queries

from searchidx import Index

CLIENTS = (1, 8, 64)
WARM = 50
"""Searches before anything is measured."""


def milliseconds(times: Iterable[float], *percents: float) -> str:
    return " / ".join(f"{1000 * value:.1f}" for value in np.percentile(list(times), percents))


# what HTTP adds


def overhead(index: Index, client: Client, texts: list[str]) -> None:
    """Each query is asked in both ways, one after the other, so that both see the machine in the same state."""
    called: list[float] = []
    posted: list[float] = []
    health: list[float] = []
    made: list[float] = []
    for number, text in enumerate(texts):
        request = search_request(text)
        ways = [(called, lambda: index.search(text, K)), (posted, lambda: client.ask(request))]  # noqa: B023
        for times, way in ways if number % 2 else ways[::-1]:
            began = time.perf_counter()
            way()
            times.append(time.perf_counter() - began)
        began = time.perf_counter()
        client.ask(HEALTH)
        health.append(time.perf_counter() - began)
        hits = index.search(text, K)
        began = time.perf_counter()
        json.dumps([hit.to_dict() for hit in hits])
        made.append(time.perf_counter() - began)
    size = statistics.mean(len(client.ask(search_request(text))) for text in texts[:WARM])
    called, posted, health, made = (times[WARM:] for times in (called, posted, health, made))
    added = 1000 * statistics.median(http - call for http, call in zip(posted, called, strict=True))
    ratio = statistics.median(posted) / statistics.median(called)
    print(
        f"| `POST /api/search`, {len(posted)} queries, answers of {size / 1024:.0f} KB, p50 / p95 "
        f"| {milliseconds(posted, 50, 95)} ms | `Index.search`: {milliseconds(called, 50, 95)} ms "
        f"| {ratio:.2f}; {added:.1f} ms more, median of the same query | 3 ms more |"
    )
    print(f"| of it `GET /health`: client, sockets and guard | {milliseconds(health, 50, 95)} ms | | | |")
    print(f"| of it hits to JSON | {milliseconds(made, 50, 95)} ms | | | |")


# throughput


def from_threads(index: Index, texts: list[str], threads: int, seconds: float) -> Load:
    """The baseline: searches from some threads of this process."""
    result = Load()
    began = time.perf_counter()

    def work(number: int) -> None:
        turn = number * len(texts) // threads
        while (asked := time.perf_counter()) - began < seconds:
            index.search(texts[turn % len(texts)], K)
            result.times.append(time.perf_counter() - asked)
            turn += 1

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(threads)))
    result.seconds = time.perf_counter() - began
    return result


def throughput(index: Index, process: int, port: int, texts: list[str], seconds: float) -> None:
    print(f"\nthroughput, {seconds:.0f} s each; latency p50 / p95 / p99 in ms; memory at start / half / end in MB\n")
    print("| | requests/s | latency | errors | memory | with mapped files | open files | cores: server, clients |")
    print("|---|---|---|---|---|---|---|---|")
    for threads in (1, 8):
        seen = from_threads(index, texts, threads, seconds / 4)
        what = f"`Index.search`, {threads} thread{'s'[: threads - 1]}"
        print(f"| {what} | {len(seen.times) / seen.seconds:.0f} | {milliseconds(seen.times, 50, 95, 99)} | | | | | |")
    problems: list[str] = []
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        pool.submit(load, port, texts[:WARM], 8, 3.0).result()  # each thread of the server has been used
        for clients in CLIENTS:
            with watching(process) as watch:
                seen = pool.submit(load, port, texts, clients, seconds).result()
            problems += seen.errors
            own, whole, files = zip(*watch.rows, strict=True)
            memory, mapped = (
                " / ".join(f"{row[place]:.0f}" for place in (0, len(row) // 2, -1)) for row in (own, whole)
            )
            print(
                f"| {clients} client{'s'[: clients - 1]} | {len(seen.times) / seen.seconds:.0f} "
                f"| {milliseconds(seen.times, 50, 95, 99)} | {len(seen.errors)} of {len(seen.times)} | {memory} "
                f"| {mapped} | {files[0]}, at most {max(files)}, {files[-1]} "
                f"| {watch.cpu / seen.seconds:.2f}, {seen.cpu / seen.seconds:.2f} |"
            )
    for problem in problems[:5]:
        print(f"error: {problem}")


# start


def start(place: Path, text: str, runs: int) -> None:
    """Both commands start with nothing loaded; they alternate, so the ratio holds when the machine's speed drifts."""
    first: list[float] = []
    answered: list[float] = []
    cold: list[float] = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        with server(place) as (_, port):
            client = Client(port, patience=30)
            client.ask(HEALTH)
            first.append(time.perf_counter() - began)
            client.ask(search_request(text))
            answered.append(time.perf_counter() - began)
            client.close()
        began = time.perf_counter()
        command = [PROGRAM, "search", text, "-i", str(place), "--json"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        cold.append(time.perf_counter() - began)
    up, found, searched = (1000 * statistics.median(times[1:]) for times in (first, answered, cold))
    print(
        f"| `searchidx serve` to its first answer / first search, median of {runs} | {up:.0f} / {found:.0f} ms "
        f"| cold `searchidx search --json`: {searched:.0f} ms | {up / searched:.2f} / {found / searched:.2f} | |"
    )


def main(
    data: Annotated[Path, typer.Option()],
    cache: Annotated[Path, typer.Option()],
    seconds: float = 60.0,
    number: int = 500,
    starts: int = 10,
) -> None:
    """Print all figures; ``seconds`` is the length of each phase of the throughput."""
    place, texts = index_of_100k(data, cache), queries(data, number)
    before = os.getloadavg()[0]
    print(HEAD)
    start(place, texts[0], starts)
    with Index.open(place) as index, server(place) as (process, port):
        client = Client(port, patience=30)
        overhead(index, client, texts)
        client.close()
        throughput(index, process, port, texts, seconds)
        print(f"\n{index.status()['passages']} passages, {os.cpu_count()} cores, ", end="")
    print(f"load of the machine before {before:.1f}, after {os.getloadavg()[0]:.1f}, of it 1 to 2 this script's")


if __name__ == "__main__":
    typer.run(main)
