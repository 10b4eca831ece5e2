"""How well the article is got out of web pages, ours beside every library that is installed.

    python benchmarks/extraction.py DATA [--only NAME...] [--half tuning] [--cache FOLDER] [--show N] [--scraps N]
    python benchmarks/extraction.py DATA --speed

``DATA`` is the folder with `extraction/`. Two sets:

- scrapinghub, 181 news pages with the whole gold text, and the measure of that public benchmark: shingles of four
  words that are right, too many and missing, precision and recall of each page, the means over pages, and F1 of both;
- trafilatura, 990 pages in many languages with segments that must be there and must not, and the title, author, date
  and site of some: a segment is there where its words stand in the text in its order.

Pages are split by their id: rules were set on the half ``tuning``; pages of ``test`` were not looked at. A library that
is not installed is left out: they are no dependencies of searchidx. With ``--cache``, what a library gave is kept and
not extracted again; ours always is. ``--speed`` sets ours against trafilatura alone, in turns, and tells the memory.
"""

from __future__ import annotations

import argparse
import gzip
import json
import logging
import re
import resource
import tarfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

from searchidx.articles.cleaning import normalise
from searchidx.articles.dates import parse_date
from searchidx.articles.decoding import decode
from searchidx.articles.webpage import read_page
from searchidx.errors import SourceError
from searchidx.types import Source

Found = dict[str, str]
"""What was extracted: text, and title, author, date, site where the library gives them."""
OURS = "searchidx"


class Page(NamedTuple):
    """A page, and what is known of it: ``gold`` is its row of index.jsonl."""

    page_id: str
    raw: bytes
    gold: dict[str, Any]


def scrapinghub(data: Path) -> Iterator[Page]:
    folder = data / "extraction" / "scrapinghub"
    for line in (folder / "index.jsonl").read_text().splitlines():
        row = json.loads(line)
        yield Page(row["id"], gzip.decompress((folder / row["html"]).read_bytes()), row)


def trafilatura_set(data: Path) -> Iterator[Page]:
    folder = data / "extraction" / "trafilatura"
    rows = {Path(row["html"]).stem: row for row in map(json.loads, (folder / "index.jsonl").read_text().splitlines())}
    with tarfile.open(folder / "html.tar.xz") as archive:
        for member in archive:
            if (row := rows.get(Path(member.name).name)) and (file := archive.extractfile(member)):
                yield Page(row["id"], file.read(), row)


def half_of(page_id: str) -> str:
    return "tuning" if int(page_id[0], 16) % 2 == 0 else "test"


# Extractors: bytes and address of a page in, what was found out. Each imports its library when it is asked for.


def _ours(raw: bytes, url: str) -> Found:
    try:
        found = normalise(read_page(raw, Source(url, url, url, "text/html", Path("page"))))
    except SourceError:
        return {}
    return {
        "text": found.text,
        "title": found.title,
        "author": found.author,
        "date": found.published,
        "site": found.source,
    }


def _trafilatura(**options: Any) -> Callable[[bytes, str], Found]:
    def extract(raw: bytes, url: str) -> Found:
        import trafilatura

        found = trafilatura.bare_extraction(
            decode(raw, url), url=url, include_comments=False, with_metadata=True, **options
        )
        if found is None:
            return {}
        return {
            "text": found.text or "",
            "title": found.title or "",
            "author": found.author or "",
            "date": found.date or "",
            "site": found.sitename or "",
        }

    return extract


def _readability(raw: bytes, url: str) -> Found:
    from html_text import extract_text
    from readability import Document

    document = Document(decode(raw, url))
    return {"text": extract_text(document.summary()), "title": document.short_title()}


def _readabilipy(raw: bytes, url: str) -> Found:
    from readabilipy import simple_json_from_html_string

    found = simple_json_from_html_string(decode(raw, url), use_readability=False)
    paragraphs = [part["text"] for part in found["plain_text"] or []]
    return {"text": "\n".join(paragraphs), "title": found["title"] or "", "date": found["date"] or ""}


def _justext(raw: bytes, url: str) -> Found:
    import justext

    paragraphs = justext.justext(raw, justext.get_stoplist("English"))
    return {"text": "\n".join(one.text for one in paragraphs if not one.is_boilerplate)}


