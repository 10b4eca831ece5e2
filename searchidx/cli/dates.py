"""Dates in a search: the options for them, and what is said of articles that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from searchidx.cli import terminal

if TYPE_CHECKING:
    from searchidx.index import Index


def _check_span(span: str | None) -> str | None:
    from searchidx.ranking.recency import days_of

    try:
        if span is not None:
            days_of(span)
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("half_life is ")) from None
    return span


def _check_moment(moment: str | None) -> str | None:
    from searchidx.ranking.recency import moment_of

    try:
        moment_of(moment)
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("as_of is ")) from None
    return moment


Sort: TypeAlias = Annotated[
    Literal["relevance", "date"],
    typer.Option(
        "--sort",
        metavar="relevance|date",
        help="date: the newest of the hits at least 30% as relevant as the best; undated ones last.",
    ),
]
HalfLife: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--half-life",
        metavar="SPAN",
        callback=_check_span,
        help="Relevance counts half as much for what is so much older: 30d, 6w, 3m, 1y, or days.",
    ),
]
AsOf: TypeAlias = Annotated[
    str | None,
    typer.Option("--as-of", metavar="DATE", callback=_check_moment, help="Count ages from this date; by default now."),
]


def check_dates(sort: str, half_life: str | None, as_of: str | None) -> None:
    """Refuse options that exclude one another, or that would say nothing."""
    if sort == "date" and half_life is not None:
        raise typer.BadParameter("choose one of them", param_hint=["--sort date", "--half-life"])
    if as_of is not None and half_life is None:
        raise typer.BadParameter("it needs --half-life, whose ages it counts from", param_hint="--as-of")


def tell_undated(index: Index, query: str, k: int = 10, **options: Any) -> None:
    """Say how many hits a filter by date left out because they have none; options as for ``Index.undated``."""
    found = index.undated(query, k, **options)
    if found.hits:
        terminal.note(
            f"the filter by date leaves out {found.hits} of the hits, which {'has' if found.hits == 1 else 'have'} no "
            f"date ({found.articles:,} such in the index): --where published= in its place finds them"
        )
