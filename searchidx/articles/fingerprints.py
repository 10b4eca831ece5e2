"""Fingerprints of articles: two that are copies of one another agree in most of their bytes, others in hardly any.

A text becomes its words (case, punctuation and the kinds of quotation marks and dashes aside), every run of ``WIDTH``
words becomes a number, and the MinHash of these numbers is kept, one byte of each of its values. The share of bytes in
which two fingerprints agree is, give or take 0.04, the share of runs that two texts have in common (their Jaccard
resemblance). Width, bound and shortest text were chosen by measurement, see docs/decisions/020-near-duplicates.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import xxhash

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Numbers = npt.NDArray[np.uint64]

WIDTH = 5
"""Words in a run."""
SHORTEST = 80
"""Words of a text at least: shorter ones share their form with others that say something else."""
VARIED = 60
"""Different ones at least among the first FIRST runs: a text that repeats a few sentences has fewer."""
FIRST = 300
LONGEST = 200_000
"""Bytes of a text that are looked at."""
SIZE = 128
"""Bytes of a fingerprint."""
BANDS, ROWS = 10, 3
"""The first bytes, in bands of ROWS: whoever shares no band is not compared. Of articles with a resemblance of 0.65,
0.7 and 0.8 these find 96%, 99% and all, of others with 0.2 8%."""
LEAST = 83
"""Bytes in which copies agree at least: 0.65 of them."""
SEED = 20
FACTOR = 0xD6E8FEB86659FD93
"""An odd number without a pattern, for hashing."""

_BLANKS = bytes(c if c > 127 else ord(chr(c).lower()) if chr(c).isalnum() else 32 for c in range(256))
"""ASCII in lower case, and blanks for all that is no letter or digit."""
_UNSPACED = re.compile(
    rb"\xe0[\xb8-\xbb].|\xe1(?:[\x80-\x82\x9e\x9f]).|\xe2[\xba-\xbf].|[\xe3-\xe9]..|\xef[\xa4-\xab].|\xf0[\xa0-\xbf]..",
    re.DOTALL,
)
"""Characters of scripts without blanks between words, in UTF-8: each is a word."""
_GENERAL = re.compile(rb"\xe2\x80.", re.DOTALL)
"""General punctuation of Unicode: quotation marks, dashes, dots, odd blanks."""


def fingerprint(text: str) -> bytes:
    """SIZE bytes, or none where the text is too short to tell; the same on every machine (see ``method``)."""
    import numpy as np

    runs = _runs(text)
    return b"" if runs is None else _minhash(runs).astype(np.uint8).tobytes()


@cache
def method() -> str:
    """A name for how fingerprints are made here, with those of probes in it: it changes when any of them does.

    rensa changed its numbers between versions before; whoever keeps fingerprints compares this, and makes them anew.
    """
    import numpy as np

    probes = [_mixed(np.arange(count, dtype=np.uint64)) for count in (SHORTEST - WIDTH + 1, 500, 20_000)]
    words = " ".join(
        f"\u201cNa\xefve{n}\u201d, it\u2019s \u5927\u6f20\u5b64\u70df A\u2014{n}." for n in range(SHORTEST)
    )
    seen = fingerprint(words) + b"".join(_minhash(probe).tobytes() for probe in probes)
    bounds = f"{SHORTEST}-{VARIED}-{FIRST}-{LONGEST}-{BANDS}x{ROWS}-{LEAST}of{SIZE}"
    return f"minhash-{WIDTH}-{bounds}-{xxhash.xxh3_64_hexdigest(seen)}"


def bands(signature: bytes) -> list[int]:
    """The bands of a fingerprint as numbers below 2**28: copies share at least one."""
    return [
        number << 8 * ROWS | int.from_bytes(signature[number * ROWS : (number + 1) * ROWS], "big")
        for number in range(BANDS)
    ]


def alike(signature: bytes, others: Sequence[bytes]) -> list[bool]:
    """Which of some fingerprints are those of copies: they share a band, and agree in LEAST bytes or more."""
    import numpy as np

    rows = np.frombuffer(b"".join(others), np.uint8).reshape(-1, SIZE)
    same = rows == np.frombuffer(signature, np.uint8)
    shared = same[:, : BANDS * ROWS].reshape(-1, BANDS, ROWS).all(axis=2).any(axis=1)
    found: list[bool] = ((same.sum(axis=1) >= LEAST) & shared).tolist()
    return found


# from a text to numbers


class _Tables(NamedTuple):
    """A number for each byte, and the powers of an odd number and of its inverse: hashes that slide along a text."""

    values: npt.NDArray[np.uint32]
    powers: npt.NDArray[np.uint32]
    inverse: npt.NDArray[np.uint32]


@cache
def _tables() -> _Tables:
    import numpy as np

    values = np.array([xxhash.xxh32_intdigest(bytes([c])) for c in range(256)], np.uint32)
    values[32] = 0
    base, size = 0x9E3779B9 | 1, LONGEST + 2
    powers, inverse = (
        np.cumprod(np.full(size, factor, np.uint32), dtype=np.uint32) for factor in (base, pow(base, -1, 1 << 32))
    )
    return _Tables(values, powers, inverse)


def _runs(text: str) -> Numbers | None:
    """A number for each run of WIDTH words, or None where there are too few, or too few different ones.

    Words are hashed all at once: sums of ``value * power`` up to each byte give those of any stretch by subtraction. It
    takes a fifth of the time of cutting words out and hashing them one by one.
    """
    import numpy as np

    letters = np.frombuffer(b" %s " % _plain(text), np.uint8)
    inside = letters != 32
    edges = np.flatnonzero(inside[1:] != inside[:-1])
    starts, ends = edges[::2], edges[1::2]
    if len(starts) < SHORTEST:
        return None
    tables = _tables()
    sums = tables.values.take(letters)
    sums *= tables.powers[: len(letters)]
    np.cumsum(sums, dtype=np.uint32, out=sums)
    words = ((sums.take(ends) - sums.take(starts)) * tables.inverse.take(starts)).astype(np.uint64)
    count = len(words) - WIDTH + 1
    runs = words[:count].copy()
    for place in range(1, WIDTH):
        runs *= np.uint64(FACTOR)
        runs += words[place : place + count]
    runs = _mixed(runs)
    different = np.zeros(1 << 12, np.bool_)
    different[runs[:FIRST] >> np.uint64(52)] = True  # a few fall together; to sort them would take longer
    return runs if np.count_nonzero(different) >= VARIED else None


def _plain(text: str) -> bytes:
    """The words of a text in UTF-8 with blanks between them."""
    import numpy as np

    raw = text[:LONGEST].encode("utf-8", "surrogatepass")
    if not raw.isascii():
        raw = _GENERAL.sub(b" ", raw).replace(b"\xc2\xa0", b" ")
        if np.frombuffer(raw, np.uint8).max() >= 0xE0:
            raw = _UNSPACED.sub(rb" \g<0> ", raw)
    return raw[: LONGEST - 2].translate(_BLANKS)


def _mixed(numbers: Numbers) -> Numbers:
    """Numbers so that each bit depends on all of them, which the products above do not give."""
    import numpy as np

    half = np.uint64(32)
    numbers = (numbers ^ (numbers >> half)) * np.uint64(FACTOR)
    return numbers ^ (numbers >> half)


def _minhash(runs: Numbers) -> npt.NDArray[np.uint32]:
    """The SIZE values of the MinHash."""
    import numpy as np
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(runs, [0, len(runs)], SIZE, SEED)
    return np.array(matrix.to_rows()[0], np.uint32)
