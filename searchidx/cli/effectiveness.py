"""How an evaluation looks to a person: tables of measures, with what is significant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, TypeAlias

from searchidx.cli.tables import plural, print_table
from searchidx.cli.terminal import console, line, note
from searchidx.evaluation import LEVEL, Comparison
from searchidx.evaluation.summary import LATENCY, Summary, System

if TYPE_CHECKING:
    from rich.text import Text

_MARKS = {"lexical": "†", "dense": "‡"}
"""Behind a value of hybrid that differs significantly from this leg's."""
_NAMED = 5
_QUERY = 60
"""Characters of a query shown beside its values."""
_TEST = "paired randomisation test, two-sided"
Marks: TypeAlias = dict[System, str]
"""What stands behind values."""


def print_summary(summary: Summary, *, per_query: bool) -> None:
    """Print one collection as a table of systems by measures; several as a table of each measure."""
    if len(summary.collections) == 1:
        _print_one(summary)
    else:
        _print_several(summary)
    if per_query:
        for number in range(len(summary.collections)):
            for measure in summary.measures:
                _print_queries(summary, number, measure)


def _print_one(summary: Summary) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(_facts(summary), "bold"), soft_wrap=True)
    out.print()
    measures = [*summary.measures, LATENCY]
    several = len(summary.encoders) > 1
    rows: list[list[str | Text]] = []
    values = {measure: [summary.value(0, system, measure) for system in summary.systems] for measure in measures}
    for number, (encoder, mode) in enumerate(summary.systems):
        cells = [_cell(measure, values[measure], number) for measure in measures]
        rows.append([mode, *([_short(encoder)] if several else []), *cells])
    if summary.other_scores is not None:
        mean = summary.other_scores.mean
        label = [Path(summary.other_name).name, *([""] if several else [])]
        rows.append([*label, *(f"{mean[measure]:.4f}" for measure in summary.measures), ""])
    print_table(["", *(["encoder"] if several else []), *measures], rows, 2 if several else 1)
    tested = [
        (f"{mode} against {Path(against).name}", encoder, compared)
        for encoder in summary.encoders
        for mode, against, compared in summary.comparisons(summary.of(0, encoder), summary.measures[0])
    ]
    if tested:
        out.print()
        out.print(Text(f"{summary.measures[0]}  ({_TEST})", "dim"), soft_wrap=True)
        print_table([], [[name, *([_short(encoder)] if several else []), *_words(c)] for name, encoder, c in tested])


def _facts(summary: Summary) -> str:
    """What was measured, in one line."""
    counts = summary.evaluations[0].counts
    passages = f", {plural(counts['passages'], 'passage')}" if len(summary.encoders) == 1 else ""
    encoder = f" · {_short(summary.encoders[0])}" if len(summary.encoders) == 1 else ""
    return line(
        f"{summary.collections[0].name} · {plural(counts['documents'], 'article')}{passages} · "
        f"{_queries(counts['queries'])}, {plural(counts['judgements'], 'judgement')}{encoder}"
    )


def _queries(count: int) -> str:
    return "1 query" if count == 1 else f"{count:,} queries"


def _words(compared: Comparison) -> list[str]:
    """A comparison as cells: the difference, the p-value, and on how many queries."""
    p = "p < 0.001" if compared.p_value < 0.001 else f"p = {compared.p_value:.3f}"
    counts = f"{compared.wins:,} better, {compared.losses:,} worse, {compared.ties:,} equal"
    return [f"{compared.difference:+.4f}", p, counts]


def _print_several(summary: Summary) -> None:
    from rich.text import Text

    out = console()
    width = max(map(len, [*summary.measures, *(collection.name for collection in summary.collections)]))
    marked = False
    for measure in [*summary.measures, LATENCY]:
        marks = [_significant(summary, number, measure) for number in range(len(summary.collections))]
        marked = marked or any(marks)
        rows: list[list[str | Text]] = []
        for number, collection in enumerate(summary.collections):
            values = [summary.value(number, system, measure) for system in summary.systems]
            rows.append([line(collection.name), *_cells(summary, measure, values, marks, marks[number])])
        means = [summary.mean(system, measure) for system in summary.systems]
        rows.append([Text("mean", "bold"), *_cells(summary, measure, means, marks, {})])
        heads = [f"{measure:<{width}}", *_system_heads(summary, marks)]
        if measure == summary.measures[0]:  # said once
            heads += ["articles", "queries"]
            for number, row in enumerate(rows[:-1]):
                counts = summary.of(number, summary.encoders[0]).counts
                row += [f"{counts['documents']:,}", f"{counts['queries']:,}"]
            rows[-1] += ["", ""]
        print_table(heads, rows)
        out.print()
    if marked:
        legs = ", ".join(f"{mark} from {leg}" for leg, mark in _MARKS.items())
        out.print(Text(f"hybrid differs: {legs}; p < 0.05 in a {_TEST}", "dim"), soft_wrap=True)


