"""A headless Chromium that tells what it would rather hide, and indexes for it to look at."""

import contextlib
import shutil

import pytest
from hostile_tools import ATTACKS, hostile
from serving_tools import served

from searchidx import Document, Index
from searchidx.cli import main

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextlib.contextmanager
def chromium():
    """A headless Chromium; each test takes a context of its own from it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class Watched:
    """A tab, and everything that happened in it that should not.

    Attributes:
        page: of playwright.
        foreign: addresses of other hosts that were asked for something.
        complaints: errors on the console and in scripts, violations of the policy, and dialogs.
    """

    def __init__(self, browser, address, **options):
        self.address, self.foreign, self.complaints = address, [], []
        self.context = browser.new_context(base_url=address, **options)
        self.page = self.context.new_page()
        self.page.on("request", self._asked)
        self.page.on(
            "console", lambda message: self.complaints.append(message.text) if message.type == "error" else None
        )
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._dialog)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " event => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`))"
        )

    def _asked(self, request):
        if not request.url.startswith(self.address + "/"):
            self.foreign.append(request.url)

    def _dialog(self, dialog):
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def close(self):
        self.context.close()


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Four indexes: the samples, hostile articles, an empty one, and one of copies and long articles."""
    root = tmp_path_factory.mktemp("indexes")
    main(["demo", "-q", "-i", str(root / "samples")])
    with Index.create(root / "hostile") as index:
        index.add(*(hostile(number, attack) for number, attack in enumerate(ATTACKS)))
    Index.create(root / "empty").close()
    with Index.create(root / "wire") as index:
        index.add(*copies(), *long_articles())
    return root


def copies():
    story = (
        "The orbital telescope recorded a burst from a distant magnetar on Tuesday, and the agency published the data."
    )
    other = (
        "A magnetar is a neutron star with a very strong magnetic field, and bursts of it are rare events in the sky."
    )
    yield Document(
        "a", story + " It was the brightest so far.", title="Agency sees burst", source="Wire", published="2024-05"
    )
    yield Document(
        "b",
        story + " It was the brightest so far.",
        title="Burst seen by agency",
        source="Daily",
        uri="https://daily.example/burst",
    )
    yield Document(
        "c", story + " It was the brightest of all.", title="Bright burst", source="Herald", published="2024"
    )
    yield Document("d", other, title="What is a magnetar?", source="Herald")


def long_articles():
    """2 MB of ordinary paragraphs, with one about a lighthouse near the end."""
    filler = "Nothing of note happened in the valley on that day, *so* the chronicle says. "
    filler += "The [mill](https://mill.example/) turned. "
    body = [filler * 4] * 3_900
    body[3_800] = "## The light\n\nThe lighthouse keeper of Skerryvore saw a green comet above the reef."
    yield Document("long", "\n\n".join(body), title="Chronicle", media_type="text/markdown")


@pytest.fixture(scope="module")
def address(root):
    with served(root) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_tab(browser, address):
    """Make a tab; at the end of the test nothing foreign was asked for and nothing went wrong in any of them."""
    tabs = []

    def make(**options):
        tabs.append(Watched(browser, address, **options))
        return tabs[-1].page

    make.expected = []
    yield make
    for tab in tabs:
        tab.close()
        assert not tab.foreign
        assert [text for text in tab.complaints if not any(known in text for known in make.expected)] == []
