"""What the removal of furniture takes from clean articles, and how much furniture it leaves.

    python benchmarks/boilerplate.py DATA [--half test] [--show N] [--news EVERY]

``DATA`` is the folder with `news/`, `beir/` and `extraction/`. Clean articles: bodies of news and posts; every word
that goes is counted, by reason, and `--show` prints what went, since some of these bodies hold furniture themselves.
Furniture is real: what stands below the last paragraph of the gold text in a page, appended to that gold text. Pages
are split by their id into a half for setting the weights (``tuning``) and a half for the figures (``test``).
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import random
import re
import tarfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from lxml import html

from searchidx.articles.boilerplate import Block, judge

CLEAN = ("bbc_headline", "reuters21578_headline", "time", "usgov_posts")
LONG = 60
"""Words of a block from which on it counts as other prose: a reader's comment, another article."""
_INLINE = set(
    re.findall(
        r"\w+", "a abbr b bdi bdo cite code del dfn em font i ins kbd label mark q s small span strong sub sup time u"
    )
)
_HIDDEN = set(re.findall(r"\w+", "script style noscript template head iframe svg object select option textarea"))
_COMMENTS = re.compile(r"comment|disqus|discussion|respond", re.IGNORECASE)


class Piece(NamedTuple):
    """A block of a page, and whether it stands in the section of readers' comments."""

    text: str
    comment: bool


def words(text: str) -> int:
    return len(text.split())


def pieces(tree: Any) -> list[Piece]:
    """The text of a page as blocks, as one gets it by selecting all."""
    found: list[Piece] = []
    waiting: list[str] = []

    def flush(comment: bool) -> None:
        if line := " ".join("".join(waiting).split()):
            found.append(Piece(line, comment))
        waiting.clear()

    def walk(element: Any, comment: bool) -> None:
        if not isinstance(element.tag, str) or element.tag in _HIDDEN:
            return
        apart = element.tag not in _INLINE
        if apart:
            flush(comment)
        inside = comment or (
            element.tag not in ("body", "html")
            and bool(_COMMENTS.search(f"{element.get('id')} {element.get('class')}"))
        )
        waiting.append(element.text or "")
        for child in element:
            walk(child, inside)
            waiting.append(child.tail or "")
        if apart:
            flush(inside)

    walk(tree, False)
    flush(False)
    return found


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def below(page: list[Piece], gold: str) -> list[Piece]:
    """The blocks below the last one of eight words or more that is in the gold text."""
    tokens = _tokens(gold)
    shingles = {tuple(tokens[at : at + 4]) for at in range(len(tokens) - 3)}
    lines = {" ".join(_tokens(line)) for line in gold.split("\n")}

    def is_gold(piece: Piece) -> bool:
        own = _tokens(piece.text)
        mine = [tuple(own[at : at + 4]) for at in range(len(own) - 3)]
        return " ".join(own) in lines or (len(mine) > 0 and 2 * sum(one in shingles for one in mine) >= len(mine))

    marks = [is_gold(piece) for piece in page]
    last = max((at for at, piece in enumerate(page) if marks[at] and len(_tokens(piece.text)) >= 8), default=-1)
    return (
        [piece for piece, mark in zip(page[last + 1 :], marks[last + 1 :], strict=True) if not mark]
        if last >= 0
        else []
    )


def _labelled(piece: Piece) -> tuple[str, str]:
    """A block of furniture with its kind."""
    if piece.comment:
        return piece.text, "readers' comments"
    return piece.text, "other prose" if words(piece.text) >= LONG else "furniture"


Page = tuple[str, list[tuple[str, str]]]
"""Id of a page, and its blocks with what they are."""


def _lines(folder: Path) -> list[str]:
    return (folder / "index.jsonl").read_text().splitlines()


def scrapinghub(data: Path) -> Iterator[Page]:
    """The gold text, and below it the furniture."""
    folder = data / "extraction" / "scrapinghub"
    for line in _lines(folder):
        row = json.loads(line)
        page = html.fromstring(gzip.decompress((folder / row["html"]).read_bytes()).decode("utf-8", "replace"))
        yield row["id"], [(row["gold_text"].strip(), "body"), *map(_labelled, below(pieces(page), row["gold_text"]))]


