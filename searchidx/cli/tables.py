"""How lists, the status of an index and reports look to a person."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from searchidx.cli.terminal import console, line, note, print_indented
from searchidx.types import Document, Report

if TYPE_CHECKING:
    from rich.text import Text

    from searchidx.encoders import EncoderInfo

WIDE = 110
"""Columns from which on a list has room for the source."""
SOURCE = 24
FAILURES = 20
"""Failures that a report lists; ``status`` lists all."""


def print_documents(documents: Iterable[Document]) -> None:
    """Print articles as a table on a terminal, as tab-separated lines elsewhere."""
    out = console()
    lines = ([line(d.published[:10]), line(d.doc_id), line(d.title), line(d.source)] for d in documents)
    if not out.is_terminal:
        for row in lines:
            sys.stdout.write("\t".join(row) + "\n")
        return
    from rich.cells import cell_len
    from rich.table import Table
    from rich.text import Text

    rows = list(lines)
    ids = min(max((cell_len(row[1]) for row in rows), default=0), out.width // 2)
    source = SOURCE if out.width >= WIDE else 0
    title = max(5, out.width - len("published ") - 1 - ids - 1 - source)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("published", width=10)
    table.add_column("doc_id", style="cyan", overflow="fold", width=ids)
    table.add_column("title", no_wrap=True, overflow="ellipsis", width=title)
    if source:
        table.add_column("source", no_wrap=True, overflow="ellipsis", width=source - 1)
    for row in rows:
        table.add_row(*map(Text, row if source else row[:3]))
    out.print(table)


def print_encoders(encoders: Sequence[EncoderInfo]) -> None:
    """Print what can be said of each encoder."""
    from rich.text import Text

    out = console()
    for encoder in encoders:
        where = f"{encoder.size} MB to download" if encoder.size else "part of searchidx"
        facts = [f"{encoder.dim} dims", encoder.languages, where, encoder.note]
        out.print(Text(encoder.name, "bold"))
        print_indented(out, Text(" · ".join(facts)), 4)
        if encoder.needs:
            print_indented(out, Text(f'needs: pip install "searchidx[{encoder.needs}]"', "dim"), 4)


def print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print names and values in two columns; an empty name continues the value above."""
    from rich.table import Table
    from rich.text import Text

    out = console()
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(Text(name, "bold"), Text(line(value)))
    for part in out.render_lines(table, pad=False):
        text = Text.assemble(*((segment.text, segment.style or "") for segment in part))
        text.rstrip()
        out.print(text, soft_wrap=True)


