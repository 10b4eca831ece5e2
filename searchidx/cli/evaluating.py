"""``eval``: how good an index or an encoder is, by judged queries."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from searchidx.cli import terminal
from searchidx.cli.arguments import (
    AsJson,
    Device,
    LexicalWeight,
    MaxTokens,
    OptionalFusion,
    OptionalIndex,
    Quiet,
    complete_encoder,
    one_of,
    opened,
)
from searchidx.cli.output import print_json
from searchidx.cli.progress import Interrupted, Watch, watching
from searchidx.errors import BadCollection

if TYPE_CHECKING:
    from searchidx.evaluation import Collection, Evaluation, Run
    from searchidx.evaluation.summary import Summary
    from searchidx.index import Index

Paths: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="A collection: a folder in BEIR or TREC form, or your own judgements as JSON lines with "
        '"query" and "relevant" (the ids of articles).',
    ),
]
Measures: TypeAlias = Annotated[
    str, typer.Option("--measures", "-m", metavar="NAMES", help="What to measure, as ir_measures names it.")
]
Modes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--mode", metavar="MODE", help="lexical, dense or hybrid; repeat it for several. All by default."),
]
Encoders: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="A name that searchidx encoders lists, or a folder with a model; repeat it to compare several.",
        autocompletion=complete_encoder,
    ),
]
QueryFile: TypeAlias = Annotated[
    str | None, typer.Option("--queries", metavar="FILE", help="Queries, instead of those found in PATH.")
]
QrelsFile: TypeAlias = Annotated[
    str | None, typer.Option("--qrels", metavar="FILE", help="Judgements, instead of those found in PATH.")
]
Split: TypeAlias = Annotated[str, typer.Option("--split", metavar="NAME", help="Which of several qrels in PATH.")]
Depth: TypeAlias = Annotated[
    int, typer.Option("--k", "-k", metavar="N", min=1, help="Depth of a run; the deepest cutoff counts if deeper.")
]
PerQuery: TypeAlias = Annotated[bool, typer.Option("--per-query", metavar="", help="Also show each query.")]
SaveRun: TypeAlias = Annotated[
    str | None, typer.Option("--save-run", metavar="FOLDER", help="Keep each run there as a TREC file.")
]
CompareRun: TypeAlias = Annotated[
    str | None, typer.Option("--compare", metavar="RUN", help="A TREC run to test each mode against.")
]
Plot: TypeAlias = Annotated[
    str | None,
    typer.Option("--plot", metavar="FILE", help="Draw the first measure against latency: FILE.png or FILE.svg."),
]
Cache: TypeAlias = Annotated[
    str | None,
    typer.Option("--cache", metavar="FOLDER", help="Keep the indexes of collections there; else they are removed."),
]


def evaluate(
    paths: Paths,
    index: OptionalIndex = None,
    measures: Measures = "nDCG@10 R@100 RR@10 P@5",
    mode: Modes = None,
    encoder: Encoders = None,
    queries: QueryFile = None,
    qrels: QrelsFile = None,
    split: Split = "test",
    k: Depth = 100,
    fusion: OptionalFusion = None,
    lexical_weight: LexicalWeight = None,
    max_tokens: MaxTokens = None,
    per_query: PerQuery = False,
    save_run: SaveRun = None,
    compare: CompareRun = None,
    plot: Plot = None,
    cache: Cache = None,
    device: Device = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Measure how good the results are, by judged queries.

    A collection with articles is indexed first; -i measures an index that you have.

    Example: searchidx eval judgements.jsonl -i news
    """
    from searchidx.cli import effectiveness
    from searchidx.encoders import DEFAULT_ENCODER
    from searchidx.evaluation import MODES, parse_measures, read_collection
    from searchidx.evaluation import evaluate as measure
    from searchidx.evaluation.plot import check_plot
    from searchidx.evaluation.summary import Summary

    one_of(("--index", index is not None), ("--encoder", bool(encoder)))
    one_of(("--index", index is not None), ("--cache", cache is not None))
    one_of(("--index", index is not None), ("--max-tokens", max_tokens is not None))
    _expect_one(paths, {"--compare": compare, "--queries": queries, "--qrels": qrels})
    wanted = [str(name) for name in parse_measures(measures)]
    if plot:
        check_plot(Path(plot))
    if save_run:
        Path(save_run).mkdir(parents=True, exist_ok=True)
    files = [Path(name) if name else None for name in (queries, qrels)]
    collections = [read_collection(path, queries=files[0], qrels=files[1], split=split) for path in paths]
    _expect_articles(collections, index)
    other = _read_run(Path(compare), collections[0]) if compare else None
    typed = {"fusion": fusion, "lexical_weight": lexical_weight}
    options: dict[str, Any] = {name: value for name, value in typed.items() if value is not None}
    options |= {"measures": wanted, "modes": _modes(mode, MODES), "k": k}
    evaluations = []
    with _watching(quiet, kept=bool(cache or index)) as watch, _folder(cache) as folder:
        for collection in collections:
            watch.about = collection.name
            for name in _unique(encoder or [DEFAULT_ENCODER]):
                with _index(collection, index, folder, name, device, max_tokens, watch) as found:
                    evaluations.append(measure(found, collection, progress=watch, **options))
    summary = Summary(evaluations, collections, wanted, other, compare or "")
    if save_run:
        _save(evaluations, Path(save_run), quiet=quiet)
    if as_json:
        print_json(summary.to_dict(per_query=per_query))
    else:
        effectiveness.print_summary(summary, per_query=per_query)
    effectiveness.note_gaps(summary, quiet=quiet)
    if plot:
        _draw(summary, Path(plot), quiet=quiet)