def trafilatura(data: Path) -> Iterator[Page]:
    """The page from its first block that must be there; only those that must be there or must not are labelled."""
    folder = data / "extraction" / "trafilatura"
    rows = {Path(row["html"]).name.removesuffix(".gz"): row for row in map(json.loads, _lines(folder))}
    with tarfile.open(folder / "html.tar.xz") as archive:
        for member in archive:
            row = rows.get(Path(member.name).name)
            if row is None or not (file := archive.extractfile(member)):
                continue
            try:
                page = pieces(html.fromstring(file.read().decode("utf-8", "replace").replace("<?xml", "<?")))
            except (AttributeError, ValueError, RecursionError):
                continue
            must, must_not = ([" ".join(text.split()) for text in row[key] or []] for key in ("with", "without"))
            bodies = [any(text in piece.text for text in must) for piece in page]
            if any(bodies):
                yield (
                    row["id"],
                    [
                        (piece.text, "body")
                        if body
                        else _labelled(piece)
                        if any(text in piece.text for text in must_not)
                        else (piece.text, "unknown")
                        for piece, body in list(zip(page, bodies, strict=True))[bodies.index(True) :]
                    ],
                )


def half_of(page_id: str) -> str:
    return "tuning" if int(page_id[0], 16) % 2 == 0 else "test"


def measure_pages(name: str, pages: Iterator[Page], half: str, show: int) -> None:
    """Share of the furniture's words that go, by kind of block, and of the bodies' words."""
    total, gone = Counter[str](), Counter[str]()
    wrong: list[tuple[int, str]] = []
    shares: list[float] = []
    for page_id, labelled in pages:
        if half_of(page_id) != half:
            continue
        text = "\n\n".join(block for block, _ in labelled)
        ends, end = [], 0
        for block_text, kind in labelled:
            end += len(block_text) + 2
            ends.append((end, kind))
        before = total["furniture"], gone["furniture"]
        for block in judge(text):
            while block.start >= ends[0][0]:
                ends.pop(0)
            kind = ends[0][1]
            size = words(text[block.start : block.end])
            total[kind] += size
            gone[kind] += 0 if block.kept else size
            if kind != "unknown" and block.kept == (kind != "body"):
                wrong.append((size, f"{kind}, {block.score:.1f} {block.reason}: {text[block.start : block.end][:150]}"))
        if total["furniture"] > before[0]:
            shares.append((gone["furniture"] - before[1]) / (total["furniture"] - before[0]))
    print(f"\n{name}, {half} half, words removed of:")
    for kind in sorted(total.keys() - {"unknown"}):
        print(f"  {kind:<18} {gone[kind]:>7,} of {total[kind]:>7,}  {gone[kind] / total[kind]:.2%}")
    most = sum(share >= 0.95 for share in shares)
    print(f"  pages: median {median(shares):.2%} of the furniture; at least 95% from {most} of {len(shares)}")
    for size, line in sorted(wrong, reverse=True)[:show]:
        print(f"    {size:>4} {line}")


def measure_clean(name: str, texts: Iterator[tuple[str, str]], show: int) -> None:
    """Words that go from bodies, by reason, and the time an article takes."""
    articles = hit = total = gone = 0
    reasons, seconds = Counter[str](), 0.0
    samples: list[tuple[str, list[tuple[Block, str]]]] = []
    for page_id, text in texts:
        began = time.perf_counter()
        blocks = judge(text)
        seconds += time.perf_counter() - began
        dropped = [] if not any(block.kept for block in blocks) else [block for block in blocks if not block.kept]
        articles, hit, total = articles + 1, hit + bool(dropped), total + words(text)
        for block in dropped:
            size = words(text[block.start : block.end])
            gone += size
            reasons[block.reason] += size
        if dropped:
            samples.append((page_id, [(block, text[block.start : block.end]) for block in dropped]))
    print(
        f"\n{name}: {gone:,} of {total:,} words removed ({gone / max(total, 1):.4%}), "
        f"in {hit:,} of {articles:,} articles; {seconds / max(articles, 1) * 1000:.2f} ms an article"
    )
    print("  " + ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()))
    for page_id, removed in random.Random(5).sample(samples, min(show, len(samples))):
        for block, text in removed:
            print(f"    {page_id} {block.score:.1f} {block.reason}: {' '.join(text.split())[:150]}")


def rows(path: Path, every: int = 1) -> Iterator[tuple[str, str]]:
    with lzma.open(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number % every == 0 and (text := (row := json.loads(line))["text"].strip()):
                yield row["_id"], text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--half", choices=("tuning", "test"), default="test")
    parser.add_argument("--show", type=int, default=0, help="how much to print of what went wrong, or went")
    parser.add_argument("--news", type=int, default=1, metavar="EVERY", help="take every n-th news article; 0 for none")
    given = parser.parse_args()
    measure_pages("scrapinghub", scrapinghub(given.data), given.half, given.show)
    measure_pages("trafilatura", trafilatura(given.data), given.half, given.show)
    if given.news:
        for name in CLEAN:
            measure_clean(name, rows(given.data / "beir" / name / "corpus.jsonl.xz"), given.show)
        measure_clean("news", rows(given.data / "news" / "articles.jsonl.xz", given.news), given.show)


if __name__ == "__main__":
    main()