def print_table(
    heads: Sequence[str], rows: Sequence[Sequence[str | Text]], left: int = 1, *, last_left: bool = False
) -> None:
    """Print a table as wide as it is: the first columns to the left, numbers to the right, no digit cut off."""
    from rich.cells import cell_len
    from rich.text import Text

    grid = [[Text(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    tall = max((head.count("\n") + 1 for head in heads), default=0)
    lines = [[""] * (tall - head.count("\n") - 1) + head.split("\n") for head in heads]
    grid = [[Text(part, "bold") for part in row] for row in zip(*lines, strict=True)] + grid
    widths = [max(cell_len(row[number].plain) for row in grid) for number in range(len(grid[0]))]
    out = console()
    for row in grid:
        text = Text()
        for number, (cell, width) in enumerate(zip(row, widths, strict=True)):
            blanks = " " * (width - cell_len(cell.plain))
            to_left = number < left or (last_left and number == len(widths) - 1)
            text.append("  " if number else "").append(cell if to_left else blanks).append(blanks if to_left else cell)
        text.rstrip()
        out.print(text, soft_wrap=True)


def status_facts(status: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What ``Index.status`` tells, in words."""
    encoder, dense, lexical = status["encoder"], status["dense"], status["lexical"]
    store = status["bytes"] - dense["bytes"] - lexical["bytes"]
    parts = {"store": store, "dense": dense["bytes"], "lexical": lexical["bytes"]}
    facts = [
        ("index", f"{status['path']}, made {status['created'][:10]}, format {status['format']}"),
        ("articles", f"{status['documents']:,}"),
        ("passages", f"{status['passages']:,}, of at most {status['max_tokens']} tokens"),
        ("copies", _copies(status["copies"])),
        ("encoder", f"{encoder['name']}, {encoder['dim']} dims"),
        ("language", status["language"]),
        ("furniture", _furniture(status)),
        ("size", f"{size(status['bytes'])} ({', '.join(f'{name} {size(count)}' for name, count in parts.items())})"),
        ("dense", f"{_dense(dense)}, {_behind(status, dense)}"),
        ("lexical", f"{plural(lexical['segments'], 'segment')}, {_behind(status, lexical)}"),
    ]
    facts += _column("sources", status["roots"] or ["none that sync can visit again"])
    facts += _column("failed", [f"{failure['uri']}: {failure['reason']}" for failure in status["failures"]])
    if "problems" in status:
        facts += _column("problems", status["problems"] or ["none: everything was read, every checksum holds"])
    return facts


def _copies(status: Mapping[str, Any]) -> str:
    stories = "1 story" if status["stories"] == 1 else f"{status['stories']:,} stories"
    found = f"{status['articles']:,} articles tell {stories}"
    pending = f"; {plural(status['pending'], 'article')} not compared yet: searchidx sync" if status["pending"] else ""
    return (found if status["articles"] else "none") + pending


def _furniture(status: Mapping[str, Any]) -> str:
    words = {
        "drop": "dropped from plain text files; what recurs, from pages too",
        "everywhere": "dropped from everything",
        "keep": "kept",
    }[status["furniture"]]
    found = status["recurring"]
    if found["blocks"]:
        words += f"; {plural(found['blocks'], 'block')} known on {plural(found['sites'], 'site')}"
    if found["waiting"]:
        words += f", on {found['waiting']:,} not yet looked for in earlier articles: searchidx sync"
    return words


def _dense(status: Mapping[str, Any]) -> str:
    newer = f", {status['tail']:,} newer changes beside the file" if status["tail"] else ""
    if status["kind"] == "ivf":
        return f"nearest clusters (recall@10 {status['recall@10']:.3f}){newer}"
    return f"exact{newer}" if status["kind"] == "flat" else "exact, no file yet"


def _behind(status: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    missing = status["position"] - part["position"]
    return "up to date" if missing <= 0 else f"{missing:,} changes behind: searchidx sync"


def plural(count: int, noun: str) -> str:
    """A number with its noun."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _column(name: str, values: Sequence[str]) -> list[tuple[str, str]]:
    return [(name if number == 0 else "", value) for number, value in enumerate(values)]


def size(count: int) -> str:
    """Bytes in MB, or kB where that would read 0.0."""
    return f"{count / 1e6:,.1f} MB" if count >= 100_000 else f"{count / 1e3:,.0f} kB"


# reports


def report_line(report: Report) -> str:
    """What was done, in one line."""
    counts = {
        "added": report.added,
        "updated": report.updated,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "failed": len(report.failed),
    }
    done = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "nothing found"
    rate = f" ({report.passages / report.seconds:,.0f}/s)" if report.passages and report.seconds >= 1 else ""
    encoded = f"; {plural(report.passages, 'passage')} encoded" if report.passages else ""
    return f"{done}{encoded} in {report.seconds:.1f} s{rate}"


def note_failures(report: Report, index: str) -> None:
    """Tell what could not be read and what was left out."""
    for failure in report.failed[:FAILURES]:
        note(f"failed: {failure.uri}: {failure.reason}")
    if len(report.failed) > FAILURES:
        note(f"... and {len(report.failed) - FAILURES:,} more; searchidx status -i {index} lists all")
    if report.skipped:
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in sorted(report.skipped.items()))
        note(f"skipped: {reasons}")
