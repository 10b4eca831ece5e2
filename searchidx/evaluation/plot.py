"""Figures: effectiveness against cost, one point for each system; and what ``searchidx bench`` timed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from searchidx.errors import SearchIdxError
from searchidx.evaluation.measures import require_extra

FORMATS = (".png", ".svg")
_COLOURS = {"lexical": "#0072b2", "dense": "#d55e00", "hybrid": "#009e73"}  # told apart by colour-blind eyes too
_OTHER = "#555555"
_MARKERS = "osD^vPX*"
_DISTANCES = range(8, 120, 8)
"""How far from its point a name may stand, in points, nearest first."""
_DIRECTIONS = (0, 180, 90, 270, 45, 135, 315, 225, 20, 160, 340, 200, 70, 110, 290, 250)
"""Where it may stand, in degrees, the most readable first."""


@dataclass(frozen=True, slots=True)
class Point:
    """A system: its encoder and mode, its median latency in milliseconds, and its value."""

    encoder: str
    mode: str
    latency: float
    value: float


def check_plot(path: Path) -> None:
    """Say before the work what a plot would fail for.

    Raises:
        SearchIdxError: the suffix is none of FORMATS, or the folder is not there.
        MissingExtra: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise SearchIdxError(f"{path}: a plot is written as {' or '.join(FORMATS)}: give the file such a suffix")
    if not path.parent.is_dir():
        raise SearchIdxError(f"{path}: there is no folder {path.parent}: make it, or name another file")
    require_extra("matplotlib")


def plot(points: Sequence[Point], measure: str, path: Path, title: str = "") -> None:
    """Draw a measure against median latency, on a logarithmic axis, as PNG or SVG by the suffix of ``path``.

    Raises:
        SearchIdxError, MissingExtra: as for ``check_plot``.
    """
    check_plot(path)
    figure = _figure(7.2, 4.5)
    axes = figure.add_subplot()
    encoders = list(dict.fromkeys(point.encoder for point in points))
    for point in points:
        marker = _MARKERS[encoders.index(point.encoder) % len(_MARKERS)]
        axes.plot(point.latency, point.value, marker, color=_COLOURS.get(point.mode, _OTHER), markersize=8, zorder=3)
    axes.set_xscale("log")
    _frame(axes, points)
    axes.set_xlabel("median latency of a query, ms")
    axes.set_ylabel(measure)
    axes.set_title(title, loc="left", fontsize=11)
    _calm(axes)
    figure.draw_without_rendering()
    short = {encoder: Path(encoder).name for encoder in encoders}
    names = [point.mode if len(encoders) == 1 else f"{point.mode}, {short[point.encoder]}" for point in points]
    _label(figure, axes, points, names)
    figure.savefig(path)


def plot_bench(warm: Mapping[str, Sequence[float]], steps: Mapping[str, float], path: Path, title: str = "") -> None:
    """Draw how many queries are answered within which time, and what a hybrid query is made of.

    Args:
        warm: milliseconds of each query, by mode.
        steps: median milliseconds of each step.
        path: PNG or SVG by its suffix.
        title: written above.

    Raises:
        SearchIdxError, MissingExtra: as for ``check_plot``.
    """
    check_plot(path)
    figure = _figure(9.6, 4.0)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    for mode, samples in warm.items():
        shares = [100 * (number + 1) / len(samples) for number in range(len(samples))]
        left.step(sorted(samples), shares, where="post", color=_COLOURS.get(mode, _OTHER), label=mode)
    left.set_xscale("log")
    _few_ticks(left)
    left.set_yticks([0, 25, 50, 75, 95, 100])
    left.set_xlabel("latency of a query, ms")
    left.set_ylabel("queries answered within it, %")
    left.legend(frameon=False, loc="lower right")
    left.set_title(title, loc="left", fontsize=11)
    names, values = list(steps), list(steps.values())
    bars = right.barh(names, values, color=_COLOURS["hybrid"], height=0.6, zorder=3)
    right.bar_label(bars, [f"{value:.2f}" for value in values], padding=4, fontsize=9)
    right.invert_yaxis()
    right.margins(x=0.15)
    right.set_xlabel("median of the steps of hybrid, ms")
    for axes in (left, right):
        _calm(axes)
    figure.savefig(path)


def _figure(width: float, height: float) -> Any:
    """An empty figure, in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)  # no window, and no state that pyplot would share
    return figure


def _calm(axes: Any) -> None:
    """A pale grid, and no frame where nothing is read."""
    axes.grid(True, which="major", color="#e4e4e4")
    axes.spines[["top", "right"]].set_visible(False)


def _few_ticks(axes: Any) -> None:
    """Plain numbers on a logarithmic axis, and few of them."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _frame(axes: Any, points: Sequence[Point]) -> None:
    """Leave room for labels: half a decade to the sides, a fifth of the spread above and below; few plain ticks."""
    latencies, values = [point.latency for point in points], [point.value for point in points]
    axes.set_xlim(min(latencies) / 3, max(latencies) * 3)
    margin = max(0.02, 0.2 * (max(values) - min(values)))
    axes.set_ylim(min(values) - margin, max(values) + margin)
    _few_ticks(axes)


def _label(figure: Any, axes: Any, points: Sequence[Point], names: Sequence[str]) -> None:
    """Write each name beside its point where it covers neither a point, nor a name, nor the edge."""
    from matplotlib.transforms import Bbox

    at = [axes.transData.transform((point.latency, point.value)) for point in points]
    half = figure.dpi / 72 * 5
    taken = [Bbox.from_extents(x - half, y - half, x + half, y + half) for x, y in at]
    frame, renderer = axes.get_window_extent(), figure.canvas.get_renderer()
    for point, name in zip(points, names, strict=True):
        label = axes.annotate(
            name,
            (point.latency, point.value),
            (0, 0),
            textcoords="offset points",
            fontsize=9,
            zorder=4,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        )
        for distance, angle in ((distance, angle) for distance in _DISTANCES for angle in _DIRECTIONS):
            _place(label, distance, angle)
            box = label.get_window_extent(renderer)
            inside = frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
            if inside and not any(box.overlaps(other) for other in taken):
                break
        taken.append(box.padded(4))
        if distance > 2 * _DISTANCES[0]:
            _tie(axes, label, point)


def _place(label: Any, distance: float, angle: float) -> None:
    """Move a name so that its nearest side or corner is so far from its point."""
    right, up = round(math.cos(math.radians(angle)), 6), round(math.sin(math.radians(angle)), 6)
    label.xyann = (distance * right, distance * up)
    label.set_horizontalalignment("left" if right > 0 else "right" if right < 0 else "center")
    label.set_verticalalignment("bottom" if up > 0 else "top" if up < 0 else "center")


def _tie(axes: Any, label: Any, point: Point) -> None:
    """A thin line from a point to a name that stands off."""
    line = {"arrowstyle": "-", "color": "#aaaaaa", "linewidth": 0.8}
    xy = point.latency, point.value
    axes.annotate("", xy, label.xyann, textcoords="offset points", arrowprops=line, zorder=2)
