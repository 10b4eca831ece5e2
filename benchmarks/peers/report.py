"""The table and the plot of what ``peers.run`` measured; the best of each column is bold, whoever it is.

python -m peers.report peers/results --plot peers/peers.svg > peers/results.md
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from peers.data import SETS
from peers.run import SYSTEMS

Result = dict[str, Any]
OURS = "searchidx"


def at(*names: str) -> Callable[[Result], float | None]:
    """A figure by its place in a result; None where it was not measured."""

    def value(result: Result) -> float | None:
        found: Any = result
        for name in names:
            found = found.get(name) if isinstance(found, dict) else None
        return found if isinstance(found, int | float) else None

    return value


def judged(result: Result) -> float | None:
    """Mean nDCG@10 of the judged sets, each counting the same."""
    values = [found.get("ndcg@10") for found in result["judged"].values()]
    return sum(values) / len(values) if values and None not in values else None


COLUMNS: list[tuple[str, Callable[[Result], float | None], int, bool]] = [
    ("build, s", at("build", "seconds"), 1, False),
    ("query p50, ms", at("search", "query_p50_ms"), 1, False),
    ("query p95, ms", at("search", "query_p95_ms"), 1, False),
    ("cold, s", at("cold", "seconds"), 2, False),
    ("memory, MB", at("search", "peak_mb"), 0, False),
    ("disk, MB", at("build", "disk_mb"), 0, False),
    ("add, ms", at("change", "add_p50_ms"), 1, False),
    ("delete, ms", at("change", "delete_p50_ms"), 1, False),
    ("filter, of 10", at("search", "filter_hits"), 1, True),
    ("filter p50, ms", at("search", "filter_p50_ms"), 1, False),
    ("nDCG@10 titles", at("search", "ndcg@10"), 3, True),
    ("nDCG@10 judged", judged, 3, True),
]
"""Name, figure, places, and whether more is better."""
PANELS = ("build, s", "query p50, ms", "cold, s", "memory, MB", "disk, MB", "add, ms")


def read(folder: Path) -> list[Result]:
    """The results there are, in the order of the systems; a system whose costs were not measured is left out."""
    paths = [folder / f"{name}.json" for name in SYSTEMS]
    results = [{"judged": {}, **json.loads(path.read_text())} for path in paths if path.exists()]
    return [result for result in results if "build" in result]


def table(results: Sequence[Result]) -> str:
    """Everything in a row for each system."""
    lines = [f"| | {' | '.join(name for name, *_ in COLUMNS)} |", f"|{'---|' * (len(COLUMNS) + 1)}"]
    cells = [[result["system"] for result in results]]
    for _, figure, places, more in COLUMNS:
        values = [figure(result) for result in results]
        known = [round(value, places) for value in values if value is not None]
        best = (max if more else min)(known, default=None)
        cells.append([_cell(value, places, best) for value in values])
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in zip(*cells, strict=True))])


def _cell(value: float | None, places: int, best: float | None) -> str:
    if value is None:
        return "-"
    text = f"{value:,.{places}f}"
    return f"**{text}**" if round(value, places) == best else text


def sets(results: Sequence[Result]) -> str:
    """nDCG@10 of each judged set."""
    names = [name for name in SETS if any(name in result["judged"] for result in results)]
    lines = [f"| nDCG@10 | {' | '.join(names)} |", f"|{'---|' * (len(names) + 1)}"]
    for result in results:
        values = [result["judged"].get(name, {}).get("ndcg@10") for name in names]
        lines.append(f"| {result['system']} | {' | '.join('-' if v is None else f'{v:.3f}' for v in values)} |")
    return "\n".join(lines)


def remarks(results: Sequence[Result]) -> str:
    """What each system is, its versions, and what it refused, lost or got wrong."""
    lines = []
    for result in results:
        versions = ", ".join(f"{name} {number}" for name, number in (result["versions"] or {}).items())
        lines.append(f"- **{result['system']}**: {result['note']}. {versions}. {' '.join(_faults(result))}".rstrip())
    return "\n".join(lines)


def _faults(result: Result) -> list[str]:
    change, search = result.get("change", {}), result.get("search", {})
    told = [
        f"{name}: {found['error']}." for name, found in result.items() if isinstance(found, dict) and "error" in found
    ]
    told += [f"{name} refused ({change[name]})." for name in ("add", "delete") if name in change]
    told += [f"filter refused ({search['filter']})."] if "filter" in search else []
    for name in ("add", "delete"):
        right = change.get(f"{name}_right", "")
        if right and len(set(right.split(" of "))) > 1:
            told.append(f"After {name}, {right} articles were seen as they should be.")
        if change.get(f"{name}_kept") is False:
            told.append(f"After {name} and opening anew, the change is lost.")
    return told


def draw(results: Sequence[Result], path: Path) -> None:
    """Points on logarithmic axes, which have no zero for bars to begin at; a panel for each cost."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    figure = Figure(figsize=(11, 5.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    figures = {name: (figure_of, places) for name, figure_of, places, _ in COLUMNS}
    names = [result["system"] for result in results]
    for axes, name in zip(figure.subplots(2, 3, sharey=True).flat, PANELS, strict=True):
        figure_of, places = figures[name]
        known = [(row, value) for row, result in enumerate(results) if (value := figure_of(result)) is not None]
        for row, value in known:
            axes.plot(value, row, "o", color="#009e73" if names[row].startswith(OURS) else "#555555", markersize=7)
            axes.annotate(
                f"{value:,.{places}f}", (value, row), (7, 0), textcoords="offset points", va="center", fontsize=8
            )
        if known:
            values = [value for _, value in known]
            axes.set_xscale("log")
            axes.set_xlim(min(values) / 2, max(values) * 4)
            steps = (1.0,) if max(values) > 300 * min(values) else (1.0, 3.0)
            axes.xaxis.set_major_locator(LogLocator(subs=steps, numticks=5))
            axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
            axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(True, axis="y", color="#e4e4e4")
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_yticks(range(len(names)), names)
        axes.set_title(f"{name} (less is better)", loc="left", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)


def main(
    folder: Annotated[Path, typer.Argument(help="Results of peers.run.")],
    plot: Annotated[Path | None, typer.Option(help="FILE.svg or FILE.png.")] = None,
) -> None:
    """Print the tables in Markdown."""
    results = read(folder)
    if not results:
        raise SystemExit(f"{folder} holds no results: make them with python -m peers.run")
    counts = {result["task"]["passages"] for result in results}
    busy = [result["system"] for result in results if not result["quiet"]]
    print(f"{', '.join(f'{count:,}' for count in sorted(counts))} passages, {results[0]['cores']} cores.")
    if busy:
        print(
            f"\n**Not final: the machine was busy with other work while {', '.join(busy)} ran.** Times are no finding."
        )
    print(f"\n{table(results)}\n\n{sets(results)}\n\n{remarks(results)}")
    if plot:
        draw(results, plot)


if __name__ == "__main__":
    typer.run(main)
