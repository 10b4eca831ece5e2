"""What a peer does, and the stages that measure it; each stage is a process of its own, in the peer's environment.

    python -m peers.chroma search --system chroma --task FOLDER --index FOLDER

prints a line of JSON at the end. This file needs numpy and nothing else, as it runs in every environment.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

K = 10
SECONDS = 60.0
"""The latency of more queries than fit into this time is not measured; effectiveness is measured with all of them."""
CHANGES = 20


@dataclass(frozen=True)
class Passage:
    """What is indexed: an id of its own, the article it belongs to, and the text that its vector stands for."""

    id: str
    doc: str
    title: str
    heading: str
    text: str
    source: str
    published: str

    @property
    def whole(self) -> str:
        """The text that was encoded and that words are looked up in: title, heading and text, each said once."""
        return "\n".join(dict.fromkeys(part for part in (self.title, self.heading, self.text) if part))


@dataclass(frozen=True)
class Query:
    """A question, its vector (float32, unit length) and the grades of the articles that answer it."""

    text: str
    vector: np.ndarray
    relevant: Mapping[str, int]


class Given:
    """Vectors that are there already, by text: every system is given the same."""

    def __init__(self) -> None:
        self._rows: dict[bytes, np.ndarray] = {}

    def take(self, texts: Sequence[str], vectors: np.ndarray) -> None:
        self._rows.update(zip(map(_key, texts), vectors, strict=True))

    def of(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([self._rows[_key(text)] for text in texts], dtype=np.float32)


def _key(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


class Peer:
    """A system, driven as its own pages say; subclasses raise NotImplementedError or let its own error out."""

    packages: tuple[str, ...] = ()
    note = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.given = Given()

    def build(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Index everything; when it returns, another process can open what is on the disk."""
        raise NotImplementedError

    def open(self) -> None:
        """Be ready to search what ``build`` left."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the files, where the system has a way to."""

    def search(self, query: Query, k: int) -> list[str]:
        """Ids of the best passages; texts are read too where the system returns them by itself."""
        raise NotImplementedError

    def filtered(self, query: Query, k: int, source: str) -> list[str]:
        """The same among the passages of one outlet."""
        raise NotImplementedError

    def add(self, passages: Sequence[Passage], vectors: np.ndarray) -> None:
        """Add one article, until it is on the disk."""
        raise NotImplementedError

    def remove(self, passages: Sequence[Passage]) -> None:
        """Delete one article, until it is gone from the disk."""
        raise NotImplementedError


# what is asked


