"""Parsing in a process of its own, which may run out of memory or time, or crash, without harm to this one.

One process serves many files; it is replaced when it dies. ``worker.py`` is what runs there.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from typing import Any

from searchidx.children import command
from searchidx.types import Document, Failure, Source

MEMORY = 2**30
"""Address space of the process in bytes."""
CPU_SECONDS = 20
"""Processor time between two signs of life."""
IDLE_SECONDS = 60
"""The process ends when nothing is asked for so long, and gives its memory back."""
MAX_MEMBER = 2**30
"""Largest file that it writes: members of archives, one at a time."""
SILENCE_SECONDS = 30.0
"""Longest wait for a sign of life."""
PART_SECONDS = 300.0
"""Longest wait for one article, whatever signs it gives: a PDF of a thousand pages takes a minute or two."""
MAX_DEATHS = 10
"""So many members of one archive may end the process before the rest is given up."""
MAX_ANSWER = 512 * 2**20
"""Longest answer in bytes; JSON writes a character as up to six."""
_REMEDY = "save it anew with another program, or save its text in a file"
MEMORY_REASON = f"parsing it needs more than {MEMORY >> 30} GiB of memory: {_REMEDY}"
_START = "from searchidx.articles.worker import main; main()"


class _Died(Exception):
    """The process is gone; the message says why, as the end of a sentence."""


class _Left(_Died):
    """The process had waited too long for work, and ended just when there was some."""


class _Worker:
    """A running process; ``waited`` is how long it has been waited for since the last part began."""

    def __init__(self) -> None:
        import subprocess

        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command(_START), stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0)
        self._buffer = bytearray()
        self.waited = 0.0

    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, at once."""
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                stream.close()

    def ask(self, request: dict[str, Any]) -> None:
        self.waited = 0.0
        assert self._process.stdin
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            raise self._death() from None

    def answer(self) -> dict[str, Any]:
        """The next answer.

        Raises:
            _Died: the process died, or had to be ended.
        """
        deadline = min(SILENCE_SECONDS, PART_SECONDS - self.waited)
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            deadline -= self._receive(deadline)
            if searched > MAX_ANSWER:
                raise _Died("it holds more text than an article can")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        found: dict[str, Any] = json.loads(line)
        return found

    def _receive(self, patience: float) -> float:
        """Wait for more of an answer; returns the seconds waited."""
        assert self._process.stdout
        began = time.monotonic()
        poll = select.poll()
        poll.register(self._process.stdout, select.POLLIN)
        ready = poll.poll(max(patience, 0.0) * 1000)
        seconds = time.monotonic() - began
        self.waited += seconds
        if not ready:
            raise _Died("parsing it takes too long")
        piece = os.read(self._process.stdout.fileno(), 2**20)
        if not piece:
            raise self._death()
        self._buffer += piece
        return seconds

    def _death(self) -> _Died:
        """Why the process is gone; one that only closed its output is ended."""
        from subprocess import TimeoutExpired

        try:
            code = self._process.wait(5)
        except TimeoutExpired:
            return _Died("it confused its parser")
        if code == -signal.SIGXCPU:
            return _Died(f"parsing it takes more than {CPU_SECONDS} seconds of processor time")
        if code == 0:
            return _Left()
        return _Died(f"it crashed its parser ({signal.Signals(-code).name if code < 0 else f'exit status {code}'})")


_idle: list[_Worker] = []


def read_isolated(source: Source, progress: Callable[[int], None], furniture: str) -> Iterator[Document | Failure]:
    """What ``formats`` reads of a source, read elsewhere; raises nothing but what stops this process too.

    Where the process dies, one Failure says so, and reading goes on with the next member of the archive.
    """
    try:
        yield from _read(source, progress, furniture)
    except OSError as error:  # no process, or no temporary folder, to be had
        yield Failure(source.uri, f"cannot be parsed: {error.strerror or error}")


def _read(source: Source, progress: Callable[[int], None], furniture: str) -> Iterator[Document | Failure]:
    start, uri = 0, source.uri
    with tempfile.TemporaryDirectory(prefix="searchidx-") as folder:
        for _ in range(MAX_DEATHS):
            worker, at, finished = _take(), None, False
            try:
                fields = {"uri": source.uri, "root": source.root, "label": source.label}
                about = {**fields, "media_type": source.media_type, "path": os.path.abspath(source.path)}
                worker.ask({"source": about, "folder": folder, "start": start, "furniture": furniture})
                while "end" not in (answer := worker.answer()):
                    if "part" in answer:
                        at, uri, worker.waited = answer["part"], answer["uri"], 0.0
                    yield from _items(answer, progress)
                finished = True
                return
            except _Left:
                continue
            except _Died as death:
                yield Failure(uri, f"{death}: {_REMEDY}")
            finally:
                if finished:
                    _idle.append(worker)
                else:
                    worker.close()
            if at is None:
                return
            start, uri = at + 1, source.uri
    yield Failure(source.uri, f"{MAX_DEATHS} of its articles could not be parsed; the rest is left out: unpack it")


def _items(answer: dict[str, Any], progress: Callable[[int], None]) -> Iterator[Document | Failure]:
    if "done" in answer:
        progress(answer["done"])
    elif "Document" in answer:
        yield Document(**answer["Document"])
    elif "Failure" in answer:
        yield Failure(**answer["Failure"])


def _take() -> _Worker:
    """A process that waits, or a new one."""
    while _idle:
        worker = _idle.pop()
        if worker.alive():
            return worker
        worker.close()
    return _Worker()


def close_workers() -> None:
    """End the processes that wait for files."""
    while _idle:
        _idle.pop().close()


atexit.register(close_workers)
os.register_at_fork(after_in_child=_idle.clear)  # they are the parent's
