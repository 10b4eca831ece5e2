"""Effectiveness as data: a file for each collection states what was there, then what was measured.

A change that moves a number fails a test until the file says the new one. All of them anew, and the page made from
them::

    python -m searchidx.evaluation.regression tests/regressions --data ../shared/data --page docs/effectiveness.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml  # type: ignore[import-untyped]

from searchidx.encoders import DEFAULT_ENCODER
from searchidx.errors import BadCollection, SearchIdxError
from searchidx.evaluation import MODES, build_index, evaluate, read_collection
from searchidx.storage.files import replace_durably

COUNTS = ("documents", "passages", "queries", "judgements", "missing")
MEASURES = ("nDCG@10", "R@100", "RR@10")
PLACES = 4
"""Decimals kept of a measure, and compared."""
SHARED = "shared/data"
"""What ``data`` begins with where the collection is not in the repository; it lies where ``--data`` says."""
SETS = f"{SHARED}/beir"
MARKS = ("<!-- regressions -->", "<!-- /regressions -->")
"""The lines of a page between which its table stands."""


@dataclass(frozen=True, slots=True)
class Regression:
    """What was measured of one collection.

    Attributes:
        name: of the collection, and of the file.
        data: where the collection lies: below ``shared/data``, or beside the file.
        counts: documents, passages, queries, judgements, and relevant documents that are missing (empty, say).
        encoder: name of the encoder.
        fingerprint: of that encoder.
        measures: by mode and measure, rounded to four decimals.
    """

    name: str
    data: str
    counts: Mapping[str, int]
    encoder: str
    fingerprint: str
    measures: Mapping[str, Mapping[str, float]]


def read_regression(path: Path) -> Regression:
    """Read a file that ``write_regression`` wrote."""
    told = yaml.safe_load(path.read_text(encoding="utf-8"))
    encoder = told["encoder"]
    return Regression(
        told["name"], told["data"], told["counts"], encoder["name"], encoder["fingerprint"], told["measures"]
    )


def write_regression(path: Path, regression: Regression) -> None:
    """Write a regression as YAML: counts first, then the measures, each with its four decimals."""
    told = {
        "name": regression.name,
        "data": regression.data,
        "counts": dict(regression.counts),
        "encoder": {"name": regression.encoder, "fingerprint": regression.fingerprint},
        "measures": {mode: dict(values) for mode, values in regression.measures.items()},
    }
    text = yaml.dump(told, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    replace_durably(path, lambda file: file.write(text.encode("utf-8")))


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Writes 0.5 as 0.5000."""


_Dumper.add_representer(
    float, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:float", f"{value:.{PLACES}f}")
)


def place_of(data: str, folder: Path, shared: Path | None) -> Path:
    """Where a collection lies.

    Args:
        data: as a regression file gives it.
        folder: of that file.
        shared: the folder that ``shared/data`` stands for; None where it is not there.
    """
    if not data.startswith(f"{SHARED}/"):
        return folder / data
    if shared is None:
        raise BadCollection(f"{data} is not in the repository: say with --data where {SHARED} is")
    return shared / data.removeprefix(f"{SHARED}/")


def measure_regression(name: str, data: str, place: Path, *, encoder: str = DEFAULT_ENCODER) -> Regression:
    """Index a collection in a temporary folder and measure it.

    Args:
        name: of the collection.
        data: what the file will say of its place.
        place: its folder; where that has no corpus, the documents are the sample articles of this package.
        encoder: its name.
    """
    collection = read_collection(place)
    with tempfile.TemporaryDirectory() as folder, resources.as_file(resources.files("searchidx.samples")) as samples:
        judged = replace(collection, corpus=collection.corpus or samples)
        with build_index(judged, folder, encoder=encoder) as index:
            found = evaluate(index, judged, measures=MEASURES)
    return Regression(
        name,
        data,
        {what: found.counts[what] for what in COUNTS},
        found.encoder,
        found.fingerprint,
        {mode: {measure: round(found.scores[mode].mean[measure], PLACES) for measure in MEASURES} for mode in MODES},
    )


