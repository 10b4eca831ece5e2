"""Archives into the files in them, archives in archives too; runs in the worker's process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from searchidx.articles.archives import Bomb, Budget, Part, tar_members, zip_members
from searchidx.articles.isolation import MEMORY_REASON
from searchidx.articles.mail import letter_parts
from searchidx.articles.sniffing import EML, TAR, WARC, ZIP
from searchidx.articles.warc import warc_pages
from searchidx.errors import SourceError
from searchidx.types import Failure, Source

_CONTAINERS: dict[str, Callable[[Source, Path, Budget], Iterator[Part]]] = {
    ZIP: zip_members,
    TAR: tar_members,
    WARC: warc_pages,
    EML: letter_parts,
}
"""What opens an archive, by its media type; a letter holds itself and what is attached to it."""


def parts(source: Source, folder: Path, start: int, progress: Callable[[int], None]) -> Iterator[Part]:
    """The members of an archive, and of the archives in it, that may be articles; a source that is none is one part.

    Args:
        source: the archive.
        folder: where members are unpacked, one at a time under names of our own.
        start: number of the first part that is wanted.
        progress: told the bytes of the archive that have been read.
    """
    budget = Budget(source, progress)
    try:
        for number, part in enumerate(_leaves(Part(source), folder, budget)):
            if number >= start:
                yield replace(part, number=number)
    except Bomb as error:
        yield Part(Failure(source.uri, error.reason), number=start)


def _leaves(part: Part, folder: Path, budget: Budget, depth: int = 0) -> Iterator[Part]:
    """What an archive holds, archives in it opened."""
    members = _CONTAINERS.get(part.item.media_type) if isinstance(part.item, Source) else None
    if members is None or isinstance(part.item, Failure):
        yield part
        return
    uri = part.item.uri
    try:
        if part.item.media_type != EML:
            budget.enter(uri, depth)
        for member in members(part.item, folder / f"member-{depth}", budget):
            if member.item is part.item:  # a letter itself
                yield part
                continue
            budget.enter(uri, depth)
            yield from _leaves(member, folder, budget, depth + 1)
    except Bomb:
        raise
    except SourceError as error:
        yield Part(Failure(uri, error.reason))
    except MemoryError:
        yield Part(Failure(uri, MEMORY_REASON))
    except OSError as error:
        yield Part(Failure(uri, f"cannot be read: {error.strerror or error}"))
    except Exception as error:  # as in read_here
        yield Part(Failure(uri, f"cannot be read: {type(error).__name__}: {error}"))
