"""The commands that write an index: add, remove, sync, demo."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from itertools import chain
from typing import TYPE_CHECKING

import typer

from searchidx.cli import tables, terminal
from searchidx.cli.arguments import (
    HOME,
    STORE,
    AllowPrivate,
    AsJson,
    Body,
    DemoIndex,
    Device,
    DocIds,
    EncoderName,
    FeedLimit,
    FurnitureOption,
    IndexName,
    Language,
    MaxTokens,
    Quiet,
    Rebuild,
    Since,
    Sources,
    Wait,
    locate,
    opened,
)
from searchidx.cli.output import print_json
from searchidx.cli.progress import watching
from searchidx.errors import FetchError
from searchidx.types import Source

if TYPE_CHECKING:
    from searchidx.index import Index
    from searchidx.types import Furniture, Report

QUESTION = "US restrictions on Chinese telecoms"
"""What the demo asks."""


def add(
    sources: Sources,
    index: IndexName = "default",
    encoder: EncoderName = None,
    device: Device = None,
    max_tokens: MaxTokens = None,
    language: Language = None,
    furniture: FurnitureOption = None,
    limit: FeedLimit = None,
    since: Since = "",
    allow_private: AllowPrivate = False,
    wait: Wait = 0.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Add articles, or bring up to date those that changed.

    Makes the index where there is none; what is unchanged costs nothing. Pages, feeds and sitemaps are fetched.

    Example: searchidx add articles/ notes.md -i news
    """
    fresh = not (locate(index) / STORE).is_file()
    made = _opened_or_made(index, sources, encoder, device, max_tokens, language, furniture)
    with watching(quiet=quiet) as watch, made as target:
        report = target.add(*sources, limit=limit, since=since, allow_private=allow_private, progress=watch, wait=wait)
    if fresh:
        _unmake_empty(report, index, sources)
    _finish(report, index, as_json=as_json, quiet=quiet)


@contextmanager
def _opened_or_made(
    index: str,
    sources: Sequence[str],
    encoder: str | None = None,
    device: str | None = None,
    max_tokens: int | None = None,
    language: str | None = None,
    furniture: Furniture | None = None,
) -> Iterator[Index]:
    from searchidx.encoders import DEFAULT_ENCODER
    from searchidx.index import Index
    from searchidx.storage.analysis import UNKNOWN

    folder = locate(index)
    if (folder / STORE).is_file():
        target, budget = Index.open(folder, encoder=encoder, device=device), max_tokens
    else:
        _expect_one(sources)
        encoder, chosen = encoder or DEFAULT_ENCODER, language or UNKNOWN
        target = Index.create(
            folder,
            encoder=encoder,
            device=device,
            max_tokens=max_tokens,
            language=chosen,
            furniture=furniture or "drop",
        )
        budget = language = furniture = None
    with target:
        if budget and budget != (has := target.status()["max_tokens"]):
            reason = f"{folder} has passages of at most {has} tokens; another length needs a new index (-i)"
            raise typer.BadParameter(reason, param_hint="--max-tokens")
        if language and language != (has := target.status()["language"]):
            reason = f"{folder} has words of language {has}; change it with: searchidx sync --language {language}"
            raise typer.BadParameter(reason, param_hint="--language")
        if furniture and furniture != (has := target.status()["furniture"]):
            reason = f"{folder} is set to {has} it; change that with: searchidx sync --furniture {furniture}"
            raise typer.BadParameter(reason, param_hint="--furniture")
        yield target


def _expect_one(names: Sequence[str]) -> None:
    """Make no index where nothing can be read: a name is mistyped, a folder is empty."""
    from searchidx.articles import sources
    from searchidx.articles.addresses import is_address

    if "-" in names or any(map(is_address, names)):
        return
    reason = "nothing in it can be read"
    for found in chain.from_iterable(sources.find(name, Counter()) for name in names):
        if isinstance(found, Source):
            return
        reason = found.reason
    raise FetchError(names[-1], f"{reason} (no index was made)")


