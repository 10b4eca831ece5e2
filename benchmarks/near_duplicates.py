"""Copies of articles: how many are found, how many of those found are none, and what it costs.

    python benchmarks/near_duplicates.py DATA [quality] [edits] [others] [cost]

The truth is another way than that of the fingerprints: words by a regular expression, every run of five of them, and
the exact share that two articles have in common (Jaccard), of all pairs of the corpus that share any. Tables of
docs/decisions/020-near-duplicates.md.
"""

from __future__ import annotations

import json
import lzma
import os
import random
import re
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import numpy as np

from searchidx import Document, Index, ingest
from searchidx.articles import fingerprints
from searchidx.articles.fingerprints import BANDS, ROWS, SIZE, bands, fingerprint

BOUNDS = (71, 77, 83, 90, 96)
"""Values of LEAST to compare."""
_WORD = re.compile(r"[^\W_]+")


def read(path):
    """Records of a JSONL file, packed or not."""
    with path.open() if path.exists() else lzma.open(f"{path}.xz", "rt") as lines:
        return [json.loads(line) for line in lines]


def runs(text):
    words = _WORD.findall(text.casefold())
    return {hash(tuple(words[n : n + 5])) for n in range(len(words) - 4)}


def agreement(one, other):
    """Bytes in which two fingerprints agree, 0 where they share no band."""
    same = np.frombuffer(one, np.uint8) == np.frombuffer(other, np.uint8)
    return int(same.sum()) if same[: BANDS * ROWS].reshape(BANDS, ROWS).all(1).any() else 0


def resembling(texts, least=0.2):
    """Pairs of texts that have a share of their runs in common, with that share: exact, over all pairs."""
    from scipy.sparse import csr_matrix

    made = [np.fromiter(some, np.int64, len(some)) for some in map(runs, texts)]
    sizes = np.array([len(some) for some in made])
    distinct, column, count = np.unique(np.concatenate(made), return_inverse=True, return_counts=True)
    row = np.repeat(np.arange(len(made)), sizes)
    few = (count[column] > 1) & (count[column] <= 100)  # furniture of a site stands in hundreds of articles
    ones = np.ones(few.sum(), np.int32)
    matrix = csr_matrix((ones, (row[few], column[few])), shape=(len(made), len(distinct)))
    shared = (matrix @ matrix.T).tocoo()
    pick = (shared.row < shared.col) & (shared.data > 0.2 * np.minimum(sizes[shared.row], sizes[shared.col]))
    found = {}
    for i, j in zip(shared.row[pick].tolist(), shared.col[pick].tolist(), strict=True):
        both = len(np.intersect1d(made[i], made[j], assume_unique=True))
        jaccard = both / (sizes[i] + sizes[j] - both)
        if jaccard >= least:
            found[i, j] = jaccard
    return found


def candidates(marks):
    """Pairs that share a band."""
    sharing, pairs = defaultdict(list), set()
    for number, mark in enumerate(marks):
        for band in bands(mark) if mark else ():
            pairs |= {(other, number) for other in sharing[band]}
            sharing[band].append(number)
    return pairs


def quality(data):
    """Pairs of the news corpus by their exact resemblance, and how many of them each bound finds."""
    articles = read(data / "news" / "articles.jsonl")
    texts = [article["text"] for article in articles]
    marked = {n for n, article in enumerate(articles) if article["metadata"].get("split") == "dup"}
    exact = resembling(texts)
    marks = [fingerprint(text) for text in texts]
    near = {(i, j): agreement(marks[i], marks[j]) for i, j in candidates(marks)}
    print(f"{len(texts):,} news articles, {len(exact):,} pairs with a resemblance of 0.2 or more")
    print("resemblance   pairs  of split dup  found with LEAST " + "".join(f"{bound:>6}" for bound in BOUNDS))
    for low, high in (
        (0.2, 0.4),
        (0.4, 0.5),
        (0.5, 0.55),
        (0.55, 0.6),
        (0.6, 0.7),
        (0.7, 0.8),
        (0.8, 0.9),
        (0.9, 1.01),
    ):
        some = [pair for pair, share in exact.items() if low <= share < high]
        dup = sum(bool(marked & set(pair)) for pair in some)
        found = "".join(f"{sum(near.get(pair, 0) >= bound for pair in some):>6}" for bound in BOUNDS)
        print(f"{low:.2f} to {min(high, 1):.2f}  {len(some):>5}  {dup:>12}  {'':>16} {found}")
    errors = [near[pair] / SIZE - exact[pair] for pair in near if pair in exact and near[pair]]
    print(f"agreement less resemblance: mean {np.mean(errors):+.3f}, deviation {np.std(errors):.3f}")
    strangers = [pair for pair, agreed in near.items() if agreed >= BOUNDS[0] and exact.get(pair, 0) < 0.45]
    print(f"found with LEAST {BOUNDS[0]} though they resemble by less than 0.45: {len(strangers)}")