def _unique(names: Sequence[Any]) -> list[Any]:
    return list(dict.fromkeys(names))


def _modes(typed: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    """The modes to measure; typer reads no list of choices."""
    for mode in typed or ():
        if mode not in known:
            raise typer.BadParameter(f"{mode!r} is none of {', '.join(known)}", param_hint="--mode")
    return _unique(typed or known)


def _expect_one(paths: Sequence[str], options: dict[str, str | None]) -> None:
    """Refuse options that belong to one collection beside several."""
    for option, value in options.items():
        if value is not None and len(paths) > 1:
            raise typer.BadParameter("it belongs to one PATH: name only one", param_hint=option)


def _expect_articles(collections: Sequence[Collection], index: str | None) -> None:
    for collection in collections:
        if collection.corpus is None and index is None:
            raise typer.BadParameter(
                f"{collection.name} holds no articles: name the index that does", param_hint="--index"
            )


def _read_run(path: Path, collection: Collection) -> Run:
    from searchidx.evaluation import read_run

    run = read_run(path, collection.qrels)
    if not run.keys() & collection.qrels.keys():
        raise BadCollection(
            f"{path}: this run has none of the {len(collection.qrels):,} queries of {collection.name}: "
            "name a run of this collection"
        )
    return run


@contextmanager
def _watching(quiet: bool, *, kept: bool) -> Iterator[Watch]:
    """Show progress; an interruption says what stays."""
    try:
        with watching(quiet=quiet) as watch:
            yield watch
    except Interrupted:
        stays = "indexes that were made stay" if kept else "nothing is kept; --cache FOLDER keeps the indexes"
        raise Interrupted(f"interrupted: {stays}") from None


@contextmanager
def _folder(cache: str | None) -> Iterator[str]:
    """Where indexes are made: the cache, or a folder that is removed."""
    if cache is not None:
        yield cache
        return
    with tempfile.TemporaryDirectory(prefix="searchidx-") as folder:
        yield folder


@contextmanager
def _index(
    collection: Collection,
    index: str | None,
    folder: str,
    encoder: str,
    device: str | None,
    max_tokens: int | None,
    watch: Watch,
) -> Iterator[Index]:
    """The index to measure: one that exists, or that of the collection."""
    from searchidx.evaluation import build_index

    if index is not None:
        with opened(index, device=device) as found:
            yield found
        return
    with build_index(
        collection, folder, encoder=encoder, device=device, max_tokens=max_tokens, progress=watch
    ) as found:
        yield found


def _save(evaluations: Sequence[Evaluation], folder: Path, *, quiet: bool) -> None:
    """Write each run as ``COLLECTION.ENCODER.MODE.trec``."""
    from searchidx.evaluation import write_run

    written: set[Path] = set()
    for evaluation in evaluations:
        encoder = Path(evaluation.encoder).name
        for mode, run in evaluation.runs.items():
            path = folder / f"{evaluation.collection}.{encoder}.{mode}.trec"
            if path in written:  # of two collections or encoders of one name
                path = path.with_name(f"{len(written)}.{path.name}")
            written.add(path)
            write_run(path, run, f"searchidx-{encoder}-{mode}")
            if not quiet:
                terminal.note(f"{path} written")


def _draw(summary: Summary, path: Path, *, quiet: bool) -> None:
    from searchidx.evaluation.plot import Point, plot
    from searchidx.evaluation.summary import LATENCY

    first = summary.measures[0]
    points = [Point(*system, summary.mean(system, LATENCY), summary.mean(system, first)) for system in summary.systems]
    names = [collection.name for collection in summary.collections]
    plot(points, first, path, names[0] if len(names) == 1 else f"mean of {len(names)} collections")
    if not quiet:
        terminal.note(f"{path} written")
