"""``inspect``: what of a source would be indexed, what is dropped, and why."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING

import typer

from searchidx.cli import terminal
from searchidx.cli.arguments import (
    AllowPrivate,
    AsJson,
    FurnitureOption,
    Limit,
    OptionalIndex,
    Sources,
    one_of,
    opened,
)
from searchidx.cli.output import print_json_array
from searchidx.types import Failure

if TYPE_CHECKING:
    from rich.console import Console

    from searchidx.inspection import Inspection, Listing, Part

MARGIN = 7
"""Columns before a block, where its score stands."""
LISTED = 20
"""Entries of a feed that are printed; ``--json`` has all of them."""


def inspect(
    sources: Sources,
    index: OptionalIndex = None,
    furniture: FurnitureOption = None,
    limit: Limit = None,
    allow_private: AllowPrivate = False,
    as_json: AsJson = False,
) -> None:
    """Show what of a source would be kept, and what dropped and why.

    Nothing is indexed. Each block has the evidence that it is furniture: above 0 for, below 0 against. Of a feed or
    sitemap the newest article is shown, or as many as --limit says, and what it lists. With -i also what recurs in the
    articles of the same site in that index.

    Example: searchidx inspect saved-page.html
    """
    from searchidx.inspection import inspect

    run = _Run(limit)
    with ExitStack() as stack:
        if index is not None:
            one_of(("--index", True), ("--furniture", furniture is not None))
            look = partial(stack.enter_context(opened(index)).inspect, limit=limit, allow_private=allow_private)
        else:
            look = partial(inspect, furniture=furniture or "drop", limit=limit, allow_private=allow_private)
        found = run.told(chain.from_iterable(map(look, sources)))
        if as_json:
            print_json_array(inspection.to_dict() for inspection in found)
        else:
            out = terminal.console()
            for one in found:
                _print(out, one)
    sys.stdout.flush()
    for failure in run.failures:
        terminal.note(f"failed: {failure.uri}: {failure.reason}")
    if run.failures and not run.read:
        raise typer.Exit(1)


class _Run:
    """How many articles were read, up to a limit, and what failed."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.read = 0
        self.failures: list[Failure] = []

    def told(self, items: Iterable[Inspection | Listing | Failure]) -> Iterator[Inspection | Listing]:
        """The articles, and what feeds list, one at a time."""
        from searchidx.inspection import Inspection

        for item in items:
            if isinstance(item, Failure):
                self.failures.append(item)
                continue
            if isinstance(item, Inspection):
                if self.read == self.limit:
                    return
                self.read += 1
            yield item


def _print_listing(out: Console, listing: Listing) -> None:
    """What a feed lists: a line with the date for each article, and its address below."""
    from rich.text import Text

    count = len(listing.entries)
    title = f"{terminal.line(listing.uri)}: a {listing.kind} of {count:,} {'entry' if count == 1 else 'entries'}"
    out.print(Text(title, "bold"), soft_wrap=True)
    for entry in listing.entries[:LISTED]:
        about = [f"{terminal.line(entry.date[:10]) or 'no date':<11}", terminal.line(entry.title or entry.link)]
        out.print(Text.assemble((about[0], "cyan"), about[1]), soft_wrap=True)
        if entry.title:
            out.print(Text(f"{'':<11}{terminal.line(entry.link)}", "dim"), soft_wrap=True)
    if count > LISTED:
        out.print(Text(f"and {count - LISTED:,} more: --json shows all", "dim"), soft_wrap=True)
    out.print()


def _print(out: Console, one: Inspection | Listing) -> None:
    from searchidx.inspection import Inspection

    if isinstance(one, Inspection):
        _print_article(out, one)
    else:
        _print_listing(out, one)


def _print_article(out: Console, inspection: Inspection) -> None:
    """Facts, then the blocks with scores (dropped ones struck out, with the reason), then where the passages are."""
    from rich.text import Text

    document = inspection.document
    out.print(Text(terminal.line(document.title) or terminal.line(document.doc_id), "bold"), soft_wrap=True)
    for name, value in _facts(inspection):
        out.print(Text.assemble((f"{name:<10} ", "cyan"), terminal.line(value)), soft_wrap=True)
    out.print()
    for part in inspection.parts:
        _print_part(out, part)
    out.print()
    for passage in inspection.passages:
        heading = f" § {terminal.line(passage.heading)}" if passage.heading else ""
        opening = terminal.line(passage.text[:60])
        told = f"passage {passage.ordinal + 1:>3} [{passage.start}-{passage.end}]{heading}: {opening}"
        out.print(Text(told, "dim"), soft_wrap=True)
    out.print()


def _facts(inspection: Inspection) -> list[tuple[str, str]]:
    document, parts = inspection.document, inspection.parts
    dropped = [part for part in parts if not part.kept]
    words, all_words = (sum(len(part.text.split()) for part in some) for some in (dropped, parts))
    kept = f"{len(parts) - len(dropped):,} of {len(parts):,} blocks; {words:,} of {all_words:,} words dropped"
    facts = [(name, str(getattr(document, name))) for name in ("doc_id", "uri", "published", "author", "source")]
    facts += [
        ("updated", str(document.metadata.get("updated", ""))),
        ("language", document.language),
        ("format", inspection.format),
        ("kept", kept),
        ("note", inspection.note),
    ]
    return [(name, value or "not known") for name, value in facts if value or name not in ("note", "updated")]


def _print_part(out: Console, part: Part) -> None:
    from rich.text import Text

    text = Text(terminal.line(part.text), "" if part.kept else "dim strike")
    if not part.kept:
        text.append(f"  ← {part.reason}", "yellow not dim not strike")
    mark = Text(f"{part.score:>+5.1f} {' ' if part.kept else '-'} ", "dim" if part.kept else "yellow")
    terminal.print_indented(out, text, MARGIN + 1, mark)