@dataclass(frozen=True)
class Task:
    """A folder with ``passages.jsonl``, ``vectors.npy``, ``queries.jsonl``, ``queries.npy``, ``facts.json``."""

    folder: Path

    def passages(self, name: str = "passages") -> list[Passage]:
        with open(self.folder / f"{name}.jsonl", encoding="utf-8") as file:
            return [Passage(**json.loads(line)) for line in file]

    def vectors(self, name: str = "vectors") -> np.ndarray:
        return np.load(self.folder / f"{name}.npy").astype(np.float32)

    def queries(self) -> list[Query]:
        rows = [json.loads(line) for line in (self.folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()]
        vectors = self.vectors("queries")
        return [Query(row["text"], vector, row["relevant"]) for row, vector in zip(rows, vectors, strict=True)]

    @property
    def facts(self) -> dict[str, Any]:
        return json.loads((self.folder / "facts.json").read_text())


def ndcg(docs: Sequence[str], relevant: Mapping[str, int]) -> float:
    """nDCG@10 of a ranking of articles, linear gains."""
    gains = [relevant.get(doc, 0) / math.log2(rank + 2) for rank, doc in enumerate(docs[:K])]
    best = sorted((grade for grade in relevant.values() if grade > 0), reverse=True)[:K]
    return sum(gains) / sum(grade / math.log2(rank + 2) for rank, grade in enumerate(best))


# stages


def build(peer: Peer, task: Task) -> dict[str, Any]:
    passages, vectors = task.passages(), task.vectors()
    shutil.rmtree(peer.folder, ignore_errors=True)
    before, began, used = peak(), time.perf_counter(), time.process_time()
    peer.build(passages, vectors)
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    size = sum(path.stat().st_size for path in peer.folder.rglob("*") if path.is_file())
    return {"seconds": seconds, "cpu_s": cpu, "peak_mb": peak(), "peak_before_mb": before, "disk_mb": size / 1e6}


def search(peer: Peer, task: Task) -> dict[str, Any]:
    queries, source = task.queries(), task.facts["source"]
    peer.given.take([query.text for query in queries], np.array([query.vector for query in queries]))
    began = time.perf_counter()
    peer.open()
    opened = time.perf_counter() - began
    for query in queries[-3:]:
        peer.search(query, K)
    wall, cpu, rankings = timed(queries, lambda query: peer.search(query, K))
    told = {"open_s": opened, **latency("query", wall, cpu), "peak_mb": peak()}
    owners = {passage.id: passage for passage in task.passages()}  # not before the memory is measured
    docs = [list(dict.fromkeys(owners[found].doc for found in ranking)) for ranking in rankings]
    told["ndcg@10"] = float(np.mean([ndcg(some, query.relevant) for some, query in zip(docs, queries, strict=True)]))
    if not source:
        return told
    try:
        wall, cpu, rankings = timed(queries[:50], lambda query: peer.filtered(query, K, source))
    except Exception as error:
        return {**told, "filter": refusal(error)}
    right = [sum(owners[found].source == source for found in ranking) for ranking in rankings]
    wrong = sum(map(len, rankings)) - sum(right)
    return {**told, **latency("filter", wall, cpu), "filter_hits": float(np.mean(right)), "filter_wrong": wrong}


def cold(peer: Peer, task: Task) -> dict[str, Any]:
    """One answer; the process that started this one measures it."""
    row = json.loads((task.folder / "queries.jsonl").open(encoding="utf-8").readline())
    query = Query(row["text"], np.load(task.folder / "queries.npy", mmap_mode="r")[0].astype(np.float32), {})
    peer.given.take([query.text], query.vector[None])
    peer.open()
    return {"first": peer.search(query, K)[:1]}


def change(peer: Peer, task: Task) -> dict[str, Any]:
    """Add articles one by one, then delete them; each is looked for, and once more after opening anew."""
    passages, vectors = task.passages("added"), task.vectors("added")
    articles = [
        [number for number, passage in enumerate(passages) if passage.doc == doc]
        for doc in dict.fromkeys(passage.doc for passage in passages)
    ][:CHANGES]
    peer.given.take([passage.whole for passage in passages], vectors)
    peer.open()
    told: dict[str, Any] = {}
    for name, act in (("add", peer.add), ("delete", peer.remove)):
        wall, seen = list[float](), 0
        try:
            for rows in articles:
                some = [passages[number] for number in rows]
                began = time.perf_counter()
                act(some, vectors[rows]) if name == "add" else act(some)  # type: ignore[call-arg]
                wall.append(1000 * (time.perf_counter() - began))
                seen += finds(peer, some[0], vectors[rows[0]]) == (name == "add")
                if sum(wall) > 1000 * SECONDS:
                    break
        except Exception as error:
            told[name] = refusal(error)
            continue
        told |= latency(name, wall, []) | {f"{name}_right": f"{seen} of {len(wall)}"}
        peer.close()
        peer.open()
        told[f"{name}_kept"] = finds(peer, passages[articles[0][0]], vectors[articles[0][0]]) == (name == "add")
    return told


def finds(peer: Peer, passage: Passage, vector: np.ndarray) -> bool:
    """Whether a passage is found by its own text and vector."""
    peer.given.take([passage.text], vector[None])
    return passage.id in peer.search(Query(passage.text, vector, {}), K)


STAGES: dict[str, Callable[[Peer, Task], dict[str, Any]]] = {
    "build": build,
    "search": search,
    "cold": cold,
    "change": change,
}


def timed(
    queries: Sequence[Query], ask: Callable[[Query], list[str]]
) -> tuple[list[float], list[float], list[list[str]]]:
    """Milliseconds on the clock and of processor time, as far as SECONDS reach, and all rankings."""
    wall, cpu, rankings = list[float](), list[float](), list[list[str]]()
    for query in queries:
        began, used = time.perf_counter(), time.process_time()
        rankings.append(ask(query))
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
    count = max(20, int(np.searchsorted(np.cumsum(wall), 1000 * SECONDS)))
    return wall[:count], cpu[:count], rankings


def latency(name: str, wall: Sequence[float], cpu: Sequence[float]) -> dict[str, float]:
    told = {f"{name}_p50_ms": float(np.percentile(wall, 50)), f"{name}_p95_ms": float(np.percentile(wall, 95))}
    return {
        **told,
        **({f"{name}_cpu_p50_ms": float(np.percentile(cpu, 50))} if cpu else {}),
        f"{name}_count": len(wall),
    }


def refusal(error: Exception) -> str:
    """What the system said where it cannot do a thing."""
    return f"{type(error).__name__}: {str(error).strip()[:160]}"


def peak() -> float:
    """Most memory that this process had so far, in MB; of Linux."""
    lines: Iterator[list[str]] = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return next(int(words[1]) for words in lines if words and words[0] == "VmHWM:") / 1024


def main(systems: Mapping[str, type[Peer]]) -> None:
    """Run one stage of one system."""
    from importlib.metadata import version

    stage, *typed = sys.argv[1:]
    options = dict(zip(typed[::2], typed[1::2], strict=True))
    chosen = systems[options["--system"]]
    peer = chosen(Path(options["--index"]))
    told = STAGES[stage](peer, Task(Path(options["--task"])))
    told["versions"] = {name: version(name) for name in chosen.packages}
    told["note"] = chosen.note
    sys.stdout.flush()
    sys.stdout.write("\n" + json.dumps(told) + "\n")
    sys.stdout.flush()
    os._exit(0)  # some leave threads behind that never end
