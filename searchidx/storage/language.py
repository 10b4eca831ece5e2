"""Which language do these articles have? Asked once, of the first articles of an index that was given none.

What articles declare comes first, then their script, then the share of stop words, of which tantivy has lists for the
languages whose script does not tell. On texts of a hundred words that is as sure as a trained model, which would take
a second to load.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from searchidx.storage.analysis import LANGUAGES, STOPPED
from searchidx.types import Document

DEFAULT = "en"
"""The language where nothing tells."""
ARTICLES, CHARACTERS = 20, 1000
"""How many articles are looked at, and how much of each."""
CLEAR = 0.2
"""Share of stop words from which a language is taken; it is 0.3 to 0.5 in running text, and below 0.2 in another's."""
WIDELY = 0.3
"""Share of letters from which a script is an article's own; kana is a third of Japanese."""
_SCRIPTS = {
    "ja": re.compile("[\u3041-\u309f\u30a1-\u30fa]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "zh": re.compile("[\u3400-\u4dbf\u4e00-\u9fff]"),
    "th": re.compile("[\u0e01-\u0e5b]"),
    "ar": re.compile("[\u0621-\u064a]"),
    "el": re.compile("[\u0370-\u03ff]"),
    "ta": re.compile("[\u0b80-\u0bff]"),
}
"""Scripts that tell the language; kana before Han, which Japanese has too."""
_LETTER = re.compile(r"[^\W\d_]")


def language_of(documents: Sequence[Document]) -> str:
    """The ISO 639 code of the language of most of the articles."""
    declared = Counter(document.language for document in documents if len(document.language) == 2)
    if declared.total() > len(documents) / 2:
        return declared.most_common(1)[0][0]
    return _spoken("\n".join(document.text[:CHARACTERS] for document in documents[:ARTICLES]))


def _spoken(text: str) -> str:
    letters = len(_LETTER.findall(text)) or 1
    for language, script in _SCRIPTS.items():
        if len(script.findall(text)) > WIDELY * letters:
            return language
    words = len(_cut(text)) or 1
    shares = {
        language: 1 - len(_cut(text, language)) / words for language in sorted(STOPPED, reverse=True)
    }  # no before nb
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= CLEAR else DEFAULT


def _cut(text: str, language: str = "") -> list[str]:
    """The words of a text, without the stop words of a language."""
    from tantivy import Filter, TextAnalyzerBuilder, Tokenizer

    builder = TextAnalyzerBuilder(Tokenizer.simple()).filter(Filter.lowercase())
    builder = builder.filter(Filter.stopword(LANGUAGES[language])) if language else builder
    return list(builder.build().analyze(text))
