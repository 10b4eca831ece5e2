"""Ways to run the command line in tests, and an index to run it on."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from searchidx.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def demo_index(tmp_path_factory):
    """The samples, indexed once; tests that write make their own."""
    folder = tmp_path_factory.mktemp("cli") / "demo"
    assert main(["demo", "-q", "-i", str(folder)]) == 0
    return str(folder)


@pytest.fixture(autouse=True)
def somewhere_else(tmp_path, monkeypatch):
    """An empty working folder, and no settings of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in ("SEARCHIDX_INDEX", "SEARCHIDX_DEBUG", "NO_COLOR", "FORCE_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys):
    """Run a command in this process: exit status, standard output, standard error."""

    def run(*typed):
        capsys.readouterr()
        status = main(list(map(str, typed)))
        out, err = capsys.readouterr()
        return status, out, err

    return run


def cold(*typed, **options):
    """Run a command in a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "searchidx", *map(str, typed)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **options.pop("env", {})}
    return subprocess.run(command, capture_output=True, timeout=60, env=environment, **options)


def on_terminal(*typed, columns=100, env=None):
    """What a command writes on a terminal."""
    ours, theirs = pty.openpty()
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm-256color",
        "COLUMNS": str(columns),
        **(env or {}),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "searchidx", *map(str, typed)],
        stdout=theirs,
        stderr=theirs,
        stdin=theirs,
        env=environment,
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # Linux says so when the other side is closed
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return written.decode()
