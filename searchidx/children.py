"""Processes of Python beside this one: how they are started, and how they answer."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import BinaryIO

_HERE = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); "


def command(code: str, *arguments: str) -> list[str]:
    """What runs some code in a new process that finds the modules of this one, with arguments in ``sys.argv[1:]``."""
    path = json.dumps([entry for entry in sys.path if entry])
    return [sys.executable, "-P", "-c", _HERE + code, path, *arguments]


def answering() -> BinaryIO:
    """In a child, a stream for answers alone: what else is printed goes to standard error; Ctrl-C is the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def say(answers: BinaryIO, *parts: bytes) -> None:
    """Send an answer; the process ends where nobody listens any more."""
    try:
        answers.writelines(parts)
        answers.flush()
    except BrokenPipeError:
        os._exit(0)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
