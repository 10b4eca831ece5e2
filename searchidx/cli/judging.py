"""``judge``: a person says which hits are relevant, and ``eval`` measures with what was said.

What is judged is a pool, the best hits of each leg and of both, so that no leg is measured only on what it found.
Every answer is in the file before the next hit is shown.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias
from zlib import crc32

import typer

from searchidx.cli import terminal
from searchidx.cli.arguments import Device, EncoderName, Full, IndexName, TopK, as_text, opened
from searchidx.cli.output import write_json_lines
from searchidx.cli.progress import Interrupted
from searchidx.cli.tables import plural
from searchidx.errors import FetchError, SearchIdxError
from searchidx.types import Hit, Mode

if TYPE_CHECKING:
    from searchidx.index import Index

GRADES = {"y": 1, "1": 1, "2": 2, "n": 0, "0": 0}
"""Grade of each key: 0 is kept too, which is what tells a hit judged from one not seen yet."""
KEYS = "y relevant, 2 highly relevant, n not relevant, s skip, b back, q quit"
_MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
_ARROW = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)?")
"""Keys that come as several characters, one of which may be a letter of ours."""
_END = ("", "\x04")
"""What reading a key gives at the end of input, and for Ctrl-D."""

Queries: TypeAlias = Annotated[
    list[str] | None, typer.Argument(metavar="QUERY", help="A query, quoted; several are judged one after another.")
]
QueryFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--queries", metavar="FILE", help='A file with a query on each line, or JSON lines with "query".'),
]
JudgementFile: TypeAlias = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE", help="Where judgements are kept; a file that exists goes on.")
]


@dataclass(frozen=True, slots=True)
class Asked:
    """A query to judge, and its id where the file it came from gives one."""

    text: str
    query_id: str = ""


class Judgements:
    """A file of judgements: JSON lines of ``{"id"?, "query", "relevant": {doc_id: grade}}``, one for each query."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.new = 0
        self._records: dict[str, dict[str, Any]] = {}
        for record in _json_lines(path) if path.exists() else ():
            query, relevant = record.get("query"), record.get("relevant")
            if not isinstance(query, str) or not isinstance(relevant, (dict, list)):
                raise FetchError(str(path), 'a line has no "query" and "relevant": write to another file with -o')
            kept = self._records.setdefault(query, {**record, "relevant": {}})
            kept["relevant"].update(relevant if isinstance(relevant, dict) else dict.fromkeys(relevant, 1))

    def grade(self, asked: Asked, doc_id: str) -> int | None:
        """What was said of an article, or None."""
        record = self._records.get(asked.text)
        return record["relevant"].get(doc_id) if record else None

    def put(self, asked: Asked, doc_id: str, grade: int) -> None:
        """Note a grade and write the file."""
        fresh: dict[str, Any] = {"id": asked.query_id} if asked.query_id else {}
        record = self._records.setdefault(asked.text, {**fresh, "query": asked.text, "relevant": {}})
        self.new += doc_id not in record["relevant"]
        record["relevant"][doc_id] = grade
        self.save()

    def save(self) -> None:
        """Write the file anew: it is whole at any moment."""
        write_json_lines(self.path, self._records.values())

    def told(self) -> str:
        """How much there is, in words."""
        count = sum(len(record["relevant"]) for record in self._records.values())
        queries = "1 query" if len(self._records) == 1 else f"{len(self._records):,} queries"
        return f"{plural(count, 'judgement')} of {queries} in {self.path} ({self.new:,} new)"


def judge(
    query: Queries = None,
    index: IndexName = "default",
    queries: QueryFile = None,
    output: JudgementFile = "judgements.jsonl",
    top_k: TopK = 10,
    full: Full = False,
    encoder: EncoderName = None,
    device: Device = None,
) -> None:
    """Say which hits are relevant, for eval to measure with.

    Hits of both legs are mixed; every answer is kept at once, and the same command goes on where it was left.

    Example: searchidx judge "who restricted Huawei?" "wheat prices" -i news
    """
    wanted = [Asked(as_text(typed)) for typed in query or ()] + (_read_queries(Path(queries)) if queries else [])
    wanted = list({asked.text: asked for asked in wanted if asked.text.strip()}.values())
    if not wanted:
        raise typer.BadParameter("there is no query to judge: type some, or name a file with --queries")
    if not Path(output).absolute().parent.is_dir():
        raise SearchIdxError(f"{output}: its folder does not exist: make it first, or choose another file with -o")
    judgements = Judgements(Path(output))
    with opened(index, encoder, device) as found:
        try:
            with _keys() as read_key:
                _ask(found, wanted, judgements, read_key, top_k, full=full)
        except KeyboardInterrupt:
            if judgements.new:
                judgements.save()  # the last answer, where the key came while it was written
            raise Interrupted(f"interrupted: {judgements.told()}; the same command goes on from there") from None
    sys.stdout.write(f"{judgements.told()}\n")
    if judgements.path.exists():
        sys.stdout.write(f"searchidx eval {shlex.quote(output)} -i {shlex.quote(index)}\n")


