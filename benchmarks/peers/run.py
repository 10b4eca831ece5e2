"""Peers: the same passages, vectors and queries through searchidx and what people would use instead.

    python -m peers.run --data ../../shared/data --cache ~/.cache/searchidx-bench --count 5000
    python -m peers.run --data DATA --cache CACHE --vectors FOLDER     # all of about 100,000, with vectors made before

to be run in ``benchmarks/``. Each peer gets an environment of its own under CACHE/venvs, from PyPI; each stage of each
system is a process of its own there, kept to one core but for ``build``. Results are JSON, one file a system, in
``--results``; ``python -m peers.report`` makes the table and the plot of them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import typer
from peers.data import SETS, judged_task, news_task

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = {
    "txtai": ["torch==2.13.0", "txtai"],  # pinned, as an open torch pulls gigabytes for GPUs
    "langchain": ["langchain-community", "langchain-classic", "faiss-cpu", "rank_bm25"],
    "llamaindex": ["llama-index-core", "llama-index-vector-stores-faiss", "faiss-cpu"],
    "chroma": ["chromadb"],
    "lancedb": ["lancedb"],
}
SYSTEMS = {
    "searchidx": "searchidx",
    "searchidx-minilm": "searchidx",
    "txtai": "txtai",
    "txtai-hybrid": "txtai",
    "langchain": "langchain",
    "llamaindex": "llamaindex",
    "chroma": "chroma",
    "lancedb": "lancedb",
}
"""Names of systems, with the module and environment of each."""
COLD_RUNS = 5
LIMIT_S = 3600
Part = Literal["costs", "judged"]
QUIET = 0.1
"""Share of the processor that other work may take before and after; beyond it a result is marked as not final."""


def others() -> float:
    """The share of the processor that other work takes while this waits two seconds."""
    before = _ticks()
    time.sleep(2)
    used, total = (after - then for after, then in zip(_ticks(), before, strict=True))
    return round(used / total, 3)


def _ticks() -> tuple[int, int]:
    """Ticks that all cores were at work since the start, and all ticks; of Linux."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)


def python_of(cache: Path, module: str) -> str:
    """The interpreter of a peer's environment, which is made once."""
    if module == "searchidx":
        return sys.executable
    folder = cache / "venvs" / module
    if not (folder / "ready").exists():
        print(f"{module}: pip install {' '.join(ENVIRONMENTS[module])}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        for first in (ENVIRONMENTS[module][:1], ENVIRONMENTS[module]):  # torch alone first, where there is one
            subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", *first], check=True)
        (folder / "ready").touch()
    return str(folder / "bin" / "python")


def stage(python: str, system: str, name: str, task: Path, index: Path) -> dict[str, Any]:
    """Run a stage; what it says, or the last line of why it failed."""
    command = [python, "-m", f"peers.{SYSTEMS[system]}", name]
    options = ["--system", system, "--task", str(task), "--index", str(index)]
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    environment |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    if SYSTEMS[system] == "searchidx":
        environment["PYTHONPATH"] = str(ROOT)
    where: dict[str, Any] = {"cwd": ROOT / "benchmarks", "env": environment, "timeout": LIMIT_S}
    where["preexec_fn"] = None if name == "build" else _keep_to_one_core
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(command + options, capture_output=True, text=True, **where)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {LIMIT_S} s", "load": load}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return {"error": last[:300], "load": load}
    return {**json.loads(done.stdout.strip().splitlines()[-1]), "load": load}


def _keep_to_one_core() -> None:
    """Before the process begins, so that every library believes that the machine has one."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def cold(python: str, system: str, task: Path, index: Path) -> dict[str, Any]:
    """Seconds from the start of a process to its end, with one answer in between; the first run warms the disk up."""
    seconds, told = list[float](), dict[str, Any]()
    for _ in range(COLD_RUNS + 1):
        began = time.perf_counter()
        told = stage(python, system, "cold", task, index)
        seconds.append(time.perf_counter() - began)
        if "error" in told:
            return told
    return {"seconds": median(seconds[1:]), "fastest": min(seconds[1:]), "first": told["first"], "load": told["load"]}


def costs(system: str, news: Path, cache: Path) -> dict[str, Any]:
    """What one system takes for the news passages, stage by stage, and what the machine did besides."""
    python, index = python_of(cache, SYSTEMS[system]), cache / "indexes" / f"{system}-{news.name}"
    busy = [others()]
    told: dict[str, Any] = {"build": stage(python, system, "build", news, index)}
    if "error" not in told["build"]:
        told["search"] = stage(python, system, "search", news, index)
        told["cold"] = cold(python, system, news, index)
        copy = index.with_name(f"{index.name}-copy")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(index, copy)
        told["change"] = stage(python, system, "change", news, copy)
        shutil.rmtree(copy)
    busy.append(others())
    return {
        **{key: told["build"].get(key) for key in ("versions", "note")},
        "task": json.loads((news / "facts.json").read_text()),
        "when": datetime.now(UTC).isoformat(timespec="minutes"),
        "cores": len(os.sched_getaffinity(0)),
        "others": busy,
        "quiet": max(busy) <= QUIET,
        **told,
    }


def effectiveness(system: str, judged: dict[str, Path], cache: Path) -> dict[str, Any]:
    """nDCG@10 of one system on each judged set, which does not depend on what the machine does besides."""
    python, told = python_of(cache, SYSTEMS[system]), dict[str, Any]()
    for name, task in judged.items():
        index = cache / "indexes" / f"{system}-{name}"
        built = stage(python, system, "build", task, index)
        found = built if "error" in built else stage(python, system, "search", task, index)
        told[name] = {key: found[key] for key in ("ndcg@10", "error") if key in found}
        shutil.rmtree(index, ignore_errors=True)
    return {"judged": told}


def main(
    data: Annotated[Path, typer.Option(help="With news/, beir/ and minilm/.")],
    cache: Annotated[Path, typer.Option(help="Where environments, tasks and indexes are kept.")],
    vectors: Annotated[
        Path | None, typer.Option(help="passages.jsonl and v*.npy made before; default in CACHE.")
    ] = None,
    count: Annotated[int, typer.Option(help="Passages.")] = 100_000,
    system: Annotated[list[str] | None, typer.Option(help="One of the systems; repeat it. All by default.")] = None,
    judged_set: Annotated[
        list[str] | None, typer.Option(help="One of the judged sets; repeat it. All by default.")
    ] = None,
    part: Annotated[Part | None, typer.Option(help="Only this; what is there of the other stays.")] = None,
    results: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("peers/results"),
) -> None:
    """Measure the systems, one after the other."""
    data, cache = data.absolute(), cache.expanduser().absolute()
    results.mkdir(parents=True, exist_ok=True)
    for name in system or SYSTEMS:
        began, path = time.perf_counter(), results / f"{name}.json"
        told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        if part != "judged":
            news = news_task(data, cache, vectors.absolute() if vectors else cache / "minilm", count)
            told |= costs(name, news, cache)
        if part != "costs":
            judged = {one: task for one in judged_set or SETS if (task := judged_task(data, cache, one))}
            told |= effectiveness(name, judged, cache)
        path.write_text(json.dumps({"system": name, **told}, indent=1) + "\n")
        busy = " and ".join(f"{share:.0%}" for share in told.get("others", []))
        print(f"{name}: {time.perf_counter() - began:.0f} s, other work {busy or '-'} of the processor", flush=True)


if __name__ == "__main__":
    typer.run(main)