def differences(expected: Regression, found: Regression) -> list[str]:
    """What is not as it was, a line for each; measures are compared to four decimals, all else exactly."""
    lines = [
        f"{expected.name}: {what} {before}, now {now}"
        for what, before, now in [
            ("encoder", expected.encoder, found.encoder),
            ("fingerprint", expected.fingerprint, found.fingerprint),
            *((what, expected.counts.get(what), found.counts.get(what)) for what in COUNTS),
        ]
        if before != now
    ]
    for mode in MODES:
        for measure in MEASURES:
            before, now = (round(some.measures[mode][measure], PLACES) for some in (expected, found))
            if before != now:
                lines.append(f"{expected.name}: {measure} of {mode} {before:.{PLACES}f}, now {now:.{PLACES}f}")
    return lines


# the page


def table(regressions: Sequence[Regression]) -> str:
    """All sets as one table of Markdown: sizes, then each measure in each mode, the best of a measure bold."""
    heads = ["set", "documents", "queries", *(f"{measure} {mode}" for measure in MEASURES for mode in MODES)]
    encoders = sorted({f"`{regression.encoder}` (`{regression.fingerprint}`)" for regression in regressions})
    rows = [
        [
            regression.name,
            f"{regression.counts['documents']:,}",
            f"{regression.counts['queries']:,}",
            *_cells(regression.measures),
        ]
        for regression in regressions
    ]
    means: dict[str, dict[str, float]] = {
        mode: {measure: fmean(some.measures[mode][measure] for some in regressions) for measure in MEASURES}
        for mode in MODES
    }
    rows.append([f"mean of {len(regressions)}", "", "", *_cells(means)])
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return f"Encoder: {', '.join(encoders)}.\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cells(measures: Mapping[str, Mapping[str, float]]) -> list[str]:
    cells = []
    for measure in MEASURES:
        values = [f"{measures[mode][measure]:.{PLACES}f}" for mode in MODES]
        cells += [f"**{value}**" if value == max(values) else value for value in values]
    return cells


def write_page(page: Path, regressions: Sequence[Regression]) -> None:
    """Replace what stands between the two marks of a page by the table."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not end:
        raise SearchIdxError(f"{page}: expected the lines {MARKS[0]} and {MARKS[1]}, with the table between them")
    written = f"{before}{begin}\n{table(regressions)}{end}{after}"
    replace_durably(page, lambda file: file.write(written.encode("utf-8")))


# the command


def regenerate(folder: Path, shared: Path | None, names: Iterable[str], tell: Callable[[str], Any]) -> None:
    """Measure sets anew with the default encoder and write their files.

    Args:
        folder: of the regression files.
        shared: the folder that ``shared/data`` stands for.
        names: which; one without a file is looked for in ``shared/data/beir``.
        tell: told of each difference.
    """
    for name in names:
        path = folder / f"{name}.yaml"
        expected = read_regression(path) if path.exists() else None
        data = expected.data if expected else f"{SETS}/{name}"
        found = measure_regression(name, data, place_of(data, folder, shared))
        changed = differences(expected, found) if expected else [f"{name}: new"]
        for line in changed or [f"{name}: as it was"]:
            tell(f"{line}\n")
        write_regression(path, found)


def main(arguments: Sequence[str] | None = None) -> int:
    """Rewrite regression files and the page made from them; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m searchidx.evaluation.regression",
        description="Measure collections anew and rewrite their files (with --data or --only), and the page (--page).",
    )
    parser.add_argument("folder", type=Path, help="where the regression files are")
    parser.add_argument(
        "--data", type=Path, help=f"the folder that {SHARED} stands for; without it nothing is measured"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these sets; one without a file gets one")
    parser.add_argument("--page", type=Path, help="the page whose table is written anew")
    typed = parser.parse_args(arguments)
    known = sorted(path.stem for path in typed.folder.glob("*.yaml"))
    try:
        if typed.data or typed.only:
            regenerate(typed.folder, typed.data, typed.only or known, sys.stdout.write)
        if typed.page:
            write_page(typed.page, [read_regression(path) for path in sorted(typed.folder.glob("*.yaml"))])
    except SearchIdxError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