def _ask(
    index: Index, wanted: Sequence[Asked], judgements: Judgements, read_key: Callable[[], str], k: int, *, full: bool
) -> None:
    """Show hit after hit and note the answers, until all are judged or a person quits."""
    shown: list[tuple[int, Asked, Hit, int]] = []  # number of the query, query, hit, hits of this query to judge
    ahead = iter(enumerate(wanted, 1))
    place = 0
    while True:
        while place == len(shown):
            number, asked = next(ahead, (0, Asked("")))
            if not number:
                return
            shown += [(number, asked, hit, count) for hit, count in _unjudged(index, asked, judgements, k)]
        number, asked, hit, count = shown[place]
        sys.stdout.write(f"\nquery {number} of {len(wanted)}: {terminal.line(asked.text)}\n\n")
        terminal.print_hits([hit], full=full, scored=False)
        key = _answer(read_key, hit, count, judgements.grade(asked, hit.document.doc_id))
        if key == "q":
            return
        if key in GRADES:
            judgements.put(asked, hit.document.doc_id, GRADES[key])
        place = max(0, place - 1) if key == "b" else place + 1


def _unjudged(index: Index, asked: Asked, judgements: Judgements, k: int) -> list[tuple[Hit, int]]:
    """The hits of a query that have no grade yet, numbered, each with how many there are."""
    hits = pool(index, asked.text, k)
    if not hits:
        terminal.note(f"no results: {asked.text}")
    left = [hit for hit in hits if judgements.grade(asked, hit.document.doc_id) is None]
    return [(replace(hit, rank=number), len(left)) for number, hit in enumerate(left, 1)]


def pool(index: Index, query: str, k: int) -> list[Hit]:
    """The best ``k`` articles of each leg and of hybrid search, each once.

    They come by their best rank in any of the three, and in no order that tells the leg where ranks are the same.
    """
    best: dict[str, tuple[int, Hit]] = {}
    for mode in _MODES:
        for hit in index.search(query, k, mode=mode, all_copies=True):
            rank, first = best.get(hit.document.doc_id, (hit.rank, hit))  # hybrid's passage where it has one
            best[hit.document.doc_id] = min(rank, hit.rank), first

    def order(doc_id: str) -> tuple[int, int]:
        return best[doc_id][0], crc32(f"{query}\n{doc_id}".encode("utf-8", "surrogatepass"))

    return [best[doc_id][1] for doc_id in sorted(best, key=order)]


# keys


def _answer(read_key: Callable[[], str], hit: Hit, count: int, grade: int | None) -> str:
    """Ask until a key that means something is typed; the end of input means quit."""
    before = "" if grade is None else f" (so far: {grade})"
    while True:
        sys.stdout.write(f"{hit.rank} of {count}{before}: {KEYS} > ")
        sys.stdout.flush()
        typed = read_key()
        key = "q" if typed in _END else typed.strip().lower()
        sys.stdout.write(f"{key if key.isprintable() else ''}\n")
        if key in GRADES or key in ("s", "b", "q"):
            return key


@contextmanager
def _keys() -> Iterator[Callable[[], str]]:
    """A function that reads the next key: as it is pressed on a terminal, a line elsewhere; ``""`` at the end."""
    if not sys.stdin.isatty():
        yield sys.stdin.readline
        return
    import termios
    import tty

    terminal_input = sys.stdin.fileno()
    waiting: list[str] = []

    def read_key() -> str:
        while not waiting:
            typed = os.read(terminal_input, 1024)
            if not typed:
                return ""
            waiting.extend(_ARROW.sub("", typed.decode("utf-8", "replace")))
        return waiting.pop(0)

    before = termios.tcgetattr(terminal_input)
    try:
        tty.setcbreak(terminal_input, termios.TCSADRAIN)  # Ctrl-C still interrupts
        yield read_key
    finally:
        termios.tcsetattr(terminal_input, termios.TCSADRAIN, before)


# files


def _read_queries(path: Path) -> list[Asked]:
    """Queries of a text file, one a line, or of JSON lines with ``query`` or ``text``, and ``id`` or ``_id``."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    if not text.lstrip().startswith("{"):
        return [Asked(line.strip()) for line in text.splitlines() if line.strip()]
    asked = []
    for record in _json_lines(path):
        query = record.get("query", record.get("text"))
        if not isinstance(query, str):
            raise FetchError(str(path), 'a line has no "query" and no "text"')
        asked.append(Asked(query, str(record.get("id", record.get("_id", "")))))
    return asked


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").split("\n"), 1):
        if line.strip():
            try:
                record = json.loads(line)
            except ValueError as error:
                raise FetchError(str(path), f"line {number} is no JSON: {error}") from error
            if not isinstance(record, dict):
                raise FetchError(str(path), f"line {number} is no JSON object")
            yield record
