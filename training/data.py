"""Texts for training as token ids: pairs of a query and a passage, and news articles by sentence.

``DATA`` is a folder with ``train/*.jsonl.xz`` (lines with ``query`` and ``positive``) and ``news/articles.jsonl.xz``
(lines with ``title``, ``text`` and ``metadata.split``, of which ``train`` is read).
"""

from __future__ import annotations

import json
import lzma
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from searchidx.articles.chunking import DEFAULT_MAX_TOKENS, split
from searchidx.encoders.tokens import WordTokenizer
from searchidx.ranking.highlight import sentences as spans_of
from searchidx.types import Document

LEFT_OUT = ("scifact_train", "checkthat_train")
"""Training halves of sets that are used to evaluate: left out, so that those figures are of unseen collections."""

Ids = npt.NDArray[np.int32]
Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Texts:
    """Token ids of many texts: those of text ``i`` are ``flat[starts[i]:starts[i + 1]]``."""

    flat: Ids
    starts: Rows

    @classmethod
    def of(cls, lists: Iterable[npt.NDArray[np.intp]]) -> Texts:
        """From one array of ids per text."""
        kept = list(lists)
        starts = np.zeros(len(kept) + 1, dtype=np.int64)
        np.cumsum([len(ids) for ids in kept], out=starts[1:])
        return cls(np.concatenate(kept).astype(np.int32), starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __getitem__(self, i: int) -> Ids:
        return self.flat[self.starts[i] : self.starts[i + 1]]

    def lengths(self) -> Rows:
        """Tokens of each text."""
        return np.diff(self.starts)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Queries and the passages that answer them; ``sources`` are the numbers of the files they come from."""

    queries: Texts
    positives: Texts
    sources: npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class News:
    """Articles as titles, passages and sentences.

    Attributes:
        titles: one text per article.
        sentences: all sentences in order.
        first_sentence: of each passage, and one past the end: int64 [passages + 1].
        first_passage: of each article, and one past the end: int64 [articles + 1].
    """

    titles: Texts
    sentences: Texts
    first_sentence: Rows
    first_passage: Rows


def read_pairs(data: Path) -> Iterator[tuple[str, str, str]]:
    """Source, query and positive, in the order of the files' names."""
    for path in sorted((data / "train").glob("*.jsonl.xz")):
        source = path.name.partition(".")[0]
        if source not in LEFT_OUT:
            with lzma.open(path, "rt", encoding="utf-8") as lines:
                yield from ((source, row["query"], row["positive"]) for row in map(json.loads, lines))


def read_articles(data: Path) -> Iterator[Document]:
    """The articles of the split ``train``."""
    with lzma.open(data / "news" / "articles.jsonl.xz", "rt", encoding="utf-8") as lines:
        for number, article in enumerate(map(json.loads, lines)):
            if article["metadata"].get("split") == "train":
                yield Document(str(number), article["text"], title=article["title"] or "")


def count_words(data: Path) -> Counter[str]:
    """How often each word occurs in all training texts, as the tokenizer's normaliser writes it."""
    counts: Counter[str] = Counter()
    words = WordTokenizer({})
    for _, query, positive in read_pairs(data):
        counts.update(words.words(f"{query}\n{positive}"))
    for article in read_articles(data):
        counts.update(words.words(f"{article.title}\n{article.text}"))
    return counts


def load_pairs(data: Path, tokenizer: WordTokenizer) -> Pairs:
    """Pairs with at least one token on each side."""
    queries, positives, sources, numbers = list[Ids](), list[Ids](), list[int](), dict[str, int]()
    rows = read_pairs(data)
    while batch := list(islice(rows, 2000)):
        left = tokenizer.tokenise([query for _, query, _ in batch])
        right = tokenizer.tokenise([positive for _, _, positive in batch])
        for (source, _, _), query, positive in zip(batch, list(left), right, strict=True):
            if len(query) and len(positive):
                queries.append(query)
                positives.append(positive)
                sources.append(numbers.setdefault(source, len(numbers)))
    return Pairs(Texts.of(queries), Texts.of(positives), np.array(sources, dtype=np.int16))


def load_news(data: Path, tokenizer: WordTokenizer) -> News:
    """Articles cut into passages as an index cuts them, and those into sentences."""
    titles, sentences, passage_starts, article_starts = list[Ids](), list[Ids](), [0], [0]

    def count_tokens(texts: Sequence[str]) -> list[int]:
        return [len(ids) for ids in tokenizer.tokenise(texts)]

    articles = read_articles(data)
    while batch := list(islice(articles, 500)):
        titles += tokenizer.tokenise([article.title for article in batch])
        for passages in split(batch, DEFAULT_MAX_TOKENS, count_tokens):
            for passage in passages:
                texts = [passage.text[start:end] for start, end in spans_of(passage.text)]
                sentences += (ids for ids in tokenizer.tokenise(texts) if len(ids))
                if len(sentences) > passage_starts[-1]:  # there are passages without a word
                    passage_starts.append(len(sentences))
            article_starts.append(len(passage_starts) - 1)
    starts = (np.array(some, dtype=np.int64) for some in (passage_starts, article_starts))
    return News(Texts.of(titles), Texts.of(sentences), *starts)
