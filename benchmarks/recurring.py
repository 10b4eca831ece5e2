"""What the articles of a site share: the blocks that are found, and the words that go from every article.

    python benchmarks/recurring.py DATA [--show N] [--every N] [--tsv FILE]

``DATA`` is the folder with `news/` and `beir/`. Articles are treated as scraped texts (``--furniture everywhere``):
the furniture that its form gives away is taken out first, then what recurs, in the state that `sync` leaves. Sites are
the outlets of news; of the other corpora, which name none, all articles are one site. `--show` prints blocks at random,
`--tsv` writes one line for each distinct block of each site, to be judged.
"""

from __future__ import annotations

import argparse
import csv
import json
import lzma
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from searchidx import Document, sites
from searchidx.articles.boilerplate import without_furniture
from searchidx.articles.recurring import site_of
from searchidx.storage.writer import StoreWriter

CLEAN = ("bbc_headline", "reuters21578_headline", "time", "usgov_posts")
BATCH = 400


def words(text: str) -> int:
    return len(text.split())


def rows(path: Path, every: int = 1) -> Iterator[Document]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            row = json.loads(line)
            if number % every == 0 and (text := row["text"].strip()):
                yield Document(row["_id"], text, source=(row.get("metadata") or {}).get("source") or "")


def measure(name: str, documents: Iterator[Document], show: int, tsv: Path | None) -> None:
    given = list(documents)
    total = sum(words(document.text) for document in given)
    began = time.process_time()
    formed = [without_furniture(document) for document in given]
    form_seconds = time.process_time() - began
    with tempfile.TemporaryDirectory() as folder:
        writer = StoreWriter.create(Path(folder), {"encoder": {"dim": 1}})
        began = time.process_time()
        for first in range(0, len(formed), BATCH):
            batch = [(document, "") for document in formed[first : first + BATCH]]
            with writer.transaction():
                sites.take(writer.recurrence, batch, {document.doc_id for document, _ in batch})
        seconds = time.process_time() - began
        status = writer.recurrence.status()
        gone = Counter[tuple[str, str, str]]()
        for document in formed:
            for block, reason in sites.told(document, writer.recurrence)[1]:
                gone[site_of(document), block, reason] += 1
        size = writer.folder.joinpath("store.db").stat().st_size
        writer.close()
    by_form = total - sum(words(document.text) for document in formed)
    by_site = sum(words(block) * times for (_, block, _), times in gone.items())
    print(
        f"\n{name}: {len(given):,} articles, {total:,} words; removed by form {by_form:,} ({by_form / total:.4%}), "
        f"as furniture of a site {by_site:,} ({by_site / total:.4%}): {status['blocks']} blocks of {status['sites']} "
        f"sites, {sum(gone.values()):,} times\n  form {form_seconds:.1f} s, sites {seconds:.1f} s of processor time; "
        f"{size / 1e6:.1f} MB of store"
    )
    found = sorted(gone.items())
    for (site, block, reason), times in random.Random(5).sample(found, min(show, len(found))):
        print(f"  {times:>5} {site[:20]:<20} {reason[:40]} | {' '.join(block.split())[:150]}")
    if tsv:
        with tsv.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter="\t").writerows((times, *key) for key, times in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--show", type=int, default=0, help="blocks to print at random")
    parser.add_argument("--every", type=int, default=1, help="take every n-th news article")
    parser.add_argument("--tsv", type=Path, help="where to write all blocks of news")
    given = parser.parse_args()
    for name in CLEAN:
        measure(name, rows(given.data / "beir" / name / "corpus.jsonl.xz"), given.show, None)
    measure("news", rows(given.data / "news" / "articles.jsonl.xz", given.every), given.show, given.tsv)


if __name__ == "__main__":
    main()
