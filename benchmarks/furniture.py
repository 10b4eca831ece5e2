"""What furniture does to search, and what its removal does: two experiments.

    python benchmarks/furniture.py DATA [--sets NAME...] [--articles 500] [--queries 300] [--show N]

1. BEIR sets, as if their texts had been scraped (``--furniture everywhere``) against ``keep``: nDCG@10. Where not a
   word is removed the two indexes are the same, and are not asked.
2. News articles (split ``dev``, in which no furniture is found), each with the real furniture of a page of scrapinghub
   below it, as text files. Queries aimed at the furniture are its own blocks (teased titles, calls, bios); how many
   of the ten best passages are furniture? Titles of the articles are the other queries. Each page's furniture is below
   few articles of one folder, so that the form alone has to give it away; then below ten of a folder of its own, so
   that what recurs is found too (easier than in life, where lists of stories differ from day to day).

Needs: pip install ".[eval]"
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from boilerplate import scrapinghub

from searchidx import Index
from searchidx.articles.boilerplate import judge
from searchidx.articles.cleaning import clean
from searchidx.evaluation import evaluate, read_collection
from searchidx.types import Furniture, Mode

SETS = (
    *("time", "scifact", "cranfield", "bbc_headline", "basil_events", "usgov_posts", "xquad_en", "rtqa_evidence_dev"),
    *("cacm", "adi", "lisa", "npl", "covidfact_sent", "squadshifts_wiki"),
)
MODES: tuple[Mode, ...] = ("lexical", "hybrid")
PER_SITE = 10


class Article(NamedTuple):
    """An article, and the blocks of furniture that are put below it."""

    name: str
    title: str
    body: str
    furniture: tuple[str, ...]


def words(text: str) -> int:
    return len(text.split())


# 1


def measure_sets(data: Path, names: Sequence[str], folder: Path) -> None:
    print(f"\n{'set':<20} {'words removed':>20}   nDCG@10 lexical: keep, drop   hybrid: keep, drop")
    for name in names:
        collection = read_collection(str(data / "beir" / name))
        assert collection.corpus
        indexes, texts = list[Index](), list[dict[str, str]]()
        for choice in ("keep", "everywhere"):
            index = Index.create(folder / f"{name}-{choice}", furniture=choice)
            index.add(collection.corpus)
            index.sync()
            indexes.append(index)
            texts.append({document.doc_id: document.text for document in index.export()})
        total, left = (sum(map(words, one.values())) for one in texts)
        told = f"{total - left:,} of {total:,}"
        if texts[0] == texts[1]:
            print(f"{name:<20} {told:>20}   the same index", flush=True)
        else:
            scores = [
                {
                    mode: one.mean["nDCG@10"]
                    for mode, one in evaluate(index, collection, measures="nDCG@10", modes=MODES).scores.items()
                }
                for index in indexes
            ]
            pairs = "        ".join(" ".join(f"{one[mode]:.4f}" for one in scores) for mode in MODES)
            print(f"{name:<20} {told:>20}   {pairs}", flush=True)
        for index in indexes:
            index.close()


# 2


def articles_of(data: Path, count: int, per_page: int) -> list[Article]:
    """Articles with furniture below them; that of one page is below ``per_page`` of them, which follow each other."""
    pages = []
    for _, blocks in scrapinghub(data):
        furniture = tuple(text for text, kind in blocks[1:] if kind != "readers' comments")
        if 50 <= words(" ".join(furniture)) <= 1500:
            pages.append(furniture)
    chosen = random.Random(7)
    chosen.shuffle(pages)
    found = list[Article]()
    with lzma.open(data / "news" / "articles.jsonl.xz", "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            body = clean(row["text"]).strip()
            if row["metadata"].get("split") != "dev" or not 150 <= words(body) <= 1200 or not row["title"]:
                continue
            if all(block.kept for block in judge(body)):
                page = pages[len(found) // per_page % len(pages)]
                found.append(Article(f"{len(found):04}", row["title"], body, page))
            if len(found) == count:
                break
    return found


def write(articles: Sequence[Article], folder: Path, per_site: int, *, furniture: bool) -> None:
    for number, article in enumerate(articles):
        place = folder / (f"site-{number // per_site:03}" if per_site else "all")
        place.mkdir(parents=True, exist_ok=True)
        parts = [article.body, *(article.furniture if furniture else ())]
        (place / f"{article.name}.txt").write_text("\n\n".join(parts), encoding="utf-8")


def aimed(articles: Sequence[Article], count: int) -> list[str]:
    """Blocks of furniture as queries."""
    blocks = sorted({block for article in articles for block in article.furniture if 4 <= words(block) <= 25})
    return random.Random(11).sample(blocks, min(count, len(blocks)))


def measure(label: str, index: Index, articles: Sequence[Article], queries: Sequence[str], show: int) -> None:
    by_name = {article.name: article for article in articles}
    name_of = {document.doc_id: Path(document.uri).stem for document in index.list()}
    starts, left = dict[str, int](), 0
    for document in index.export():
        body = by_name[name_of[document.doc_id]].body
        whole = f"{document.title}\n\n{document.text}" if body.startswith(f"{document.title}\n") else document.text
        same = next((at for at, pair in enumerate(zip(whole, body, strict=False)) if pair[0] != pair[1]), len(body))
        shared = min(same, len(whole)) - (len(whole) - len(document.text))
        starts[document.doc_id] = shared
        left += words(document.text[shared:])
    bad, first = [], []
    for query in queries:
        hits = index.search(query, 10, group=False)
        marks = [
            hit.passage.end - starts[hit.document.doc_id] > (hit.passage.end - hit.passage.start) / 2 for hit in hits
        ]
        bad.append(sum(marks))
        first.append(bool(marks and marks[0]))
        if show and any(marks):
            show -= 1
            hit = hits[marks.index(True)]
            print(f"    {query[:60]} -> {' '.join(hit.passage.text.split())[-100:]}")
    ranks = []
    for article in articles:
        found = [name_of[doc_id] for doc_id, _ in index.rank(article.title, 10)]
        ranks.append(1 / (1 + found.index(article.name)) if article.name in found else 0.0)
    print(
        f"{label:<28} {left:>9,} words of furniture; aimed at it: {fmean(bad):.2f} of the 10 best passages, first "
        f"{fmean(first):.1%}; titles: RR@10 {fmean(ranks):.4f}",
        flush=True,
    )


def measure_news(data: Path, count: int, wanted: int, folder: Path, show: int) -> None:
    for per_site in (0, PER_SITE):
        articles = articles_of(data, count, per_site or 1)
        queries = aimed(articles, wanted)
        given = sum(words(" ".join(article.furniture)) for article in articles)
        where = f"{per_site} articles a site" if per_site else "one folder"
        print(f"\n{len(articles)} articles, {given:,} words of furniture below, {len(queries)} queries for it; {where}")
        choices: tuple[tuple[str, Furniture, bool], ...] = (
            ("articles alone", "keep", False),
            ("with furniture, kept", "keep", True),
            ("with furniture, dropped", "drop", True),
        )
        for label, choice, furniture in choices:
            place = folder / f"{per_site}-{label}"
            write(articles, place, per_site, furniture=furniture)
            with Index.create(place.with_name(f"{place.name}-index"), furniture=choice) as index:
                index.add(place)
                index.sync()
                measure(label, index, articles, queries, show if choice == "drop" else 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS, help="BEIR sets of the first experiment")
    parser.add_argument("--articles", type=int, default=500, help="of the second; 0 leaves it out")
    parser.add_argument("--queries", type=int, default=300)
    parser.add_argument("--show", type=int, default=0, help="furniture to print that was found after removal")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.articles:
            measure_news(given.data, given.articles, given.queries, Path(folder), given.show)
        if given.sets:
            measure_sets(given.data, given.sets, Path(folder))


if __name__ == "__main__":
    main()