def _unmake_empty(report: Report, index: str, names: Sequence[str]) -> None:
    """Take away an index that was made for addresses, which cannot be looked at before, and got nothing from them."""
    from searchidx.articles.addresses import is_address

    if report.added or not report.failed or not all(map(is_address, names)):
        return
    folder = locate(index)
    shutil.rmtree(folder)
    if folder.parent == HOME:
        with suppress(OSError):  # where there are others
            HOME.rmdir()
    raise FetchError(report.failed[-1].uri, f"{report.failed[-1].reason} (no index was made)")


def _finish(report: Report, index: str, *, as_json: bool, quiet: bool) -> None:
    """Print a report; exit status 1 where all that was named failed."""
    if as_json:
        print_json(report.to_dict())
    else:
        if not quiet:
            sys.stdout.write(f"{locate(index)}: {tables.report_line(report)}\n")
            sys.stdout.flush()
        tables.note_failures(report, index)
    if report.failed and not report.added + report.updated + report.unchanged + report.removed:
        raise typer.Exit(1)


def remove(
    doc_ids: DocIds,
    index: IndexName = "default",
    wait: Wait = 0.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Remove articles.

    sync does not bring them back; adding them again does.

    Example: searchidx remove articles/old.md -i news
    """
    with opened(index) as target:
        report = target.remove(*doc_ids, wait=wait)
    _finish(report, index, as_json=as_json, quiet=quiet)
    if report.failed:
        raise typer.Exit(1)


def sync(
    index: IndexName = "default",
    rebuild: Rebuild = False,
    encoder: EncoderName = None,
    device: Device = None,
    language: Language = None,
    furniture: FurnitureOption = None,
    body: Body = None,
    allow_private: AllowPrivate = False,
    wait: Wait = 0.0,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Bring the index up to date with everything added to it.

    Files that changed are read again, articles whose files are gone are removed, what failed is tried again. Pages and
    feeds are fetched where they changed. Articles lose what has shown since to be furniture of their site.

    Example: searchidx sync -i news
    """
    with watching(quiet=quiet) as watch, opened(index, device=device) as target:
        report = target.sync(
            rebuild=rebuild,
            encoder=encoder,
            language=language,
            furniture=furniture,
            body=body or (),
            allow_private=allow_private,
            progress=watch,
            wait=wait,
        )
    _finish(report, index, as_json=as_json, quiet=quiet)


def demo(index: DemoIndex = "demo", quiet: Quiet = False) -> None:
    """Index the sample articles and ask them a question.

    Example: searchidx demo
    """
    with resources.as_file(resources.files("searchidx.samples")) as folder:
        with watching(quiet=quiet) as watch, _opened_or_made(index, [str(folder)]) as target:
            report = target.add(str(folder / "*.md"), progress=watch)
            hits = target.search(QUESTION, 5)
        if not quiet:
            sys.stdout.write(f"{locate(index)}: {tables.report_line(report)}\n\n")
        sys.stdout.write(f"searchidx search {QUESTION} -k 5 -i {shlex.quote(index)}\n\n")
        sys.stdout.flush()
        terminal.print_hits(hits)
    for step in _next_steps(shlex.quote(index)):
        sys.stdout.write(step + "\n")


def _next_steps(index: str) -> list[str]:
    steps = [
        (f'searchidx search "a disease that no longer exists" -i {index}', "by meaning, in your own words"),
        (f'searchidx search telecoms -i {index} --where "topic=network security"', "only articles that pass a filter"),
        (f'searchidx context "{QUESTION}" -i {index}', "for a language model"),
        ("searchidx serve", "a page to search in, and doors for chat tools"),
        ("searchidx add FOLDER", "your own articles; then: searchidx search ..."),
    ]
    width = max(len(typed) for typed, _ in steps)
    return ["Try next:", *(f"  {typed:<{width}}  # {meaning}" for typed, meaning in steps)]
