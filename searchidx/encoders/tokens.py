"""From text to token ids, for static encoders: by the tokenizers library, or by words for the bundled model.

The bundled model has whole words, and pieces of the words it does not know, in ``words.txt``. Its ``tokenizer.json``
says the same to the library, and the ids are equal (a property in the tests). Looking words up is several times as
fast, and opening the vocabulary too, which a query from the command line waits for
(docs/decisions/008-bundled-encoder-v1.md).
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from searchidx.errors import EncoderNotFound

if TYPE_CHECKING:
    import numpy.typing as npt
    from tokenizers import Tokenizer

    Ids = npt.NDArray[np.intp]

COUNTRY = r"\bU\.S\.(?:A\.)?|\bUSA?\b|\bU\.S\b"
"""The United States in capitals, which lower case would make the pronoun."""
NORMALIZER = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Replace", "pattern": {"Regex": COUNTRY}, "content": "usa"},
        {"type": "NFD"},
        {"type": "Lowercase"},
        {"type": "StripAccents"},
    ],
}
PRE_TOKENIZER = {"type": "Split", "pattern": {"Regex": r"[\p{L}\p{N}]+"}, "behavior": "Removed", "invert": True}
MODEL = {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##", "max_input_chars_per_word": 100}
SLICE = 1_024
"""Texts tokenised at once: bounds the tokenizer's own memory; larger ones are no faster."""
REMEMBERED = 65_536
"""Unknown words whose pieces are remembered."""

_COUNTRY = re.compile(COUNTRY)
_WORD = re.compile(r"[^\W_]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ASCII = {ord(letter): letter.lower() if letter.isalnum() else " " for letter in map(chr, range(128))}


def tokenizer_json(vocabulary: Mapping[str, int]) -> dict[str, Any]:
    """What the tokenizers library reads: the same words and pieces."""
    empty: dict[str, Any] = {"truncation": None, "padding": None, "added_tokens": []}
    last: dict[str, Any] = {"post_processor": None, "decoder": None}
    steps = {"normalizer": NORMALIZER, "pre_tokenizer": PRE_TOKENIZER}
    return {"version": "1.0", **empty, **steps, **last, "model": {**MODEL, "vocab": dict(vocabulary)}}


def words_of(vocabulary: Mapping[str, int]) -> str:
    """A vocabulary as lines, the line of each word its id: read in half the time of ``tokenizer.json``."""
    return "\n".join(sorted(vocabulary, key=vocabulary.__getitem__))


def read_tokenizer(path: Path, words: Path | None = None) -> WordTokenizer | LibraryTokenizer:
    """The tokenizer in ``tokenizer.json``.

    Args:
        path: of that file.
        words: a file with the same words as lines (``words_of``), which then is read instead.

    Raises:
        EncoderNotFound: there is none, or it cannot be read.
    """
    if not path.is_file():
        raise EncoderNotFound(f"{path} is missing; the model is not complete")
    if words:
        lines = words.read_text("utf-8").split("\n")
        return WordTokenizer(dict(zip(lines, range(len(lines)), strict=True)))
    try:
        described = json.loads(path.read_bytes())
        vocabulary = described["model"].pop("vocab")
        if {**described, "model": {**described["model"], "vocab": {}}} == tokenizer_json({}):
            return WordTokenizer(vocabulary)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # the library says what is wrong
    return LibraryTokenizer(path)


class LibraryTokenizer:
    """Any ``tokenizer.json``. A limit stored in it holds for vectors and not for counting, so it is not applied here.

    Attributes:
        max_tokens: that limit; 0 where there is none.
        keep_end: whether it is the beginning that is cut off.
    """

    def __init__(self, path: Path) -> None:
        from tokenizers import Tokenizer

        try:
            self._tokenizer: Tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise EncoderNotFound(f"{path} is not a tokenizer ({error}); copy the model again") from error
        limit = self._tokenizer.truncation or {}
        self.max_tokens = int(limit.get("max_length", 0))
        self.keep_end = limit.get("direction") == "left"
        self._tokenizer.no_padding()  # it would count as tokens
        self._tokenizer.no_truncation()

    @property
    def vocabulary(self) -> Mapping[str, int]:
        """Id of each token."""
        return self._tokenizer.get_vocab()

    def tokenise(self, texts: Sequence[str]) -> Iterator[Ids]:
        """Token ids of each text, in order and as they are asked for."""
        if len(texts) == 1:  # a query: starting the tokenizer's pool of threads costs more than the work
            yield np.array(self._tokenizer.encode(texts[0], add_special_tokens=False).ids, dtype=np.intp)
            return
        for start in range(0, len(texts), SLICE):
            batch = list(texts[start : start + SLICE])
            for encoding in self._tokenizer.encode_batch_fast(batch, add_special_tokens=False):
                yield np.array(encoding.ids, dtype=np.intp)


class WordTokenizer:
    """Ids of the words of a text, by a vocabulary with ``[UNK]`` 0 and pieces that begin with ``##``."""

    max_tokens, keep_end = 0, False

    def __init__(self, vocabulary: Mapping[str, int]) -> None:
        self.vocabulary = vocabulary
        self._pieces = lru_cache(maxsize=REMEMBERED)(partial(_pieces, vocabulary))

    def tokenise(self, texts: Sequence[str]) -> Iterator[Ids]:
        """Token ids of each text, in order and as they are asked for."""
        for start in range(0, len(texts), SLICE):
            yield from self._ids([self.words(text) for text in texts[start : start + SLICE]])

    def words(self, text: str) -> list[str]:
        """The words of a text as the vocabulary writes them: lower case, without accents."""
        if "US" in text or "U.S" in text:
            text = _COUNTRY.sub("usa", text)
        if not text.isascii():
            text = unicodedata.normalize("NFD", text)
            for letter in set(_NOT_ASCII.findall(text)):
                if not letter.isalnum():
                    text = text.replace(letter, "" if unicodedata.category(letter)[0] == "M" else " ")
        if text.isascii():  # three times as fast as the expression
            return text.translate(_ASCII).split()
        # in lower case letter by letter, as the library does: no sigma is a final one
        return _WORD.findall(text.replace("\u03a3", "\u03c3").lower())

    def _ids(self, texts: Sequence[Sequence[str]]) -> Sequence[Ids]:
        """The ids of many words are looked up at once, then each unknown one gives way to its pieces."""
        words = list(chain.from_iterable(texts))
        ids = np.fromiter(map(self.vocabulary.get, words, repeat(-1)), dtype=np.intp, count=len(words))
        unknown = np.flatnonzero(ids < 0)
        pieces = [self._pieces(words[i]) for i in unknown]
        lengths = np.ones(len(words), dtype=np.intp)
        lengths[unknown] = [len(some) for some in pieces]
        ids = np.repeat(ids, lengths)
        ids[ids < 0] = list(chain.from_iterable(pieces))
        ends = np.concatenate([[0], np.cumsum(lengths)])[np.cumsum([len(some) for some in texts])]
        return np.split(ids, ends[:-1])


def _pieces(vocabulary: Mapping[str, int], word: str) -> list[int]:
    """The longest piece that begins the word, then the longest that goes on, and so on (Wu et al. 2016, 4.1)."""
    ids, start, prefix = list[int](), 0, ""
    while start < len(word) <= int(str(MODEL["max_input_chars_per_word"])):
        ends = (end for end in range(len(word), start, -1) if prefix + word[start:end] in vocabulary)
        end = next(ends, 0)
        if not end:
            return [0]
        ids.append(vocabulary[prefix + word[start:end]])
        start, prefix = end, "##"
    return ids or [0]