def _system_heads(summary: Summary, marks: Sequence[Marks] = ()) -> list[str]:
    """Column heads: the mode, and where there are several encoders their names, each once; marks hang out."""
    heads = []
    first = summary.systems[0][1]
    for encoder, mode in summary.systems:
        room = "  " if any((encoder, mode) in some for some in marks) else ""
        above = f"{_short(encoder)}{room}\n" if mode == first and len(summary.encoders) > 1 else ""
        heads.append(f"{above}{mode}{room}")
    return heads


def _cells(
    summary: Summary, measure: str, values: Sequence[float], all_marks: Sequence[Marks], marks: Marks
) -> list[str | Text]:
    """The values of one row, with room for marks behind a system that has some in this table."""
    cells: list[str | Text] = []
    for number, system in enumerate(summary.systems):
        room = 2 if any(system in some for some in all_marks) else 0
        cells.append(_cell(measure, values, number) + marks.get(system, "").ljust(room))
    return cells


def _significant(summary: Summary, number: int, measure: str) -> Marks:
    """Marks behind the values of hybrid."""
    marks: Marks = {}
    if measure == LATENCY:
        return marks
    for encoder in summary.encoders:
        for mode, against, compared in summary.comparisons(summary.of(number, encoder), measure):
            if compared.p_value < LEVEL:
                marks[encoder, mode] = marks.get((encoder, mode), "") + _MARKS[against]
    return marks


def _cell(measure: str, values: Sequence[float], number: int) -> Text:
    """One value among those it is compared with: the best is bold."""
    from rich.text import Text

    value, places = values[number], 2 if measure == LATENCY else 4
    best = min(values) if measure == LATENCY else max(values)
    style = "bold green" if len(values) > 1 and round(value, places) == round(best, places) else ""
    return Text(f"{value:,.{places}f}", style)


def _print_queries(summary: Summary, number: int, measure: str) -> None:
    """Each query of a collection with its value in each system."""
    from rich.text import Text

    collection = summary.collections[number]
    head = f"{collection.name} · {measure} · each query" if len(summary.collections) > 1 else f"{measure} · each query"
    console().print()
    console().print(Text(line(head), "bold"), soft_wrap=True)
    rows: list[list[str | Text]] = []
    per_query = {
        system: summary.of(number, system[0]).scores[system[1]].per_query[measure] for system in summary.systems
    }
    for query_id, text in collection.queries.items():
        values = [per_query[system][query_id] for system in summary.systems]
        rows.append(
            [line(query_id), *(f"{value:.4f}" for value in values), shorten(line(text), _QUERY, placeholder=" …")]
        )
    print_table(["", *_system_heads(summary), "query"], rows, last_left=True)


def _short(encoder: str) -> str:
    """The last part of an encoder's name or path."""
    return line(Path(encoder).name)


def note_gaps(summary: Summary, *, quiet: bool) -> None:
    """Tell what the figures do not say: documents that are not there, queries that do not count."""
    for number, collection in enumerate(summary.collections):
        evaluation = summary.of(number, summary.encoders[0])
        if evaluation.missing:
            names = ", ".join(evaluation.missing[:_NAMED]) + (", ..." if len(evaluation.missing) > _NAMED else "")
            what = "relevant document is" if len(evaluation.missing) == 1 else "relevant documents are"
            note(f"{collection.name}: {len(evaluation.missing):,} {what} not in the index and cannot be found: {names}")
        if not quiet:
            for reason, count in collection.left_out.items():
                note(f"{collection.name}: {_queries(count)} {reason} left out")
    if summary.other is not None:
        empty = len(summary.collections[0].qrels.keys() - summary.other.keys())
        if empty:
            note(f"{summary.other_name}: nothing for {_queries(empty)}, which count 0")
