"""The way into the command line, and how it ends.

Results go to standard output, everything else to standard error. Exit status: 0 done, 1 an error, 2 wrong usage,
130 interrupted.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from typing import Annotated, Any

import typer
from typer.main import get_command

from searchidx import __version__
from searchidx.cli import asking, evaluating, inspecting, judging, keeping, measuring, reading, serving, writing
from searchidx.cli.conversion import Command, Group
from searchidx.cli.progress import Interrupted
from searchidx.cli.terminal import note
from searchidx.errors import SearchIdxError

_UsageError: type[Exception] = typer.BadParameter.__mro__[1]
"""What typer raises on wrong usage; it has no public name."""
_INTERRUPTED = 130

app = typer.Typer(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
_COMMANDS: dict[str, Callable[..., None]] = {
    "add": writing.add,
    "inspect": inspecting.inspect,
    "search": reading.search,
    "context": reading.context,
    "ask": asking.ask,
    "get": reading.get,
    "list": reading.list_articles,
    "remove": writing.remove,
    "sync": writing.sync,
    "status": reading.status,
    "export": reading.export,
    "check": keeping.check,
    "backup": keeping.backup,
    "encoders": reading.encoders,
    "judge": judging.judge,
    "eval": evaluating.evaluate,
    "bench": measuring.bench,
    "demo": writing.demo,
    "serve": serving.serve,
    "mcp": serving.mcp,
}
for _name, _function in _COMMANDS.items():
    app.command(_name, cls=Command)(_function)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"searchidx {__version__}")
        raise typer.Exit


@app.callback()
def _searchidx(
    version: Annotated[
        bool, typer.Option("--version", metavar="", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Local semantic search for articles: ranked, citable passages, offline.

    Start with: searchidx demo
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: what was typed after ``searchidx``; by default ``sys.argv``.

    Returns:
        The exit status.
    """
    typed = list(sys.argv[1:] if arguments is None else arguments)
    # numpy's second thread is of no help to one query, and spins for longer than a search takes
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    for stream in (sys.stdout, sys.stderr):  # a file name that is no Unicode prints as \udc.., in JSON too
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if sys.stdout.isatty():
        app.rich_markup_mode = "rich"  # the looks of --help
    try:
        return _run(typed or ["--help"])
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("SEARCHIDX_DEBUG"):
            raise
        status, message = _explain(error)
        note(message)
        return status


def program() -> None:
    """Run the command line as a process of its own, and end it.

    The memory is left to the system: taking apart what was mapped and read, word by word, is a fifth of a cold search.
    """
    status = main()
    if threading.active_count() > 1:
        sys.exit(status)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # what could not be written was told before
            stream.flush()
    os._exit(status)


def _run(typed: Sequence[str]) -> int:
    try:
        status = get_command(_needed(typed[0]))(typed, prog_name="searchidx", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        return _hang_up()
    except SystemExit as stopped:  # typer turns a broken pipe into an exit
        if isinstance(stopped.__context__, BrokenPipeError):
            return _hang_up()
        return stopped.code if isinstance(stopped.code, int) else 1
    if status == _INTERRUPTED:
        raise KeyboardInterrupt
    return status if isinstance(status, int) else 0


def _needed(name: str) -> typer.Typer:
    """The program with no other command than the one that is named: making all twenty takes 13 ms."""
    if name not in _COMMANDS:
        return app
    program = copy(app)
    program.registered_commands = [command for command in app.registered_commands if command.name == name]
    return program


def _hang_up() -> int:
    """Who reads our output (``| head``) has enough: end in silence, at the interpreter's exit too."""
    with suppress(OSError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno())  # type: ignore[union-attr]
    return 0


_NO_MEMORY = ("Cannot allocate memory", "failed to map segment")
"""What the system says of it, to ``mmap`` and when a library is loaded."""


def _explain(error: BaseException) -> tuple[int, str]:
    """Exit status and message for an error."""
    if isinstance(error, Interrupted):
        return _INTERRUPTED, str(error)
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return _INTERRUPTED, "interrupted"
    if isinstance(error, _UsageError):
        return 2, f"error: {_usage(error)}"
    if isinstance(error, SearchIdxError):
        return 1, f"error: {error}"
    if isinstance(error, MemoryError) or any(sign in str(error) for sign in _NO_MEMORY):
        return 1, "error: there is not enough memory; what was finished is kept: make room and run the same again"
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return 1, f"error: {place}{error.strerror or error}"
    return 1, (
        f"error: unexpected {type(error).__name__}: {error}; this is a fault of searchidx: "
        "please report it with what SEARCHIDX_DEBUG=1 prints"
    )


def _usage(error: Any) -> str:
    """What was typed wrong, what may have been meant, and where to read on."""
    meant = getattr(error, "possibilities", None)
    message = (error.message if meant else error.format_message()).replace("Value error, ", "")
    path = error.ctx.command_path if error.ctx else "searchidx"
    if meant:
        message = f"{message}. Did you mean {' or '.join(meant)}?"
    elif hasattr(error, "option_name") and path.endswith(("search", "context", "ask")):
        message = f"{message}. A query that begins with a dash goes after --"
    return f"{message.removesuffix('.')} (see {path} --help)"
