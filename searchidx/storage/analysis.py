"""What a word is: how the lexical leg cuts texts into words, by language, and tantivy's schema over them.

A text is prepared here and cut by tantivy. Runs of scripts that put no spaces between words (Chinese, Japanese, Thai,
and Korean too) become overlapping pairs of characters in every language, because a character shows its script.
docs/decisions/007-lexical-analysis.md has what each rule gains.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache, cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tantivy

VERSION = 2
"""Change it with any change that makes other words, and arrangements are rebuilt."""
TITLE = 2
"""Times that a title counts; heading and text count once."""
LANGUAGES = {
    "ar": "arabic", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish", "fi": "finnish",
    "fr": "french", "hu": "hungarian", "it": "italian", "nb": "norwegian", "nl": "dutch", "nn": "norwegian",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sv": "swedish", "ta": "tamil",
    "tr": "turkish",
}  # fmt: skip
"""Languages that tantivy can stem, by ISO 639 code; words of any other are taken as they are."""
STOPPED = LANGUAGES.keys() - {"ar", "el", "ro", "ta", "tr"}
"""Languages that tantivy has stop words for."""
UNKNOWN = "auto"
"""The language of an index that is still to be found, from its first articles."""
ASKING = [
    "what", "which", "who", "whom", "whose", "how", "when", "where", "why", "did", "does", "do", "done", "doing", "has",
    "have", "had", "having", "can", "could", "would", "should", "might", "must", "shall", "were", "been", "being", "am",
    "i", "me", "my", "we", "our", "ours", "you", "your", "yours", "he", "him", "his", "she", "her", "hers", "its",
    "them", "from", "about", "according", "after", "again", "against", "before", "between", "during", "further", "once",
    "through", "until",
]  # fmt: skip
"""English words of questions that carry no meaning and tantivy's list lacks; not "us", "may", "up" and "down"."""

_SPACELESS = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_YO = (("\u0451", "\u0435"), ("\u0401", "\u0415"))  # Russian writes either
_WIDE = re.compile("[\uff01-\uffee]+")
_FAR = re.compile("[^\x00-\u0dff\u2000-\u2fff]")  # may be one of these; three times faster than asking for each
# each begins with the character to look for, which makes a search six times faster than the words before it would
_ACRONYM = re.compile(r"\.(?<=\b[^\W\d_]\.)(?:[^\W\d_]\.)*[^\W\d_]\b")
_THOUSANDS = re.compile(r",(?<=\d,)(?=\d{3}(?!\d))")
# a set of characters that holds all digits is found four times as fast as \d, and left out are the most frequent others
_DIGIT = "[0-9\u0660-\u1fff\ua600-\U0010ffff]"
_MIXED = re.compile(_DIGIT + r"(?<=\d)(?:(?<=[^\W\d_]\d)|(?=[^\W\d_]))")
_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r"\d+|[^\W\d_]+")
_ORDINAL = re.compile(r"\d+(?:st|nd|rd|th|s)", re.IGNORECASE)
_SAME_WORD = r"(?:(?<=\b[^\W\d_])(?:\.[^\W\d_])+\b|(?<=\d)(?:,\d{3})+\b)?"  # the rest of U.S and 1,000
_PIECE = re.compile(r"[^\W_]+" + _SAME_WORD)
_PAIR = re.compile("..")
_SUFFIX = re.compile(r"(?:n['\u2019]t|['\u2019](?:s|d|m|ll|re|ve))\b", re.IGNORECASE)
LONGEST = 64
"""Bytes of a word at most; what is longer is no word."""


@cache
def _run() -> re.Pattern[str]:
    """A run of them; these two expressions take 4 ms to compile, and few texts need them."""
    return re.compile(f"[{_SPACELESS}]+")


@cache
def _far_piece() -> re.Pattern[str]:
    """A run of them, or another word."""
    return re.compile(rf"([{_SPACELESS}]+)|[^\W_{_SPACELESS}]+" + _SAME_WORD)