EDITS = {
    "another headline and date line": lambda text, _: f"PARIS, May 3 - What the day brought\n\n{text}",
    "typographic signs": lambda text, _: text.replace('"', "\u201d").replace("'", "\u2019").replace("-", "\u2014"),
    "10% cut off": lambda text, _: text[: int(0.9 * len(text))],
    "20% cut off": lambda text, _: text[: int(0.8 * len(text))],
    "30% cut off": lambda text, _: text[: int(0.7 * len(text))],
    "40% cut off": lambda text, _: text[: int(0.6 * len(text))],
    "60 words of furniture added": lambda text, other: f"{text}\n{' '.join(other.split()[:60])}",
    "150 words of furniture added": lambda text, other: f"{text}\n{' '.join(other.split()[:150])}",
    "every tenth sentence another": lambda text, other: exchanged(text, other, 10),
    "every fifth sentence another": lambda text, other: exchanged(text, other, 5),
    "every 40th word another": lambda text, _: " ".join(
        word if n % 40 else f"changed{n}" for n, word in enumerate(text.split())
    ),
    "another article": lambda _, other: other,
}


def exchanged(text, other, each):
    """A text in which each so-manieth sentence is one of another text."""
    sentences, others = text.split(". "), other.split(". ")
    return ". ".join(others[n % len(others)] if n % each == each - 1 else s for n, s in enumerate(sentences))


def edits(data, count=400):
    """Edited copies of news articles: how many each bound finds."""
    rng = random.Random(5)
    texts = [article["text"] for article in read(data / "news" / "articles.jsonl")]
    some = rng.sample([text for text in texts if len(text.split()) >= 150], 2 * count)
    print(f"{count} news articles of 150 words or more{'':>4} resemblance  " + "".join(f"{b:>6}" for b in BOUNDS))
    for name, edit in EDITS.items():
        made = [(text, edit(text, other)) for text, other in zip(some[:count], some[count:], strict=True)]
        agreed = [agreement(fingerprint(one), fingerprint(copy)) for one, copy in made]
        shares = [len(runs(one) & runs(copy)) / len(runs(one) | runs(copy)) for one, copy in made[:50]]
        found = "".join(f"{sum(value >= bound for value in agreed) / count:>6.2f}" for bound in BOUNDS)
        print(f"{name:<38} {np.mean(shares):>11.2f}   {found}")


def others(data):
    """Other collections: pairs that each bound takes for copies; basil_events has three outlets on each event."""
    print(f"{'collection':<24} articles   " + "".join(f"{bound:>6}" for bound in BOUNDS))
    for name in ("basil_events", "bbc_headline", "usgov_posts", "realtimeqa_dev", "reuters21578_headline", "time"):
        marks = [fingerprint(record["text"]) for record in read(data / "beir" / name / "corpus.jsonl")]
        agreed = [agreement(marks[i], marks[j]) for i, j in candidates(marks)]
        found = "".join(f"{sum(value >= bound for value in agreed):>6}" for bound in BOUNDS)
        print(f"{name:<24} {len(marks):>8}   {found}")


def cost(data, count=3000, rounds=2):
    """Processor time and bytes for an article, with fingerprints and without; time of a search, folded and not."""
    articles = read(data / "news" / "articles.jsonl")[:count]
    documents = [Document(a["_id"], a["text"], a.get("title", ""), source=a["metadata"]["source"]) for a in articles]
    copies = [Document(f"copy {d.doc_id}", f"Agency. {d.text}", d.title) for d in documents[: count // 10]]
    began = time.process_time()
    for document in documents:
        fingerprint(document.text)
    print(f"fingerprint alone: {1e6 * (time.process_time() - began) / count:.0f} us an article")
    spent = {True: [], False: []}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(2 * rounds):
            marking = turn % 2 == 1
            ingest.fingerprint = fingerprint if marking else lambda text: b""
            place = Path(folder) / str(turn)
            with Index.create(place) as index:
                began = time.process_time()
                index.add(*documents)
                spent[marking].append(time.process_time() - began)
            told = f"{os.path.getsize(place / 'store.db') / count:,.0f} bytes of store.db an article"
            print(f"{'with' if marking else 'without'}: {1e3 * spent[marking][-1] / count:.3f} ms, {told}")
        ratio = min(spent[True]) / min(spent[False])
        print(f"processor time of add, with to without: {ratio:.3f} ({fingerprints.method()})")
        with Index.open(Path(folder) / str(2 * rounds - 1)) as index:
            index.add(*copies)
            print(index.status()["copies"])
            searching(index, [document.title for document in documents[: count // 5]])


def searching(index, queries):
    """What folding costs a search: all of it but the texts, as those of other hits take other times to mark."""
    times, copied = defaultdict(list), 0
    for query in queries:
        copied += sum(bool(hit.copies) for hit in index.search(query))
        for every in (False, True):
            began = time.thread_time()
            index.rank(query, 10, all_copies=every)
            times["rank", every].append(time.thread_time() - began)
    for (name, every), some in times.items():
        print(f"{name}, {'all copies' if every else 'folded'}: median {1e3 * np.median(some):.2f} ms of processor time")
    print(f"hits that list copies: {copied} of {10 * len(queries)}")


def main():
    data, asked = Path(sys.argv[1]), sys.argv[2:] or ["quality", "edits", "others", "cost"]
    for name in asked:
        print(f"\n## {name}", flush=True)
        globals()[name](data)


if __name__ == "__main__":
    main()
