"""Size, overlap, prefix and surroundings of passages, measured on BEIR folders with both legs of an index.

    python benchmarks/chunking.py ../shared/data/beir/{time,xquad_en,squadshifts_wiki} --cache ~/.cache/chunking

Each way to cut gives an index in which every passage is an article of its own, so that nothing cuts it again. Articles
are scored by their best passage. Paragraphs that share a title (XQuAD, SQuADShifts) are also joined into long articles,
in which it is known where the answer to a question stands: that is the test at passage level. Results are kept in the
cache by passages, queries and encoder: a second run goes on where the first ended; after a change to the legs or to
fusion, delete it. Needs: pip install ".[eval]"
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
import xxhash

from searchidx import Document, Index
from searchidx.articles import chunking, formats, sources
from searchidx.encoders import load_encoder
from searchidx.evaluation import MODES, Run, calculate, parse_measures, read_collection
from searchidx.ranking.highlight import sentences
from searchidx.search import Question, rank
from searchidx.types import Encoder, PassageIndex, Query, Ranking

if TYPE_CHECKING:
    from searchidx.types import IdSet, Matrix

DEPTH = 100
"""Passages ranked for a query: those of at least 20 articles, with few exceptions."""
UNCUT = 1_000_000
"""Budget of an index that cuts nothing."""
JOINED = ("xquad_en", "squadshifts_wiki")
"""Sets of paragraphs that make long articles when those of one title are joined."""
LONG = 1.2
"""Passages an article from which a set says something of their size."""
WORDS = (150, 500)
"""Words read from the top of a ranking: those of the first passage or two, and of four or five."""
AT_ARTICLES, AT_PASSAGES = ("nDCG@10", "R@20"), ("RR@10", "nDCG@10")


@dataclass(frozen=True)
class Way:
    """A way to make passages and to score them; ``tokens`` 0 leaves articles whole."""

    name: str
    tokens: int = 200
    overlap: str = ""
    prefix: str = "title + heading"
    neighbours: float = 0.0
    article: float = 0.0


WAYS = [
    *(Way(f"{size} tokens", size) for size in (100, 150, 200, 300, 400)),
    Way("whole article", 0),
    Way("200, 1 sentence of overlap", overlap="sentence"),
    Way("200, a quarter of overlap", overlap="quarter"),
    Way("160, a quarter of overlap", 160, overlap="quarter"),
    Way("200, no prefix", prefix=""),
    Way("200, prefix title", prefix="title"),
    *(Way(f"200, neighbours {share}", neighbours=share) for share in (0.1, 0.2, 0.3)),
    *(Way(f"200, article vector {share}", article=share) for share in (0.25, 0.5)),
]
BASE = WAYS[2].name


@dataclass(frozen=True)
class Gold:
    """Where the answer to a question stands: in ``text[start:end]`` of an article."""

    doc_id: str
    start: int
    end: int
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Task:
    """Articles and queries, judged by article (``qrels``) or by stretch of text (``gold``)."""

    name: str
    documents: Sequence[Document]
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    gold: Mapping[str, Gold]


@dataclass(frozen=True)
class Piece:
    """A passage: ``text`` is what is indexed, a heading and ``[start:end]`` of the article."""

    doc_id: str
    start: int
    end: int
    title: str
    text: str


# what is asked


def read_task(folder: Path, most: int, seed: int) -> Task:
    """A set with at most so many of its queries."""
    collection = read_collection(folder)
    found = (item for source in sources.find(str(collection.corpus), Counter()) for item in formats.read(source))
    documents = [item for item in found if isinstance(item, Document)]
    chosen = sorted(collection.queries)
    if len(chosen) > most:
        chosen = sorted(random.Random(seed).sample(chosen, most))
    queries, qrels = ({query_id: of[query_id] for query_id in chosen} for of in (collection.queries, collection.qrels))
    return Task(folder.name, documents, queries, qrels, {})


def join_task(folder: Path, task: Task) -> Task:
    """The same questions, asked of articles made of all paragraphs of a title in their order."""
    texts, places = defaultdict[str, str](str), dict[str, tuple[str, int, int]]()
    for paragraph in task.documents:
        start = len(texts[paragraph.title]) + 2 * bool(texts[paragraph.title])
        texts[paragraph.title] += "\n\n" * bool(start) + paragraph.text
        places[paragraph.doc_id] = (paragraph.title, start, start + len(paragraph.text))
    rows = map(json.loads, (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    answers = {str(row["_id"]): tuple(row["metadata"]["answers"]) for row in rows}
    gold = {
        query_id: Gold(*places[max(grades, key=lambda doc_id: grades[doc_id])], answers[query_id])
        for query_id, grades in task.qrels.items()
    }
    documents = [Document(title, text, title) for title, text in texts.items()]
    return Task(f"{task.name}, joined", documents, task.queries, {}, gold)


# passages


def cut(documents: Sequence[Document], way: Way, encoder: Encoder) -> list[Piece]:
    """The passages of all articles in order; where they begin and end does not depend on the prefix."""
    made, parts = list[Piece](), [list[tuple[int, int, str]]() for _ in documents]
    if way.tokens:
        passages = chunking.split(documents, way.tokens, encoder.count_tokens)
        parts = [[(passage.start, passage.end, passage.heading) for passage in some] for some in passages]
    for document, spans in zip(documents, parts, strict=True):
        before = None
        for start, end, heading in spans or [(0, len(document.text), "")]:
            first = _earlier(document.text, *before, way.overlap) if before and way.overlap else start
            before = start, end
            heading = heading if way.prefix == "title + heading" else ""
            text = " ".join(f"{heading} {document.text[first:end]}".split())  # one line has no headings to cut at
            made.append(Piece(document.doc_id, first, end, document.title if way.prefix else "", text))
    return made


def _earlier(text: str, start: int, end: int, overlap: str) -> int:
    """Where the last quarter of the passage before begins, or its last sentence, which is half of it at the most."""
    if overlap == "sentence":
        return max(start + sentences(text[start:end])[-1][0], (start + end) // 2)
    blank = text.find(" ", end - (end - start) // 4, end)
    return blank + 1 if blank >= 0 else end


def indexed(made: Sequence[Piece], encoder: Encoder, folder: str) -> Index:
    """An index in which each piece is an article, named by its number."""
    index = Index.create(folder, encoder=encoder, max_tokens=UNCUT)
    report = index.add(*(Document(str(number), piece.text, piece.title) for number, piece in enumerate(made)))
    if report.failed or (not encoder.max_tokens and report.passages != len(made)):
        raise RuntimeError(f"{len(made)} pieces became {report.passages} passages: {report.failed[:3]}")
    return index


# scores that take in what stands around a passage


def with_neighbours(leg: PassageIndex, beside: Mapping[int, Sequence[int]], share: float) -> SimpleNamespace:
    """A leg whose scores have a share of those of the passages before and after; a lone passage is its own."""

    def widened(query: Query, ranking: Ranking) -> Ranking:
        said, found = dict(ranking), list[tuple[int, float]]()
        missing = sorted({other for passage_id in said for other in beside[passage_id]}.difference(said))
        said |= dict(leg.scores(query, np.array(missing, np.int64))) if missing else {}
        for passage_id, score in ranking:
            near = [said.get(other, 0.0) for other in beside[passage_id]]
            found.append((passage_id, score + share * sum(near) / len(near)))
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))

    return SimpleNamespace(
        search=lambda query, k, allowed: widened(query, leg.search(query, k, allowed)),
        scores=lambda query, ids: widened(query, leg.scores(query, ids)),
        ceiling=lambda query: (1 + share) * leg.ceiling(query),
    )


def with_article(ids: IdSet, vectors: Matrix, groups: IdSet, share: float) -> SimpleNamespace:
    """A dense leg whose vectors have a share of the mean vector of their article (``groups``: its number)."""
    means = np.zeros((groups.max() + 1, vectors.shape[1]), np.float32)
    np.add.at(means, groups, vectors)
    mixed = vectors + share * (means / np.bincount(groups)[:, None])[groups]
    mixed /= np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-9)

    def scores(query: Query, wanted: IdSet) -> Ranking:
        cosines = mixed[np.searchsorted(ids, wanted)] @ query.vector
        return list(zip(wanted.tolist(), cosines.tolist(), strict=True))

    def search(query: Query, k: int, allowed: IdSet | None) -> Ranking:
        return sorted(scores(query, ids), key=lambda hit: (-hit[1], hit[0]))[:k]

    return SimpleNamespace(search=search, scores=scores, ceiling=lambda query: 1.0)


def legs_of(index: Index, made: Sequence[Piece], way: Way) -> dict[str, Any]:
    """The legs of an index, with what stands around a passage where the way says so."""
    legs = index._asked("hybrid")
    if not (way.neighbours or way.article):
        return dict(legs)
    batches = list(index._store.all_vectors(index._store.setting("generation")))
    ids, vectors = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    numbers = index._store.doc_ids_of(ids.tolist())
    owners = [made[int(numbers[passage_id])].doc_id for passage_id in ids.tolist()]
    if way.article:
        return {**legs, "dense": with_article(ids, vectors, np.unique(owners, return_inverse=True)[1], way.article)}
    beside = {}
    for row, passage_id in enumerate(ids.tolist()):
        near = [at for at in (row - 1, row + 1) if 0 <= at < len(ids) and owners[at] == owners[row]]
        beside[passage_id] = ids[near or [row]].tolist()
    return {name: with_neighbours(leg, beside, way.neighbours) for name, leg in legs.items()}


# measures


def at_articles(task: Task, made: Sequence[Piece], run: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Measures of articles, by their best passage."""
    folded: Run = {
        query_id: [(doc_id, 0.0) for doc_id in dict.fromkeys(made[number].doc_id for number in ranked)]
        for query_id, ranked in run.items()
    }
    return dict(calculate(parse_measures(AT_ARTICLES), task.qrels, folded).mean)


