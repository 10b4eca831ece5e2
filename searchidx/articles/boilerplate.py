"""The furniture around a scraped article: lists of other stories, bios, prompts and notices, by their form.

A text is a row of blocks (paragraphs, or lines where a paragraph is a list of lines). Each gets evidence for furniture
(`furniture.SIGNS`: what it says and how it is set) or for body (sentences). Two things are then dropped:

- the *tail*: from the block where what follows is, all evidence added up, most likely furniture, to the end. It opens
  with a block that says so ("Recent Posts"), never with one that is only short, so a list that ends an article stays;
- blocks that are furniture wherever they stand ("Advertisement", "Read more: ...").

Everything else stays, as it is. Time grows with the length of the text, as long blocks are body by their length.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from searchidx.articles.furniture import SIGNS, TRIGGERS
from searchidx.articles.headings import lines_of
from searchidx.types import Document

LONGEST = 700
"""Characters of a block in which signs are looked for; what is longer is a paragraph."""
OPENS, ENOUGH = 3.0, 3.0
"""Evidence of a block that may open the tail, and of the tail with it."""
WEAK, PLENTY = 2.0, 8.0
"""The same for a block that says less: it opens a tail only where much follows."""

SHARE = 1
"""Sentences of a tail at most, as evidence, against those above it: the menu over an article, with all that follows,
can look more like furniture than the footer alone, and must not take the article with it."""
TEASER, TEASERS = 400, 4
"""Characters of a teaser at most, and how many under headlines of their own make a list."""
MOST_LINES = 6
"""Lines over a teaser at most, where no heading says that there is a list."""
COMMENT = 6
"""Blocks from one reader's comment to the next at most."""

_WORD = re.compile(r"[^\W\d_]+")
_QUOTES, _CLOSERS = '"\u201c\u2018„«', "\"'\u201d\u2019»)]*"
_STOPS = (".", "!", "?", ",", "\u3002", "\uff01", "\uff1f")
_REASONS = frozenset(sign.reason for sign in SIGNS)


@dataclass(frozen=True, slots=True)
class Block:
    """A stretch of a text, ``text[start:end]``, that is kept or dropped as a whole.

    Attributes:
        start: its first character.
        end: one past its last.
        score: evidence for furniture, as a logarithm: above 0 it looks like furniture, below like an article's body.
        reason: what gave the most evidence.
        kept: whether it is part of the article.
    """

    start: int
    end: int
    score: float
    reason: str
    kept: bool = True


def strip(text: str) -> tuple[str, list[Block]]:
    """The text without its furniture, and every block of it, with the reason; positions count the text as given.

    A text that is nothing but furniture stays whole.
    """
    blocks = judge(text)
    kept = [block for block in blocks if block.kept]
    if len(kept) == len(blocks):
        return text, blocks
    if not kept:
        return text, [replace(block, kept=True) for block in blocks]
    pieces = [text[kept[0].start : kept[0].end]]
    for before, block in pairwise(kept):
        gap = text[before.end : block.start]
        pieces += (gap if not gap.strip() else "\n\n", text[block.start : block.end])
    return "".join(pieces), blocks


def without_furniture(document: Document) -> Document:
    """The document without its furniture; one that is nothing else stays whole."""
    text, _ = strip(document.text)
    return document if text == document.text else replace(document, text=text.strip())


def judge(text: str) -> list[Block]:
    """The blocks of a text with their evidence, and whether each is kept."""
    blocks, alone = list[Block](), list[bool]()
    for start, end in lines_of(text):
        score, reason, anywhere = _evidence(text[start:end])
        blocks.append(Block(start, end, score, reason))
        alone.append(anywhere)
    _weigh_neighbours(text, blocks)
    _weigh_lists(blocks)
    _weigh_comments(blocks)
    cut = _tail(blocks, alone)
    return [replace(block, kept=number < cut and not alone[number]) for number, block in enumerate(blocks)]


def evidence(block: str) -> tuple[float, bool, bool]:
    """Evidence of one block by itself, whether a sign gives it, and whether it is furniture wherever it stands."""
    score, reason, anywhere = _evidence(block)
    return score, reason in _REASONS, anywhere


def _evidence(block: str) -> tuple[float, str, bool]:
    """Evidence of one block by itself, its reason, and whether it is furniture wherever it stands."""
    if len(block) > LONGEST:
        return -6.0, "long paragraph", False
    line = " ".join(block.split())
    words = _WORD.findall(line)
    form, reason = _form(line, words)
    if form < -1.5 and "©" not in line and TRIGGERS.isdisjoint(word.lower() for word in words):
        return form, reason, False
    found = [sign for sign in SIGNS if sign.fits(line)]
    if not found:
        return form, reason, False
    best = max(found, key=lambda sign: sign.weight)
    doubt = min(form, 0.0)  # prompts are short, notices less so, bios are paragraphs
    if best.reason != "call to act":
        bio = best.reason == "author" and best.opening and best.opening.match(line)
        doubt = max(doubt, -0.5) if bio else doubt / 2
    score = best.weight + 0.5 * (len(found) - 1) + doubt
    listed = line.startswith(("* ", "- ", "+ "))  # what an article lists can be anything
    return score, best.reason, score >= WEAK and not listed and any(sign.alone for sign in found)


