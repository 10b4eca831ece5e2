"""Two readings of one page, ours and trafilatura's: where they differ, which is the article.

Ours finds the part of the page that holds the article and writes all of it that is no furniture; trafilatura's collects
what looks like an article. Each misses parts that the other has. Where they differ much, a third reading decides.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

ENOUGH = 250
"""Letters of trafilatura's reading below which it says nothing against ours."""
_LINE = 20
"""Letters of a line that is looked for in the other reading."""
_WORD = re.compile(r"[^\W_]+")
_STOP = re.compile(r"[.!?…:;,。！？।]['\"”’»)\]*]*$")


def weigh(ours: str, theirs: str, third: Callable[[], str], shown: str) -> str:
    """The article by two readings in Markdown; ``third`` reads the page again, as plain text.

    ``shown`` is all text of the page that may be part of an article.
    """
    mine, other = _Reading(ours), _Reading(theirs)
    if not mine.words or not other.words:
        return ours or theirs
    size, theirs_in = _found(other, mine)
    _, ours_in = _found(mine, other)
    if size > ENOUGH:
        if theirs_in < 0.3 or (ours_in > 0.9 and theirs_in < 0.9):  # another article, or more of this one
            return theirs
        if ours_in < 0.8:
            judge = plain(third())
            if judge and _likeness(judge, other.words) > _likeness(judge, mine.words):
                return theirs
        elif theirs_in < 0.6:
            return theirs
    return _joined(mine, other, plain(shown))


def plain(text: str) -> str:
    """The words of a text, in small letters, with a blank around each."""
    words = " ".join(_WORD.findall(text.casefold()))
    return f" {words} " if words else ""


class _Reading:
    """A text by its lines, each with its words; a line that is looked for is mostly a line of the other text too."""

    def __init__(self, text: str) -> None:
        self.lines = [(line, plain(line)) for line in text.split("\n")]
        self.words = plain(text)
        self._known = {words for _, words in self.lines}

    def has(self, words: str) -> bool:
        return words in self._known or words in self.words


def _found(one: _Reading, other: _Reading) -> tuple[int, float]:
    """Letters of the longer lines of a text, and the share of them in lines that stand in the other."""
    size = found = 0
    for _, words in one.lines:
        if len(words) > _LINE:
            size += len(words)
            found += len(words) * other.has(words)
    return size, found / max(size, 1)


def _likeness(one: str, other: str) -> float:
    """From 0 to 1: how many runs of four words two plain texts share."""
    runs, others = _runs(one), _runs(other)
    return 2 * (runs & others).total() / max(runs.total() + others.total(), 1)


def _runs(text: str) -> Counter[tuple[str, ...]]:
    words = text.split()
    return Counter(zip(words, words[1:], words[2:], words[3:], strict=False))


def _joined(ours: _Reading, theirs: _Reading, shown: str) -> str:
    """Ours without its stray lines, below the lead that only theirs has."""
    lines = [line for line, words in ours.lines if not _stray(line, words, theirs)]
    while lines and _is_loose(lines[-1]):
        lines.pop()
    text = "\n\n".join([*_lead(ours, theirs, shown), "\n".join(lines)])
    return re.sub(r"\n{3,}", "\n\n", text)


def _stray(line: str, words: str, theirs: _Reading) -> bool:
    """Whether a line is no sentence and only in this reading: a name, a date, a label."""
    if not 0 < len(words) < 100 or line.lstrip("> ").startswith("#") or "|" in line or _STOP.search(line.strip()):
        return False
    return not theirs.has(words)


def _is_loose(line: str) -> bool:
    """Whether a last line announces what does not follow."""
    return not line.strip() or line.startswith("#") or (len(line) < 60 and line.rstrip().endswith(":"))


def _lead(ours: _Reading, theirs: _Reading, shown: str) -> list[str]:
    """The first sentences of theirs that ours lacks, three lines at most, above what both have."""
    lead = list[str]()
    for line, words in theirs.lines:
        if len(words) <= _LINE:
            continue
        if ours.has(words):
            return lead if len(lead) <= 3 else []
        if len(words) > 60 and words in shown and _STOP.search(line.strip()):
            lead.append(line)
    return []