def at_passages(task: Task, made: Sequence[Piece], run: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Measures of passages, and how often the answer stands in the first words read."""
    of = defaultdict[str, list[int]](list)
    for number, piece in enumerate(made):
        of[piece.doc_id].append(number)
    qrels = {name: {str(n): 1 for n in of[gold.doc_id] if hits(made[n], gold)} for name, gold in task.gold.items()}
    named: Run = {query_id: [(str(number), 0.0) for number in ranked] for query_id, ranked in run.items()}
    texts = {document.doc_id: document.text for document in task.documents}
    reads = [words_to(gold, [made[number] for number in run[query_id]], texts) for query_id, gold in task.gold.items()]
    found = {f"in {most} words": fmean(read <= most for read in reads) for most in WORDS}
    return {**calculate(parse_measures(AT_PASSAGES), qrels, named).mean, **found}


def hits(piece: Piece, gold: Gold) -> bool:
    """Whether passage and paragraph share half of the one or of the other."""
    shared = min(piece.end, gold.end) - max(piece.start, gold.start)
    return piece.doc_id == gold.doc_id and 2 * shared >= min(piece.end - piece.start, gold.end - gold.start)


def words_to(gold: Gold, ranked: Sequence[Piece], texts: Mapping[str, str]) -> float:
    """Words read from the top of a ranking to the end of the answer in its own paragraph; an overlap is read twice."""
    read = 0
    for piece in ranked:
        text = texts[piece.doc_id]
        start, end = max(piece.start, gold.start), min(piece.end, gold.end)
        if piece.doc_id == gold.doc_id and start < end:
            ends = [start + at + len(some) for some in gold.answers if (at := text[start:end].find(some)) >= 0]
            if ends:
                return read + len(text[piece.start : min(ends)].split())
        read += len(text[piece.start : piece.end].split())
    return float("inf")


def result(task: Task, made: Sequence[Piece], index: Index, way: Way) -> dict[str, Any]:
    """Counts and measures, ready for JSON."""
    legs, scored, scores = legs_of(index, made, way), at_passages if task.gold else at_articles, {}
    for mode in MODES:
        asked, encoder = legs if mode == "hybrid" else {mode: legs[mode]}, index.encoder if mode != "lexical" else None
        run = {
            query_id: [int(number) for number, _ in rank(Question(text, DEPTH, mode), index._store, asked, encoder)]
            for query_id, text in task.queries.items()
        }
        scores[mode] = scored(task, made, run)
    words = fmean(len(piece.text.split()) for piece in made)
    counts = {"articles": len(task.documents), "passages": len(made), "words": words, "queries": len(task.queries)}
    return {**counts, "scores": scores}


# the journey


def measure(task: Task, encoder: Encoder, cache: Path) -> dict[str, Any]:
    """What each way gives, from the cache where it is there; ways that cut alike share an index."""
    found = {}
    for _, some in groupby(sorted(WAYS, key=_cutting), _cutting):
        ways = list(some)
        made = cut(task.documents, ways[0], encoder)
        if len(made) == len(task.documents):  # nothing stands around a passage
            ways = [replace(way, neighbours=0.0, article=0.0) for way in ways]
        passages = xxhash.xxh3_64_hexdigest(json.dumps([asdict(piece) for piece in made]).encode())
        kept = {way: cache / f"{task.name}-{_key(task, passages, encoder, way)}.json" for way in ways}
        if not all(path.exists() for path in kept.values()):
            with tempfile.TemporaryDirectory(dir=cache) as folder, indexed(made, encoder, folder) as index:
                for way, path in kept.items():
                    if not path.exists():
                        path.write_text(json.dumps(result(task, made, index, way)), encoding="utf-8")
        found |= {way.name: json.loads(path.read_text(encoding="utf-8")) for way, path in kept.items()}
    return found


def _cutting(way: Way) -> tuple[int, str, str]:
    return way.tokens, way.overlap, way.prefix


def _key(task: Task, passages: str, encoder: Encoder, way: Way) -> str:
    asked = [task.name, task.queries, task.qrels, [asdict(gold) for gold in task.gold.values()], DEPTH]
    parts = [passages, asked, encoder.fingerprint, way.neighbours, way.article]
    return xxhash.xxh3_64_hexdigest(json.dumps(parts).encode())


def main(
    folders: Annotated[list[Path], typer.Argument(help="BEIR folders.")],
    cache: Annotated[Path, typer.Option(help="Where results are kept.")],
    encoder: Annotated[str, typer.Option(help="Encoder of the passages.")] = "bundled-en",
    queries: Annotated[int, typer.Option(help="Queries of a set at most.")] = 300,
    seed: Annotated[int, typer.Option(help="Of the choice of queries.")] = 3,
) -> None:
    """Print tables: the sets, articles by their best passage, and passages that answer."""
    cache.mkdir(parents=True, exist_ok=True)
    loaded = load_encoder(encoder)
    found, joined = {}, {}
    for folder in folders:
        began, task = time.perf_counter(), read_task(folder, queries, seed)
        found[task.name] = measure(task, loaded, cache)
        if task.name in JOINED:
            long = join_task(folder, task)
            joined[long.name] = measure(long, loaded, cache)
        print(f"  {task.name}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    print(f"Encoder: `{loaded.name}` (`{loaded.fingerprint}`).\n\n| set | articles | passages an article | queries |")
    print("|---|---|---|---|")
    for name, base in ((name, some[BASE]) for name, some in {**found, **joined}.items()):
        print(f"| {name} | {base['articles']:,} | {base['passages'] / base['articles']:.1f} | {base['queries']} |")
    print_means("Articles by their best passage", found, AT_ARTICLES)
    found = {name: some for name, some in found.items() if some[BASE]["passages"] > LONG * some[BASE]["articles"]}
    if found:
        print_means(f"Sets with more than {LONG} passages an article", found, AT_ARTICLES)
        print_table("nDCG@10 of hybrid", {name: ({name: some}, "hybrid", "nDCG@10") for name, some in found.items()})
    for name, some in joined.items():
        print_means(f"Passages that answer, {name}", {name: some}, (*AT_PASSAGES, *(f"in {n} words" for n in WORDS)))


def print_means(title: str, found: Mapping[str, Any], measures: Sequence[str]) -> None:
    """A table of means over sets, by measure and mode."""
    columns = {f"{measure} {mode}": (found, mode, measure) for measure in measures for mode in MODES}
    print_table(f"{title} (mean of {len(found)})", columns)


def print_table(title: str, columns: Mapping[str, tuple[Mapping[str, Any], str, str]]) -> None:
    """A row for each way; a column is the mean over some sets of a measure in a mode."""
    print(f"\n**{title}**\n\n| passages | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for way in WAYS:
        values = [fmean(s[way.name]["scores"][mode][m] for s in sets.values()) for sets, mode, m in columns.values()]
        print(f"| {way.name} | {' | '.join(f'{value:.4f}' for value in values)} |")


if __name__ == "__main__":
    typer.run(main)