def _newspaper(raw: bytes, url: str) -> Found:
    import newspaper

    article = newspaper.article(url, input_html=decode(raw, url), fetch_images=False)
    date = article.publish_date
    return {
        "text": article.text,
        "title": article.title,
        "author": ", ".join(article.authors),
        "date": date.date().isoformat() if hasattr(date, "date") else "",
        "site": article.meta_site_name or "",
    }


def _resiliparse(raw: bytes, url: str) -> Found:
    from resiliparse.extract.html2text import extract_plain_text

    return {"text": extract_plain_text(decode(raw, url), main_content=True, alt_texts=False, preserve_formatting=False)}


def _goose(raw: bytes, url: str) -> Found:
    from goose3 import Goose

    with Goose({"enable_image_fetching": False, "strict": False}) as goose:
        article = goose.extract(raw_html=decode(raw, url))
        return {
            "text": article.cleaned_text,
            "title": article.title or "",
            "author": ", ".join(article.authors),
            "date": article.publish_date or "",
        }


def _boilerpy(raw: bytes, url: str) -> Found:
    from boilerpy3 import extractors

    document = extractors.ArticleExtractor(raise_on_failure=False).get_doc(decode(raw, url))
    return {"text": document.content, "title": document.title or ""}


def _news_please(raw: bytes, url: str) -> Found:
    from newsplease import NewsPlease

    article = NewsPlease.from_html(decode(raw, url), url=None)
    date = article.date_publish
    return {
        "text": article.maintext or "",
        "title": article.title or "",
        "author": ", ".join(article.authors or []),
        "date": date.date().isoformat() if date else "",
    }


def _rs_trafilatura(raw: bytes, url: str) -> Found:
    import rs_trafilatura

    return {"text": rs_trafilatura.extract(decode(raw, url)).content_text or ""}


EXTRACTORS: dict[str, tuple[str, Callable[[bytes, str], Found]]] = {
    OURS: ("searchidx", _ours),
    "trafilatura": ("trafilatura", _trafilatura()),
    "trafilatura precision": ("trafilatura", _trafilatura(favor_precision=True)),
    "trafilatura recall": ("trafilatura", _trafilatura(favor_recall=True)),
    "trafilatura fast": ("trafilatura", _trafilatura(fast=True)),
    "rs-trafilatura": ("rs-trafilatura", _rs_trafilatura),
    "readability-lxml": ("readability-lxml", _readability),
    "readabilipy": ("readabilipy", _readabilipy),
    "newspaper4k": ("newspaper4k", _newspaper),
    "news-please": ("news-please", _news_please),
    "resiliparse": ("resiliparse", _resiliparse),
    "goose3": ("goose3", _goose),
    "boilerpy3": ("boilerpy3", _boilerpy),
    "jusText": ("jusText", _justext),
}


def extracted(name: str, pages: list[Page], cache: Path | None) -> dict[str, Found] | None:
    """What one extractor gives for each page, by its id; None where it is not installed."""
    package, extract = EXTRACTORS[name]
    try:
        release = version(package)
    except PackageNotFoundError:
        if name != OURS:
            return None
        release = ""
    kept = cache / f"{name.replace(' ', '_')}-{release}.json" if cache and name != OURS else None
    results: dict[str, Found] = json.loads(kept.read_text()) if kept and kept.exists() else {}
    fresh = [page for page in pages if page.page_id not in results]
    began = time.process_time()
    for page in fresh:
        url = page.gold["url"] if page.gold["url"].startswith("http") else "https://example.org/page"
        try:
            results[page.page_id] = extract(page.raw, url)
        except Exception as error:  # a library that breaks found nothing
            results[page.page_id] = {}
            print(f"  {name}: {page.page_id}: {type(error).__name__}: {str(error)[:80]}")
    if fresh:
        print(
            f"{name}: {len(fresh)} pages, {(time.process_time() - began) / len(fresh) * 1000:.0f} ms each", flush=True
        )
    if kept and fresh:
        kept.write_text(json.dumps(results))
    return results


# The public measure of scrapinghub's benchmark.


def shingles(text: str) -> Counter[tuple[str, ...]]:
    tokens = re.findall(r"\w+", text)
    found = (tuple(tokens[at : at + 4]) for at in range(max(1, len(tokens) - 3)))
    return Counter(one for one in found if one)