def _form(line: str, words: Sequence[str]) -> tuple[float, str]:
    """Evidence of how a block is set: sentences are body, what has none is furniture a little."""
    closing = line.rstrip(_CLOSERS)[-1:]
    if line.endswith(("…", "...")) and len(words) > 3 and line[0] not in _QUOTES:
        return (1.5, "breaks off") if len(words) < 60 else (-1.0, "sentences")
    capitals = sum(word[0].isupper() for word in words if len(word) > 3)
    titled = len(words) > 3 and capitals > 0.7 * sum(len(word) > 3 for word in words)
    if closing in _STOPS:
        if closing != "," and titled and 6 <= len(words) < 25 and not line.isupper():
            return 0.0, "headline"
        if len(words) < 6:
            return 0.0, "short sentence"
        quoted = 1.0 if line[0] in _QUOTES else 0.0
        return -min(len(words) / 10, 6.0) - quoted, "sentences"
    if len(words) > 40:
        return -min(len(words) / 20, 4.0), "long paragraph"
    return (0.7, "headline") if titled else (0.4, "no sentence")


def _weigh_neighbours(text: str, blocks: list[Block]) -> None:
    """Evidence that blocks give each other: the headline and blurb above an age, the name above a bio."""
    for number, block in enumerate(blocks):
        if block.reason == "time ago":
            for other in range(max(0, number - 2), number):
                near = blocks[other]
                if near.score < 2 and near.end - near.start < 250:
                    blocks[other] = replace(near, score=near.score + 2.0, reason="teaser with its age")
        elif block.reason == "author" and number:
            above = blocks[number - 1]
            name = text[above.start : above.end]
            if len(name) < 50 and text.startswith(name, block.start):
                blocks[number - 1] = replace(above, score=OPENS, reason="author")


def _weigh_lists(blocks: list[Block]) -> None:
    """Evidence for teasers of whole sentences: below the heading of a list, each one paragraph under its headline.

    Below other furniture they must be twice as many, or have another line, of a place or topic say, with each headline.
    """
    done = 0
    for number, block in enumerate(blocks):
        heading = block.reason == "list of other stories"
        if number < done or not (heading or block.score >= OPENS):
            continue
        teasers, headlines, weight = list[int](), 0, 0
        for below in range(number + 1, len(blocks)):
            if blocks[below].reason == "list of other stories":  # it is looked at by itself
                break
            if blocks[below].score >= 0 and (heading or headlines < MOST_LINES):
                headlines += 1
            elif headlines and blocks[below].score < 0 and blocks[below].end - blocks[below].start <= TEASER:
                teasers.append(below)
                weight += 2 if heading or headlines > 1 else 1
                headlines = 0
            else:
                break
        if weight >= 2 * TEASERS:
            done = teasers[-1]
            for teaser in teasers:
                blocks[teaser] = replace(blocks[teaser], score=-0.3, reason="teaser under its headline")


def _weigh_comments(blocks: list[Block]) -> None:
    """Evidence for what stands between two marks of readers' comments (who, when), however it is written."""
    marks = [number for number, block in enumerate(blocks) if block.reason in ("comment", "time ago")]
    for first, second in pairwise(marks):
        if second - first <= COMMENT:
            for number in range(first + 1, second):
                if blocks[number].score < 0:
                    blocks[number] = replace(blocks[number], score=-0.3, reason="comment")


def _tail(blocks: Sequence[Block], alone: Sequence[bool]) -> int:
    """Number of the block with which the tail begins; that of all blocks where there is none.

    Blocks that are furniture wherever they stand say little of what is around them, advertisements nothing.
    """
    best, cut, total, sentences = 0.0, len(blocks), 0.0, 0.0
    body = sum(max(-block.score, 0.0) for block in blocks)
    for number in range(len(blocks) - 1, -1, -1):
        block = blocks[number]
        if alone[number]:
            total += 0.0 if block.reason == "advertisement" else 1.5
        else:
            total += block.score
        sentences += max(-block.score, 0.0)
        if sentences > SHARE * (body - sentences):
            break
        if total < best or block.reason == "advertisement":
            continue
        if (block.score >= OPENS and total >= ENOUGH and not alone[number]) or (
            block.score >= WEAK and total >= PLENTY
        ):
            best, cut = total, number
    return cut
