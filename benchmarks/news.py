"""The corpus that the speed benchmarks share: real news articles, and questions about the news.

Both come from the data folder (see --data of each benchmark); nothing of it is kept in the repository.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from searchidx import Index

ARTICLES_FOR_100K = 9_830
"""Articles of the news corpus that make about 100,000 passages."""


def lines(data: Path) -> Iterator[str]:
    """The articles as JSON lines."""
    with lzma.open(data / "news" / "articles.jsonl.xz", "rt", encoding="utf-8") as file:
        yield from file


def queries(data: Path, number: int) -> list[str]:
    """Questions of a weekly news quiz."""
    rows = (data / "beir" / "realtimeqa_dev" / "queries.jsonl").read_text().splitlines()
    return [json.loads(row)["text"] for row in rows[:number]]


def corpus_file(data: Path, cache: Path, articles: int) -> Path:
    """Some articles as an uncompressed JSONL file."""
    path = cache / f"news-{articles}.jsonl"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(islice(lines(data), articles))
    return path


def index_of_100k(data: Path, cache: Path) -> Path:
    """An index of about 100,000 passages, made once."""
    path = cache / "index-100k"
    if not (path / "store.db").exists():
        with Index.create(path) as index:
            index.add(corpus_file(data, cache, ARTICLES_FOR_100K))
    return path
