"""Bytes into text: which encoding a file is written in."""

from __future__ import annotations

import codecs

from searchidx.errors import ExtractError

# The mark of UTF-32-LE begins with that of UTF-16-LE, so it is tried first.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Those that web pages come in (the Encoding Standard has them); code pages of DOS and mainframes only mislead.
_GUESSES = (
    "cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874 cp866 cp932 cp949 iso8859_2 iso8859_5 "
    "iso8859_7 iso8859_15 koi8_r koi8_u mac_roman gb18030 big5 euc_jp euc_kr iso2022_jp shift_jis"
)
HEAD = 8192
"""Bytes at the start of a file in which a NUL byte means that it is binary."""


def marked_encoding(raw: bytes) -> str:
    """The encoding that a byte order mark names, or ``""``."""
    return next((encoding for mark, encoding in _MARKS if raw.startswith(mark)), "")


def is_binary(head: bytes) -> bool:
    """Whether a file that starts with these bytes holds no text."""
    return b"\0" in head[:HEAD] and not marked_encoding(head)


def decode(raw: bytes, uri: str, declared: str = "") -> str:
    """The text in ``raw``: by its byte order mark, else UTF-8, else as ``declared``, else as its bytes look.

    Raises:
        ExtractError: it is binary, or in no encoding that can be told.
    """
    if is_binary(raw):
        raise ExtractError(uri, "a binary file, not text: export it as text, Markdown or HTML")
    for encoding in filter(None, (marked_encoding(raw), "utf-8", declared)):
        try:
            return raw.decode(encoding)
        except (UnicodeDecodeError, LookupError):
            continue
    from charset_normalizer import from_bytes

    best = from_bytes(raw, cp_isolation=_GUESSES.split()).best()
    if best is None:
        raise ExtractError(uri, "its encoding cannot be told: save it as UTF-8")
    return raw.decode(best.encoding, errors="replace")
