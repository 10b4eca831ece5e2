"""The search page: what it weighs, and how long a search takes until its results are in place in Chromium.

    python benchmarks/page.py [INDEX] [--queries 40]

By default the sample articles. The baseline in the same run is the search that the page makes, called from Python. The
browser runs on the same cores as the server.
"""

import argparse
import sys
import tempfile
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import httpx
import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from browser_tools import chromium
from serving_tools import served

from searchidx import Index
from searchidx.cli import main
from searchidx.serving.page import PAGE

WORDS = "network gear|wheat prices|a disease that no longer exists|who barred Huawei|coral reef|the moon|privacy|strike"
PARTS = ("style.css", "search.js", "icon.svg")
SEARCHED = """async (query) => {
  const began = performance.now();
  const done = new Promise((resolve) => new MutationObserver((_, watcher) => {
    if (document.querySelector(".hit")) { watcher.disconnect(); requestAnimationFrame(() => setTimeout(resolve)); }
  }).observe(document.querySelector("#results"), { childList: true }));
  document.querySelector("#q").value = query;
  document.querySelector("form").requestSubmit();
  await done;
  return performance.now() - began;
}"""


def timed(function, queries):
    """Milliseconds of each call, the first few left out."""
    times = []
    for query in queries:
        began = time.perf_counter()
        function(query)
        times.append(1000 * (time.perf_counter() - began))
    return times[5:]


def report(name, times):
    print(f"{name:<46} p50 {np.percentile(times, 50):7.1f} ms   p95 {np.percentile(times, 95):7.1f} ms")


def run(place, number):
    queries = [f"{words} {turn}" for turn in range(number) for words in WORDS.split("|")][: number + 5]
    with Index.open(place) as index:
        report("Index.search, as the page asks it", timed(lambda query: index.search(query, 3 * PAGE), queries))
    with served(places={"articles": place}) as address, chromium() as browser, httpx.Client(base_url=address) as client:
        report("the page over HTTP", timed(lambda query: client.get("/", params={"q": query}), queries))
        page = browser.new_page(base_url=address)
        page.goto("/")
        report("Chromium: from Enter to results painted", [page.evaluate(SEARCHED, query) for query in queries][5:])
        opened = timed(lambda query: page.goto(f"/?q={query}"), queries)
        report("Chromium: a shared link, until loaded", opened)
        html = len(client.get("/", params={"q": queries[0]}).content)
        parts = {name: len(client.get(f"/static/{name}").content) for name in PARTS}
    weight = ", ".join(f"{name} {size:,}" for name, size in {"HTML with 10 results": html, **parts}.items())
    print(f"weight in bytes: {html + sum(parts.values()):,} ({weight}); bound: 60,000")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", nargs="?", type=Path)
    parser.add_argument("--queries", type=int, default=40)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if asked.index is None:
            with redirect_stdout(StringIO()):
                main(["demo", "-q", "-i", f"{folder}/samples"])
        run(asked.index or Path(folder) / "samples", asked.queries)
