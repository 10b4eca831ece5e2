"""The commands that keep an index from harm: check and backup."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from searchidx.cli import tables, terminal
from searchidx.cli.arguments import AsJson, BackupFolder, IndexName, Quiet, SalvageFile, locate, opened
from searchidx.cli.output import print_json, print_json_lines, write_json_lines
from searchidx.cli.progress import watching
from searchidx.errors import IndexCorrupted
from searchidx.types import Failure


def check(index: IndexName = "default", salvage: SalvageFile = None, as_json: AsJson = False) -> None:
    """Read everything, verify every checksum, and say what is wrong and how to go on.

    With --salvage the articles that can still be read are written to a file, which add takes. The exit status is 1
    where something is damaged or lost.

    Example: searchidx check -i news
    """
    if salvage is not None:
        _salvage(index, salvage)
        return
    try:
        with opened(index) as found:
            problems = found.status(check=True)["problems"]
    except IndexCorrupted as error:
        problems = [str(error)]
    if as_json:
        print_json({"problems": problems})
    else:
        told = problems or ["no problems: everything was read, every checksum holds"]
        sys.stdout.writelines(terminal.line(problem) + "\n" for problem in told)
    if problems:
        raise typer.Exit(1)


def _salvage(index: str, target: str) -> None:
    from searchidx.index import Index

    folder, lost = locate(index), []

    def articles() -> Iterator[dict[str, Any]]:
        for item in Index.salvage(folder):
            if isinstance(item, Failure):
                lost.append(item)
            else:
                yield item.to_dict()

    if target == "-":
        print_json_lines(articles())
    else:
        count = write_json_lines(Path(target), articles())
        terminal.note(f"{target}: {tables.plural(count, 'article')} written, each as it was; add it to a new index")
    for failure in lost:
        terminal.note(f"lost: {failure.uri}: {failure.reason}")
    if lost:
        terminal.note(f"{tables.plural(len(lost), 'article')} lost")
        raise typer.Exit(1)


def backup(target: BackupFolder, index: IndexName = "default", quiet: Quiet = False) -> None:
    """Copy the index as it is now, while others read and write it.

    The copy is an index: search it, or put it in the place of a lost one.

    Example: searchidx backup /mnt/backup/news-monday -i news
    """
    path = Path(target)
    with watching(quiet=quiet) as watch, opened(index) as found:
        found.backup(path, progress=watch)
    if not quiet:
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        sys.stdout.write(f"{target}: {tables.size(size)} copied\n")
