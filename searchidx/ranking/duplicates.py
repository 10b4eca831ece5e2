"""Which texts say again what texts before them said: copies of a wire story, a quotation that is most of a passage."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence, Set

Shingle = tuple[str, ...]
WIDTH = 3
"""Words to a shingle."""
THRESHOLD = 0.8
"""Share of a text's shingles that were there before, from which on it is a near-duplicate. Both were chosen by
measurement, see docs/decisions/012-context.md."""

# Scripts without blanks between words are taken by the character, as one long word would match only as a whole.
_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")


def near_duplicates(texts: Sequence[str]) -> list[int | None]:
    """For each text the index of an earlier one that it repeats, or None where it says something of its own.

    A text repeats when at least ``THRESHOLD`` of its different shingles (``WIDTH`` words in a row, case and punctuation
    aside) stand in the texts before it that do not repeat themselves, together; the index is that of the one with most
    of them. So a part of an earlier text repeats it, while a text that adds as much as it repeats does not; the order
    decides, best first. A text shorter than a shingle repeats only its equal. Time grows with the length of all.
    """
    taken = Taken()
    repeated = list[int | None]()
    for index, text in enumerate(texts):
        some = shingles(text)
        repeated.append(taken.repeated_by(some))
        if repeated[-1] is None:
            taken.add(index, some)
    return repeated


class Taken:
    """The shingles of the texts taken so far, each with the number of the text that had it first."""

    def __init__(self) -> None:
        self._owner: dict[Shingle, int] = {}

    def add(self, number: int, some: Set[Shingle]) -> None:
        """Take a text."""
        for shingle in some:
            self._owner.setdefault(shingle, number)

    def repeated_by(self, some: Set[Shingle]) -> int | None:
        """The number of the taken text that a text repeats, or None."""
        owners = Counter(self._owner[shingle] for shingle in some if shingle in self._owner)
        if owners.total() < THRESHOLD * len(some):
            return None
        return min(owners, key=lambda number: (-owners[number], number))


def shingles(text: str) -> Set[Shingle]:
    """The different runs of ``WIDTH`` words in a text."""
    words = _WORD.findall(text.casefold())
    if len(words) < WIDTH:
        return {tuple(words) or (text.strip(),)}
    return set(zip(*(words[start:] for start in range(WIDTH)), strict=False))
