"""How far a long command has come: a bar on a terminal, a line now and then elsewhere, all on standard error."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from searchidx.cli.terminal import note

if TYPE_CHECKING:
    from rich.progress import TaskID

    from searchidx.ingest import Progress

SECONDS_BETWEEN_LINES = 5.0
_STAGES = {
    "articles": "reading articles",
    "encode": "encoding passages",
    "index": "arranging passages",
    "copies": "comparing articles",
    "queries": "asking queries",
    "steps": "timing steps",
    "recall": "exact search",
    "cold": "cold searches",
    "memory": "memory",
    "changes": "small changes",
    "copy": "copying the index",
}


class Interrupted(Exception):
    """Ctrl-C was typed; the message says what is finished."""


class Watch:
    """Notes what is finished; the classes below show it too."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.documents = self.encoded = 0
        self.about = ""  # which of several this is, such as the name of a collection
        self.copying = False
        self._first: tuple[float, int] | None = None

    def __call__(self, progress: Progress) -> None:
        """Take note of progress."""
        if progress.stage == "articles":
            self.documents = progress.documents
        if progress.stage == "encode":
            self.encoded = progress.passages
        self.copying = progress.stage == "copy"
        self.show(progress)

    def show(self, progress: Progress) -> None:
        """Show nothing."""

    def counts(self, progress: Progress) -> str:
        """What was done in this stage, and how fast."""
        if progress.stage == "queries" and self.about:
            return f"{progress.done:,} of {progress.total:,} in {self.about}"
        if progress.stage == "copy":
            return f"{progress.done / 1e6:,.1f} of {progress.total / 1e6:,.1f} MB"
        if progress.stage == "index":
            return f"{progress.done:,} of {progress.total:,} changes"
        if progress.stage not in ("articles", "encode"):
            return f"{progress.done:,} of {progress.total:,}"
        articles = f"{progress.documents:,} articles, " if progress.documents else ""
        return f"{articles}{progress.passages:,} passages{self._rate(progress.passages)}"

    def _rate(self, passages: int) -> str:
        """Passages a second since the first were done: what it took to load the encoder does not count."""
        now = time.monotonic()
        if self._first is None:
            self._first = now, passages
        seconds, more = now - self._first[0], passages - self._first[1]
        return f", {more / seconds:,.0f}/s" if more and seconds > 0.5 else ""

    def finished(self) -> str:
        """What an interruption leaves on the disk."""
        if self.copying:
            return "no copy was made"
        done = [f"{self.documents:,} articles were finished"] if self.documents or not self.encoded else []
        done += [f"{self.encoded:,} passages were encoded"] if self.encoded else []
        return f"{' and '.join(done)} and stay; the same command goes on from there"


class Lines(Watch):
    """A plain line every few seconds, and none for short work."""

    def __init__(self) -> None:
        super().__init__()
        self._last = self.began

    def show(self, progress: Progress) -> None:
        """Print a line if the last one is old enough."""
        now = time.monotonic()
        if now - self._last >= SECONDS_BETWEEN_LINES:
            self._last = now
            share = f" {min(1.0, progress.done / progress.total):.0%}" if progress.total else ""
            note(f"{_STAGES[progress.stage]}:{share} {self.counts(progress)}, {now - self.began:.0f} s")


class Bar(Watch):
    """A bar with counts, speed and the time that is left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        super().__init__()
        console = Console(stderr=True, color_system=None if os.environ.get("NO_COLOR") else "auto")
        self.bar = Progress(
            TextColumn("{task.description:<18}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[counts]}"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
            refresh_per_second=5,
        )
        self._task = self._stage("getting ready")
        self._shown = ""

    def _stage(self, description: str) -> TaskID:
        return self.bar.add_task(description, total=None, counts="", left="")

    def show(self, progress: Progress) -> None:
        """Move the bar; speed and time left are those of the stage."""
        if progress.stage != self._shown:
            self.bar.remove_task(self._task)
            self._task, self._shown = self._stage(_STAGES[progress.stage]), progress.stage
        done = min(progress.done, progress.total) if progress.total else progress.done
        self.bar.update(
            self._task,
            completed=done,
            total=progress.total or None,
            counts=self.counts(progress),
            left="left" if progress.total else "",
        )


@contextmanager
def watching(*, quiet: bool = False) -> Iterator[Watch]:
    """Show the progress of what runs inside, which is passed the Watch yielded.

    Raises:
        Interrupted: Ctrl-C was typed; the message says what is finished.
    """
    watch = Watch()
    try:
        if quiet:
            yield watch
        elif not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
            yield (watch := Lines())
        else:
            watch = bar = Bar()
            with bar.bar:
                yield bar
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {watch.finished()}") from None
