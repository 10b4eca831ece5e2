"""Pictures of the search page, to look at: python benchmarks/screenshots.py FOLDER.

Start page, results, the explanation of a score, an article and an error, each light, dark and as wide as a phone, with
the sample articles. Needs Chromium and the extra ``test``.
"""

import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from browser_tools import chromium
from serving_tools import served

from searchidx.cli import main

QUERY = "who was barred from selling network gear"
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1200, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1200, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
}


def shots(page):
    """Bring a page to each state in turn; yields its name."""
    page.goto("/")
    yield "start"
    page.goto(f"/?q={QUERY}")
    yield "results"
    page.locator(".hit summary").nth(0).click()
    page.locator(".hit details:not([open]) summary", has_text="more from").first.click()
    page.locator(".hit h2 a").first.focus()
    yield "why"
    page.locator(".hit h2 a").first.click()
    page.wait_for_url("**/article/**")
    yield "article"
    page.goto(f"/?q={QUERY}&after=2018-01-01&before=2020&source=Nobody")
    yield "nothing"
    page.goto("/?q=recipe for sourdough bread")
    yield "doubtful"
    page.goto(f"/?q={QUERY}&after=last+year")
    yield "error"


def run(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as root:
        main(["demo", "-q", "-i", f"{root}/samples"])
        with served(Path(root)) as address, chromium() as browser:
            for look, options in LOOKS.items():
                context = browser.new_context(base_url=address, **options)
                page = context.new_page()
                for name in shots(page):
                    page.screenshot(path=folder / f"{name}-{look}.png")
                context.close()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    run(Path(sys.argv[1]))
