"""``bench``: how fast and how large an index is on this machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from searchidx.cli import tables
from searchidx.cli.arguments import AsJson, Device, IndexName, Quiet, TopK, opened
from searchidx.cli.output import print_json
from searchidx.cli.progress import Interrupted, Watch, watching
from searchidx.cli.terminal import console, line, note

if TYPE_CHECKING:
    from searchidx.measuring import Bench, Times

BenchQueries: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--queries",
        metavar="FILE",
        help='Queries, one a line or JSON lines with "text"; else they are made of the titles and sentences there are.',
    ),
]
Repeat: TypeAlias = Annotated[
    int, typer.Option("--repeat", metavar="N", min=1, help="How often each query is asked in each mode.")
]
Changes: TypeAlias = Annotated[
    int,
    typer.Option(
        "--changes", metavar="N", min=0, help="Also add, replace and remove N articles, in a copy of the index."
    ),
]
BenchPlot: TypeAlias = Annotated[
    str | None, typer.Option("--plot", metavar="FILE", help="Draw latency and steps: FILE.png or FILE.svg.")
]
_BUSY = 0.5
"""Load for each core from which the figures say more of other work than of the index."""


def bench(
    index: IndexName = "default",
    queries: BenchQueries = None,
    top_k: TopK = 10,
    repeat: Repeat = 2,
    changes: Changes = 0,
    plot: BenchPlot = None,
    device: Device = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how fast and how large an index is on this machine.

    Latency of a warm and a cold search, the steps of a query, recall, memory, disk. The index is only read.

    Example: searchidx bench -i news --changes 50 --plot news.svg
    """
    from searchidx.evaluation.plot import check_plot, plot_bench
    from searchidx.measuring import measure

    if plot:
        check_plot(Path(plot))
    with opened(index, device=device) as found, _watching(quiet) as watch:
        measured = measure(found, queries, k=top_k, repeat=repeat, changes=changes, progress=watch)
    if measured.machine["load"] > _BUSY * measured.machine["cores"]:
        note(
            f"the machine was busy when this began (load {measured.machine['load']:.1f} on "
            f"{tables.plural(measured.machine['cores'], 'core')}): times are longer than the index needs"
        )
    if as_json:
        print_json(measured.to_dict())
    else:
        _print(measured)
    if plot:
        warm = {mode: times.samples for mode, times in measured.warm.items()}
        plot_bench(warm, {step.name: step.p50 for step in measured.steps}, Path(plot), _title(measured))
        if not quiet:
            note(f"{plot} written")


@contextmanager
def _watching(quiet: bool) -> Iterator[Watch]:
    """Show progress; an interruption leaves nothing."""
    try:
        with watching(quiet=quiet) as watch:
            yield watch
    except Interrupted:
        raise Interrupted("interrupted: nothing was measured to the end, and the index is as it was") from None


def _title(measured: Bench) -> str:
    index = measured.index
    return line(f"{Path(index['path']).name} · {tables.plural(index['passages'], 'passage')} · {index['encoder']}")


def _print(measured: Bench) -> None:
    """Tables of what was timed, then the other figures, a line each."""
    from rich.text import Text

    out = console()
    out.print(Text(_title(measured), "bold"), soft_wrap=True)
    origin = f"of {measured.origin}" if measured.origin else "made of its own titles and sentences"
    times = "once" if measured.repeat == 1 else f"{measured.repeat} times"
    asked = f"{measured.queries:,} queries {origin}, each {times} in each mode, k={measured.k}"
    out.print(Text(line(asked), "dim"), soft_wrap=True)
    out.print()
    _print_times("warm query, ms", measured.warm)
    steps = [[step.name, f"{step.p50:.2f}", f"{step.p95:.2f}", f"{step.share:.0%}"] for step in measured.steps]
    tables.print_table(["steps of hybrid, ms", "p50", "p95", "share"], steps)
    out.print()
    if measured.changes:
        _print_times("small change, ms", measured.changes)
    tables.print_facts(_facts(measured))


def _print_times(head: str, times: Mapping[str, Times]) -> None:
    rows = [[name, *(f"{some.percentile(share):.2f}" for share in (50, 95, 99))] for name, some in times.items()]
    tables.print_table([head, "p50", "p95", "p99"], rows)
    console().print()


def _facts(measured: Bench) -> list[tuple[str, str]]:
    """What is one figure each, in words."""
    cold, memory, passages = measured.cold.to_dict(), measured.memory, measured.index["passages"]
    total = sum(measured.disk.values())
    parts = ", ".join(f"{name} {size / passages:,.0f}" for name, size in measured.disk.items() if size)
    kind = {"flat": "exact file", "ivf": "clusters", "none": "no file yet"}[measured.index["dense"]]
    return [
        (
            "cold search",
            f"{cold['search']['p50']:,.0f} ms, {cold['ratio']:.2f} times the bare import of its libraries "
            f"({cold['imports']['p50']:,.0f} ms)",
        ),
        ("recall@10", f"{measured.recall:.4f} of the dense leg ({kind}) against exact search"),
        (
            "memory",
            f"{tables.size(memory.peak)} at the peak of a process that searches; "
            f"{tables.size(memory.private)} its own, {tables.size(memory.mapped)} mapped files",
        ),
        ("disk", f"{tables.size(total)}, {total / passages:,.0f} bytes a passage: {parts}"),
        ("machine", f"{tables.plural(measured.machine['cores'], 'core')}, load {measured.machine['load']:.1f}"),
    ]
