"""The commands that read an index: search, context, get, list, status, and export, encoders."""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import Any

import typer

from searchidx.cli import tables, terminal
from searchidx.cli.arguments import (
    After,
    AllCopies,
    AsJson,
    AsJsonLines,
    AsPrompt,
    AsTrec,
    Before,
    Budget,
    Check,
    Device,
    DocId,
    EncoderName,
    Explain,
    Full,
    Fusion,
    IndexName,
    LexicalWeight,
    Limit,
    MinScore,
    Mode,
    NoGroup,
    Outlet,
    Output,
    Query,
    Quiet,
    TokenizerFile,
    TopK,
    Where,
    locate,
    one_of,
    opened,
    read_query,
)
from searchidx.cli.dates import AsOf, HalfLife, Sort, check_dates, tell_undated
from searchidx.cli.output import print_json, print_json_array, print_json_lines, print_trec, write_json_lines
from searchidx.errors import SearchIdxError

TABLE_ROWS = 200
"""Articles that ``list`` shows on a terminal unless told."""


def search(
    query: Query,
    index: IndexName = "default",
    top_k: TopK = 10,
    where: Where = None,
    after: After = None,
    before: Before = None,
    source: Outlet = None,
    mode: Mode = "hybrid",
    fusion: Fusion = "weighted",
    lexical_weight: LexicalWeight = None,
    min_score: MinScore = 0.0,
    sort: Sort = "relevance",
    half_life: HalfLife = None,
    as_of: AsOf = None,
    no_group: NoGroup = False,
    all_copies: AllCopies = False,
    explain: Explain = False,
    full: Full = False,
    as_json: AsJson = False,
    as_lines: AsJsonLines = False,
    as_trec: AsTrec = False,
    encoder: EncoderName = None,
    device: Device = None,
) -> None:
    """Find the passages that answer a query.

    Example: searchidx search US restrictions on Chinese telecoms -k 5 --after 2018
    """
    one_of(("--json", as_json), ("--jsonl", as_lines), ("--trec", as_trec))
    one_of(("--trec", as_trec), ("--no-group", no_group))
    one_of(("--trec", as_trec), ("--sort date", sort == "date"))
    check_dates(sort, half_life, as_of)
    text = read_query(query)
    options: dict[str, Any] = {
        "mode": mode,
        "where": where or (),
        "after": after,
        "before": before,
        "sources": source or (),
        "group": not no_group,
        "fusion": fusion,
        "lexical_weight": lexical_weight,
        "sort": sort,
        "half_life": half_life,
        "as_of": as_of,
        "all_copies": all_copies or as_trec,  # judgements name single articles
    }
    with opened(index, encoder, device) as found:
        hits = found.search(text, top_k, min_score=min_score, **options)
        below = found.search(text, 1, **options) if min_score and not hits else []
        bound = found.bound(mode)
        tell_undated(found, text, top_k, min_score=min_score, **options)
    if as_trec:
        print_trec(hits)
    elif as_json:
        print_json_array(hit.to_dict() for hit in hits)
    elif as_lines:
        print_json_lines(hit.to_dict() for hit in hits)
    elif hits:
        best = max(hit.score for hit in hits)
        if best < bound:
            terminal.note(f"probably nothing relevant: the best score is {best:.3f}; the nearest are")
        terminal.print_hits(hits, full=full, explain=explain)
    if below:
        terminal.note(_irrelevant(below[0].score, min_score))
    elif not hits:
        terminal.note(f"no results: {_hint(text, filtered=bool(where or after or before or source), mode=mode)}")


def _irrelevant(best: float, min_score: float) -> str:
    """What to say where every hit is below the bound."""
    return (
        f"nothing relevant found: the best score is {best:.3f}, below --min-score {min_score:g}; "
        "lower it to see what is nearest"
    )


def _hint(query: str, *, filtered: bool, mode: str) -> str:
    """What to try where nothing was found."""
    if not query.strip():
        return "the query is empty"
    if filtered:
        return "searchidx list with the same filters shows the articles they let through"
    if mode != "hybrid":
        return "--mode hybrid looks for meaning and for words"
    return "searchidx status shows what the index holds"