class Analysis:
    """Words of one language.

    Attributes:
        language: ISO 639 code.
        name: changes with anything that makes other words.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self.name = f"{language}-{VERSION}"

    @cached_property
    def analyser(self) -> tantivy.TextAnalyzer:
        """Words as runs of letters and digits, lower case, stemmed, without accents; of prepared texts."""
        return self._build(stop_words=True)

    @cached_property
    def _content(self) -> tantivy.TextAnalyzer:
        return self._build(stop_words=False)

    def _build(self, *, stop_words: bool) -> tantivy.TextAnalyzer:
        from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

        builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.remove_long(LONGEST)).filter(Filter.lowercase())
        if not stop_words and self.language in STOPPED:
            builder = builder.filter(Filter.stopword(LANGUAGES[self.language]))
        if not stop_words and self.language == "en":
            builder = builder.filter(Filter.custom_stopword(ASKING))
        if self.language == "en":  # the English stemmer knows no accents; others read them
            return builder.filter(Filter.ascii_fold()).filter(Filter.stemmer("english")).build()
        if self.language in LANGUAGES:
            builder = builder.filter(Filter.stemmer(LANGUAGES[self.language]))
        return builder.filter(Filter.ascii_fold()).build()

    def words(self, text: str) -> list[str]:
        """The words that a text is indexed by."""
        return list(self.analyser.analyze(prepare(text)))

    def content_words(self, text: str) -> list[str]:
        """The words of a text without those that carry no meaning, for queries and highlights."""
        if self.language == "en":
            text = _SUFFIX.sub(" ", text)
        return list(self._content.analyze(prepare(text)))


def analysis(language: str | None = None) -> Analysis:
    """The analysis of a language; English where none is set or found yet."""
    return _analysis("en" if language is None or language == UNKNOWN else language)


@cache
def _analysis(language: str) -> Analysis:
    return Analysis(language)


def check_language(code: str) -> str:
    """The code itself.

    Raises:
        ValueError: it is no two-letter code, nor ``auto``.
    """
    if code != UNKNOWN and not re.fullmatch("[a-z]{2}", code):
        known = ", ".join(sorted(LANGUAGES))
        raise ValueError(f"{code!r} is no language: use auto or a code of two letters; words are stemmed in {known}")
    return code


def passage_text(title: str, heading: str, text: str) -> str:
    """All that a passage is found by, prepared: one field, in which the title counts more."""
    return prepare("\n".join([title] * TITLE + [heading, text]))


def prepare(text: str) -> str:
    """Write a text so that cutting it at all but letters and digits gives its words.

    ``U.S.`` becomes ``US``, ``1,000`` becomes ``1000``, the longer parts of ``IL6`` (``IL``) are added at the end, and
    characters of scripts without spaces are paired.
    """
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
        for yo, ye in _YO:
            text = text.replace(yo, ye)
        if _FAR.search(text):
            text = _WIDE.sub(lambda wide: unicodedata.normalize("NFKC", wide[0]), text)
            text = _run().sub(lambda run: f" {' '.join(_pairs(run[0]))} ", text)
    text = _ACRONYM.sub(lambda rest: rest[0].replace(".", ""), text)
    text = _THOUSANDS.sub("", text)
    return " ".join([text, *_parts(text)]) if _MIXED.search(text) else text


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def _parts(text: str) -> Iterator[str]:
    """The longer parts of words of letters and digits; not those of ``20th`` and ``1980s``."""
    pieces = (piece for piece in text.split() if not piece.isalpha() and _MIXED.search(piece))
    for word in (word for piece in pieces for word in _WORD.findall(piece)):
        if not (word.isalpha() or word.isdigit() or len(word) > LONGEST or _ORDINAL.fullmatch(word)):
            yield from (part for part in _PART.findall(word) if len(part) > 1)


def pieces(text: str) -> Iterator[re.Match[str]]:
    """What is analysed alone for highlights: words, ``U.S``, ``1,000``, pairs of characters."""
    return _far_pieces(text) if _FAR.search(text) else _PIECE.finditer(text)


def _far_pieces(text: str) -> Iterator[re.Match[str]]:
    for match in _far_piece().finditer(text):
        start, end = match.span()
        pairs = range(start, end - 1) if match[1] and end - start > 2 else ()
        yield from (pair for i in pairs if (pair := _PAIR.match(text, i))) if pairs else (match,)


@cache
def schema() -> tantivy.Schema:
    """Fields of the lexical arrangement."""
    from tantivy import SchemaBuilder

    builder = SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    builder.add_unsigned_field("position", fast=True)
    builder.add_text_field("store", stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("text", tokenizer_name="searchidx", index_option="freq")
    return builder.build()
