"""The process that parses what may be hostile: files in, plain data out, within limits of memory and time.

``isolation.py`` starts it. Requests and answers are lines of JSON on standard input and output.
"""

from __future__ import annotations

import json
import os
import resource
import select
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from searchidx import children
from searchidx.articles.isolation import CPU_SECONDS, IDLE_SECONDS, MAX_MEMBER, MEMORY
from searchidx.types import Document, Failure, Source

TICK_SECONDS = 0.1
"""Between two signs of life."""


def main() -> None:
    """Answer requests until standard input ends, or nothing comes."""
    from searchidx.articles import containers, formats

    answers = children.answering()
    for limit, value in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, MAX_MEMBER),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))

    last = 0.0

    def say(**answer: Any) -> None:
        nonlocal last
        last = time.monotonic()
        renew()
        children.say(answers, json.dumps(answer).encode(), b"\n")

    def tick(**answer: Any) -> None:
        """Say that it goes on, not too often."""
        if time.monotonic() - last > TICK_SECONDS:
            say(**answer)

    while line := _line():
        asked = json.loads(line)
        source = Source(**{**asked["source"], "path": Path(asked["source"]["path"])})
        for part in containers.parts(source, Path(asked["folder"]), asked["start"], lambda done: tick(done=done)):
            say(part=part.number, uri=part.item.uri)
            if isinstance(part.item, Failure):
                say(Failure=asdict(part.item))
                continue
            for found in formats.read_here(part.item, lambda _: tick(), asked["furniture"]):
                item = part.adapt(found) if isinstance(found, Document) else found
                say(**{type(item).__name__: asdict(item)})
        say(end=True)


def renew() -> None:
    """Allow ``CPU_SECONDS`` of processor time from now on."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def _line() -> bytes:
    """The next request; nothing where none comes in time. It has no buffer, so that ``select`` sees all there is."""
    line = b""
    while not line.endswith(b"\n"):
        if not select.select([0], [], [], IDLE_SECONDS)[0] or not (piece := os.read(0, 65536)):
            return b""
        line += piece
    return line