def context(
    query: Query,
    index: IndexName = "default",
    max_tokens: Budget = 1500,
    tokenizer: TokenizerFile = None,
    prompt: AsPrompt = False,
    where: Where = None,
    after: After = None,
    before: Before = None,
    source: Outlet = None,
    min_score: MinScore = 0.0,
    sort: Sort = "relevance",
    half_life: HalfLife = None,
    as_of: AsOf = None,
    as_json: AsJson = False,
    encoder: EncoderName = None,
    device: Device = None,
) -> None:
    """Collect the best passages for a language model.

    They are numbered, quoted and cited, said once, and fit the budget together.

    Example: searchidx context "Who restricted Huawei?" --max-tokens 800
    """
    check_dates(sort, half_life, as_of)
    text = read_query(query)
    budget: dict[str, Any] = {"max_tokens": max_tokens, "tokenizer": tokenizer, "prompt": prompt}
    options: dict[str, Any] = {"where": where or (), "after": after, "before": before, "sources": source or ()}
    options |= {"sort": sort, "half_life": half_life, "as_of": as_of}
    with opened(index, encoder, device) as found:
        collected = found.context(text, min_score=min_score, **budget, **options)
        best = found.search(text, 1, **options) if min_score and not collected.citations else []
        tell_undated(found, text, min_score=min_score, **options)
    if as_json:
        print_json(collected.to_dict())
    elif collected.citations:
        sys.stdout.write(terminal.clean(collected.text, lines=True)[0] + "\n")
    if best and best[0].score < min_score:
        terminal.note(_irrelevant(best[0].score, min_score))
    elif not collected.citations:
        terminal.note("no results: no passage was found that fits --max-tokens and the filters")


def get(doc_id: DocId, index: IndexName = "default", as_json: AsJson = False) -> None:
    """Print an article with its whole text.

    Example: searchidx get articles/huawei.md -i news
    """
    with opened(index) as found:
        document = found.get(doc_id)
    if document is None:
        raise SearchIdxError(f"no article has the id {doc_id!r} in {locate(index)}: searchidx list shows all ids")
    if as_json:
        print_json(document.to_dict())
    else:
        terminal.print_document(document)


def list_articles(
    index: IndexName = "default",
    where: Where = None,
    after: After = None,
    before: Before = None,
    source: Outlet = None,
    limit: Limit = None,
    as_json: AsJson = False,
    as_lines: AsJsonLines = False,
) -> None:
    """List the articles, in the order they were added.

    Columns are separated by tabs where the output is no terminal.

    Example: searchidx list -i news --where topic=law --after 2020
    """
    one_of(("--json", as_json), ("--jsonl", as_lines))
    with opened(index) as found:
        documents = found.list(where=where or (), after=after, before=before, sources=source or (), limit=limit)
        values = ({name: value for name, value in d.to_dict().items() if name != "text"} for d in documents)
        if as_json:
            print_json_array(values)
        elif as_lines:
            print_json_lines(values)
        elif limit or not sys.stdout.isatty():
            tables.print_documents(documents)
        else:
            tables.print_documents(islice(documents, TABLE_ROWS))
            if next(documents, None):
                terminal.note(f"these are the first {TABLE_ROWS}: --limit N shows more")


def status(index: IndexName = "default", check: Check = False, as_json: AsJson = False) -> None:
    """Show what the index holds and how its parts are.

    The exit status is 1 where --check finds problems.

    Example: searchidx status -i news --check
    """
    with opened(index) as found:
        told = found.status(check=check)
    if as_json:
        print_json(told)
    else:
        tables.print_facts(tables.status_facts(told))
    if told.get("problems"):
        raise typer.Exit(1)


def export(index: IndexName = "default", output: Output = "-", quiet: Quiet = False) -> None:
    """Write all articles as JSON lines, which add takes back.

    Example: searchidx export -i news -o news.jsonl
    """
    with opened(index) as found:
        documents = (document.to_dict() for document in found.export())
        if output == "-":
            print_json_lines(documents)
            return
        count = write_json_lines(Path(output), documents)
    if not quiet:
        terminal.note(f"{output}: {count:,} articles written")


def encoders(as_json: AsJson = False) -> None:
    """List the encoders, which turn text into vectors.

    Example: searchidx encoders
    """
    from searchidx.encoders import known_encoders

    if as_json:
        print_json_array(encoder.to_dict() for encoder in known_encoders())
    else:
        tables.print_encoders(known_encoders())
