"""Furniture of a site: blocks that many of its articles share, which no page gives away alone.

This file knows texts only: what the blocks of a text are, which of them go where it is known how many articles share
each, and how to put them back. Counting is in ``searchidx.storage.recurrence``.

How often a block recurs is a *level*; what a level allows depends on where the block stands and what it says:

- 1: what has a sign of furniture too (``furniture.py``), at the end of an article, and anywhere where such a
  sign is enough by itself;
- 2: at the end whatever it says;
- 3: anywhere, sentences of some length, and lines above the article.

A heading that an article's own text follows stays, whoever else has it, and so does a short sentence ("Yes.").
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import NamedTuple
from urllib.parse import urlsplit

import xxhash

from searchidx.articles.boilerplate import evidence
from searchidx.articles.headings import MAX_HEADING, lines_of
from searchidx.types import Document

WITH_SIGN, AT_END, ANYWHERE = 1, 2, 3
"""Levels."""
FIRST, LAST = 50, 150
"""Blocks that are looked at in a text at most, from its start and from its end."""
MOST = 5_000
"""Blocks of an article at most; what has more is a book or a table, and no page of a site."""
EXACT = 100
"""Characters of a block that is compared as it is."""
SENTENCE = 8
"""Words of a sentence that may go from the middle of an article."""
SHORT_SENTENCE = 6
"""Words below which a sentence is nobody's furniture, unless a sign says so."""

_MARK = re.compile(r"^(?:[#>*+•·-]+|\d{1,3}[.)])\s+")
_WORD = re.compile(r"[^\W\d_]+")
_CLOSERS = "\"'\u201d\u2019»)]*_"
_STOPS = (".", "!", "?", "…", ":", "\u3002", "\uff01", "\uff1f")
_HOST = re.compile(r"^(?:www\d?|m|amp|mobile)\.(?=[^.]+\.)")

Removed = list[tuple[int, str]]
"""What was taken out of a text: where in what is left of it, and the characters, in order."""


class Piece(NamedTuple):
    """A block of a text, ``text[start:end]``, and the number that the same words have in any article.

    The number is 0 where there are no words, and -1 where the block is not looked at.
    """

    start: int
    end: int
    number: int


def site_of(document: Document) -> str:
    """Whose furniture an article may have: the host of its address, its outlet, or the folder of its file."""
    if document.uri.startswith(("http://", "https://")):
        return _HOST.sub("", (urlsplit(document.uri).hostname or "").lower())
    return document.source.casefold() or document.uri.rpartition("/")[0]


def pieces(text: str) -> list[Piece]:
    """The blocks of a text in order; the middle of one of very many is not looked at, and nothing of a whole book."""
    spans = list(islice(lines_of(text), MOST + 1))
    if len(spans) > MOST:
        return []
    middle = range(FIRST, len(spans) - LAST)
    return [
        Piece(start, end, -1 if at in middle else _number(text[start:end])) for at, (start, end) in enumerate(spans)
    ]


def _number(block: str) -> int:
    """63 bits of what a block says, whatever its marks, case and spacing where it is short."""
    if len(block) > EXACT:
        return xxhash.xxh3_64_intdigest(block.encode()) >> 1
    line = _line(block).casefold()
    return xxhash.xxh3_64_intdigest(line.encode()) >> 1 if _WORD.search(line) else 0


def _line(block: str) -> str:
    return _MARK.sub("", " ".join(block.split()))


def strip(text: str, blocks: Sequence[Piece], levels: Mapping[int, int]) -> tuple[str, Removed]:
    """The text without the furniture of its site, and what was removed; it stays whole where nothing would be left.

    Args:
        text: of an article.
        blocks: its ``pieces``.
        levels: how often blocks recur on the site, by their numbers; those that do not are left out.
    """
    gone = dropped(text, blocks, levels) if any(block.number in levels for block in blocks) else set()
    if not gone or len(gone) == len(blocks):
        return text, []
    last = max(at for at in range(len(blocks)) if at not in gone)
    kept, removed, left, done = list[str](), list[tuple[int, str]](), 0, 0
    for at, block in enumerate(blocks):
        if at not in gone:
            continue
        # with the gap below it; at the end of the text with the one above
        start = blocks[at - 1].end if at > last else block.start
        end = block.end if at > last else blocks[at + 1].start
        kept.append(text[done:start])
        left += start - done
        removed.append((left, text[start:end]))
        done = end
    return "".join((*kept, text[done:])), removed


def restore(text: str, removed: Sequence[tuple[int, str]]) -> str:
    """The text as it was before ``strip``."""
    parts, done = list[str](), 0
    for at, piece in removed:
        parts += (text[done:at], piece)
        done = at
    return "".join((*parts, text[done:]))


def dropped(text: str, blocks: Sequence[Piece], levels: Mapping[int, int]) -> set[int]:
    """Places of the blocks that go."""
    level = [levels.get(block.number, 0) for block in blocks]
    told = {at: _Told(text[blocks[at].start : blocks[at].end]) for at in range(len(blocks)) if level[at]}
    gone = {at for at, one in told.items() if one.anywhere or (level[at] >= ANYWHERE and one.sentence >= SENTENCE)}
    for at in range(len(blocks) - 1, -1, -1):  # the end
        if at in gone or (at in told and told[at].ends(level[at])):
            gone.add(at)
        elif blocks[at].number or at == len(blocks) - 1:  # a rule ("* * *") goes with what stands below it
            break
        elif at + 1 in gone:
            gone.add(at)
    for at, block in enumerate(blocks):  # the start
        if at not in gone and (level[at] < ANYWHERE or told[at].short):
            break
        above = at + 1 < len(blocks) and (level[at + 1] >= ANYWHERE or at + 1 in gone)
        if above or block.end - block.start > MAX_HEADING:
            gone.add(at)
    return gone


class _Told:
    """What a block that recurs says by itself.

    Attributes:
        sign: whether it has a sign of furniture.
        anywhere: whether that is enough wherever it stands.
        sentence: words of its sentences, 0 where it has none.
        short: whether it is too short to be anybody's.
    """

    def __init__(self, block: str) -> None:
        line = _line(block)
        words = len(_WORD.findall(line))
        score, signed, self.anywhere = evidence(line)
        self.sign = signed and score > 0
        self.sentence = words if line.rstrip(_CLOSERS).endswith(_STOPS) else 0
        self.short = not self.sign and (self.sentence in range(1, SHORT_SENTENCE) or (words < 2 and len(line) < 9))

    def ends(self, level: int) -> bool:
        """Whether it goes from the end of an article."""
        return self.sign or (level >= AT_END and not self.short)