def shares(gold: str, found: str) -> tuple[float, float, float]:
    """Shingles that are right, too many, and missing, as shares of all of them."""
    one, other = shingles(gold), shingles(found)
    right = (one & other).total()
    counts = (right, (other - one).total(), (one - other).total())
    return tuple(count / max(sum(counts), 1) for count in counts)  # type: ignore[return-value]


def _score(right: float, wrong: float, other: float) -> float:
    if wrong == other == 0:
        return 1.0
    return right / (right + wrong) if right + wrong else 0.0


def shingle_measures(triples: list[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Precision, recall and F1 of pages."""
    precision = mean(_score(right, many, missing) for right, many, missing in triples if right + many > 0)
    recall = mean(_score(right, missing, many) for right, many, missing in triples if right + missing > 0)
    return precision, recall, 2 * precision * recall / (precision + recall)


# Segments that must be there, and must not.


def _plain(text: str) -> str:
    words = re.findall(r"[^\W_]+", text.casefold())
    return f" {' '.join(words)} "


def segments(gold: dict[str, Any], text: str) -> Counter[str]:
    """``kept`` and ``lost`` segments that must be there, ``left`` and ``gone`` ones that must not."""
    plain = _plain(text)
    return Counter(
        {
            "kept": sum(_plain(one) in plain for one in gold["with"]),
            "lost": sum(_plain(one) not in plain for one in gold["with"]),
            "left": sum(_plain(one) in plain for one in gold["without"]),
            "gone": sum(_plain(one) not in plain for one in gold["without"]),
        }
    )


def same_field(field: str, gold: str, found: str) -> bool:
    """Whether a title, author, date or site is that of the gold: letters and digits alike, dates by their day."""
    if field == "date":
        return gold[:10] in _days(parse_date(found))
    if field == "author":
        return sorted(_names(gold)) == sorted(_names(found))
    return _plain(gold) == _plain(found)


def _days(date: str) -> set[str]:
    """The day of a date; of a moment in UTC the days that it is somewhere, as the gold gives those of the outlet."""
    if "T" not in date:
        return {date[:10]}
    moment = datetime.fromisoformat(date)
    return {(moment + timedelta(hours=hours)).date().isoformat() for hours in (-10, 0, 12)}


def _names(text: str) -> set[str]:
    return {_plain(name) for name in re.split(r"[,;/]| and | und | & ", text) if name.strip()}


def _line(value: Any) -> str:
    """A field of the gold as a text: some have a list of authors."""
    return ", ".join(value) if isinstance(value, list) else str(value)


FIELDS = {"title": "title", "author": "author", "date": "date", "sitename": "site"}


def fields(pages: list[Page], results: dict[str, Found]) -> dict[str, tuple[int, int, int]]:
    """By field, of the pages that have it in the gold: how many are right, how many wrong, how many there are."""
    counts = {}
    for key, field in FIELDS.items():
        known = [page for page in pages if page.gold.get(key)]
        found = [(_line(page.gold[key]), results[page.page_id].get(field) or "") for page in known]
        right = sum(same_field(field, gold, mine) for gold, mine in found)
        wrong = sum(bool(mine) and not same_field(field, gold, mine) for gold, mine in found)
        counts[field] = right, wrong, len(known)
    return counts


def table_scrapinghub(pages: list[Page], results: dict[str, dict[str, Found]]) -> None:
    print(f"\nscrapinghub, {len(pages)} pages\n\n| extractor | precision | recall | F1 |\n|---|---|---|---|")
    for name, found in results.items():
        triples = [shares(page.gold["gold_text"], found[page.page_id].get("text", "")) for page in pages]
        print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in shingle_measures(triples)) + " |")


def table_trafilatura(pages: list[Page], results: dict[str, dict[str, Found]]) -> None:
    print(f"\ntrafilatura, {len(pages)} pages\n")
    print("| extractor | kept of what must be there | gone of what must not | accuracy | precision | recall | F1 |")
    print("|---|---|---|---|---|---|---|")
    for name, found in results.items():
        of: Counter[str] = sum(
            (segments(page.gold, found[page.page_id].get("text", "")) for page in pages), Counter[str]()
        )
        recall, clean = of["kept"] / (of["kept"] + of["lost"]), of["gone"] / (of["gone"] + of["left"])
        precision = of["kept"] / max(of["kept"] + of["left"], 1)
        values = (
            recall,
            clean,
            (of["kept"] + of["gone"]) / of.total(),
            precision,
            recall,
            2 * precision * recall / max(precision + recall, 1e-9),
        )
        print(f"| {name} | " + " | ".join(f"{value:.4f}" for value in values) + " |")
    print(
        "\n| extractor | "
        + " | ".join(f"{field} right (wrong)" for field in FIELDS.values())
        + " |\n|---|---|---|---|---|"
    )
    for name, found in results.items():
        cells = [
            f"{right / total:.3f} ({wrong / total:.3f}) of {total}"
            for right, wrong, total in fields(pages, found).values()
            if total
        ]
        print(f"| {name} | {' | '.join(cells)} |")


def show_scrapinghub(pages: list[Page], found: dict[str, Found], count: int, scraps: int) -> None:
    """The pages with the most errors, and runs of words that are missing from them or too many."""
    rows = [(page, shares(page.gold["gold_text"], found[page.page_id].get("text", ""))) for page in pages]
    rows.sort(key=lambda row: row[1][0])
    for page, (right, many, missing) in rows[:count]:
        print(
            f"\n{page.page_id[:9]} right {right:.3f} too many {many:.3f} missing {missing:.3f} {page.gold['url'][:99]}"
        )
        text = found[page.page_id].get("text", "")
        for sign, one, other in (("+", text, page.gold["gold_text"]), ("-", page.gold["gold_text"], text)):
            for run in _runs(one, other)[:scraps]:
                print(f"   {sign} {run[:230]}")


def _runs(text: str, other: str) -> list[str]:
    """Stretches of a text whose shingles are not in the other, longest first."""
    tokens, there = re.findall(r"\w+", text), shingles(other)
    odd = [at for at in range(len(tokens) - 3) if tuple(tokens[at : at + 4]) not in there]
    runs: list[list[int]] = []
    for at in odd:
        if runs and at <= runs[-1][1] + 1:
            runs[-1][1] = at
        else:
            runs.append([at, at])
    runs.sort(key=lambda run: run[0] - run[1])
    return [f"({end - start + 1}) {' '.join(tokens[start : end + 4])}" for start, end in runs]


def speed(pages: list[Page], turns: int = 3) -> None:
    """Processor time of both in turns on the same pages, and what each adds to the largest size of a process."""
    seconds: dict[str, list[float]] = {"trafilatura": [], "trafilatura precision": [], OURS: []}
    began = time.process_time()
    import trafilatura  # noqa: F401

    print(f"import trafilatura: {(time.process_time() - began) * 1000:.0f} ms")
    for turn in range(turns + 1):
        for name, spent in seconds.items():
            before, began = _peak(), time.process_time()
            for page in pages:
                EXTRACTORS[name][1](page.raw, page.gold["url"])
            if turn:  # the first warms up
                spent.append(time.process_time() - began)
            else:
                print(f"{name}: {len(pages)} pages raise the largest size of this process by {_peak() - before:.0f} MB")
    for name, spent in seconds.items():
        rates = ", ".join(f"{len(pages) / one:.1f}" for one in spent)
        print(f"{name}: {rates} pages a second; {mean(seconds['trafilatura']) / mean(spent):.2f} of trafilatura's")


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", nargs="+", choices=EXTRACTORS, default=list(EXTRACTORS))
    both = ("scrapinghub", "trafilatura")
    parser.add_argument("--sets", nargs="+", choices=both, default=both)
    parser.add_argument("--speed", action="store_true", help="measure only the time and memory of our extraction")
    parser.add_argument("--half", choices=("tuning", "test", "all"), default="all")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--show", type=int, default=0, help="how many of the worst pages to print, of our extraction")
    parser.add_argument("--scraps", type=int, default=4, help="of each, how many stretches of words")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    if given.speed:
        speed([page for page in scrapinghub(given.data) if given.half in ("all", half_of(page.page_id))])
        return
    for name in given.sets:
        pages = list(scrapinghub(given.data) if name == "scrapinghub" else trafilatura_set(given.data))
        pages = [page for page in pages if given.half in ("all", half_of(page.page_id))]
        results = {one: found for one in given.only if (found := extracted(one, pages, given.cache)) is not None}
        (table_scrapinghub if name == "scrapinghub" else table_trafilatura)(pages, results)
        if given.show and name == "scrapinghub" and OURS in results:
            show_scrapinghub(pages, results[OURS], given.show, given.scraps)


if __name__ == "__main__":
    main()
