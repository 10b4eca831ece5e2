"""Cold query: wall time of `searchidx search` on 100,000 passages over that of importing its libraries alone.

    python benchmarks/cold_query.py --data ../shared/data --cache ~/.cache/searchidx-bench

The two commands alternate, so the ratio holds when the machine's speed drifts.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from news import index_of_100k

QUERY = "US restrictions on Chinese telecoms"
UNWANTED = ("torch", "sentence_transformers", "trafilatura", "lxml", "markdown_it")


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def imported(index: Path) -> list[str]:
    """Which of the unwanted libraries a search imports."""
    code = (
        f"import sys; from searchidx.cli import main\ntry: main(['search', {QUERY!r}, '-i', {str(index)!r}])\n"
        f"except SystemExit: pass\nprint([name for name in {UNWANTED!r} if name in sys.modules], file=sys.stderr)"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return list(eval(run.stderr.splitlines()[-1]))


def main(data: Annotated[Path, typer.Option()], cache: Annotated[Path, typer.Option()], runs: int = 15) -> None:
    """Print both times and their ratio."""
    index = index_of_100k(data, cache)
    program = shutil.which("searchidx", path=str(Path(sys.executable).parent)) or "searchidx"
    baseline = [sys.executable, "-c", "import numpy, faiss, tantivy, typer"]
    for output in ([], ["--json"]):
        search = [program, "search", QUERY, "-i", str(index), *output]
        pairs = [(seconds(search), seconds(baseline)) for _ in range(runs + 2)][2:]
        a, b = (statistics.median(times) for times in zip(*pairs, strict=True))
        ratio = statistics.median(x / y for x, y in pairs)
        print(f"search {' '.join(output):6} {a * 1000:6.0f} ms   imports alone {b * 1000:6.0f} ms   ratio {ratio:.2f}")
    print(f"unwanted imports: {imported(index) or 'none'}")


if __name__ == "__main__":
    typer.run(main)
