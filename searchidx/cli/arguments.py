"""What can be typed: arguments and options, each described once, and how a name becomes an index."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

if TYPE_CHECKING:
    from searchidx.index import Index

HOME = Path("indexes")
"""Where an index with a bare name lives."""
STORE = "store.db"
"""The file that makes a folder an index."""
_NAME = re.compile(r"\w[\w.+-]*")


def locate(index: str) -> Path:
    """The folder of an index: a path as it is, a bare name under ``indexes/``.

    A bare name means the folder beside you only where that holds an index and ``indexes/`` has nothing of that name.

    Raises:
        typer.BadParameter: a name with characters that names do not have.
    """
    if os.sep in index or index in (".", ".."):
        return Path(index).expanduser()
    if not _NAME.fullmatch(index):
        raise typer.BadParameter(
            f"{index!r} is no name for an index: use letters, digits and _ . + - (it lives in {HOME}/), "
            "or a path with a / in it",
            param_hint="--index",
        )
    named, beside = HOME / index, Path(index)
    return beside if (beside / STORE).is_file() and not named.exists() else named


@contextmanager
def opened(index: str, encoder: str | None = None, device: str | None = None) -> Iterator[Index]:
    """The index that goes by a name or path."""
    from searchidx.index import Index

    with Index.open(locate(index), encoder=encoder, device=device) as found:
        yield found


def read_query(words: list[str]) -> str:
    """The words of a query as one text; ``-`` alone reads standard input."""
    return sys.stdin.buffer.read().decode("utf-8", "replace") if words == ["-"] else as_text(" ".join(words))


def as_text(typed: str) -> str:
    """What was typed, without the stand-ins for bytes that are no UTF-8."""
    return typed.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def one_of(*options: tuple[str, bool]) -> None:
    """Refuse options that exclude one another: pairs of a name and whether it was typed."""
    typed = [name for name, chosen in options if chosen]
    if len(typed) > 1:
        raise typer.BadParameter("choose one of them", param_hint=typed)


def complete_index(incomplete: str) -> list[str]:
    """Names under ``indexes/`` that begin so."""
    names = sorted(path.parent.name for path in HOME.glob(f"*/{STORE}"))
    return [name for name in names if name.startswith(incomplete)]


def complete_encoder(incomplete: str) -> list[str]:
    """Names of encoders that begin so."""
    from searchidx.encoders import known_encoders

    return [encoder.name for encoder in known_encoders() if encoder.name.startswith(incomplete)]


def _check_language(code: str | None) -> str | None:
    from searchidx.storage.analysis import check_language

    try:
        return code and check_language(code)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


# which index, which encoder; metavar="" keeps "<bool>" out of the help of flags

_INDEX: dict[str, Any] = {
    "metavar": "INDEX",
    "help": "Path of the index, or its name under indexes/.",
    "autocompletion": complete_index,
}
IndexName: TypeAlias = Annotated[str, typer.Option("--index", "-i", envvar="SEARCHIDX_INDEX", **_INDEX)]
DemoIndex: TypeAlias = Annotated[str, typer.Option("--index", "-i", **_INDEX)]
OptionalIndex: TypeAlias = Annotated[str | None, typer.Option("--index", "-i", **_INDEX)]
EncoderName: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--encoder",
        metavar="NAME",
        help="A name that searchidx encoders lists, or a folder with a model.",
        autocompletion=complete_encoder,
    ),
]
Device: TypeAlias = Annotated[
    str | None, typer.Option("--device", metavar="DEVICE", help="Where a transformer encoder runs: cpu, cuda, cuda:1.")
]

# reading

Query: TypeAlias = Annotated[
    list[str], typer.Argument(metavar="QUERY", help="What you look for, quoted or not; - reads standard input.")
]
TopK: TypeAlias = Annotated[int, typer.Option("--top-k", "-k", metavar="N", min=1, help="Hits wanted.")]
Where: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="FILTER",
        help="FIELD OP VALUE with one of = != < <= > >=, such as topic=law; repeat it, and all must hold.",
    ),
]
After: TypeAlias = Annotated[
    str | None, typer.Option("--after", metavar="DATE", help="Published on this date or later: 2018, 2018-05-03.")
]
Before: TypeAlias = Annotated[str | None, typer.Option("--before", metavar="DATE", help="Published before this date.")]
Outlet: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--source", metavar="NAME", help="Published by this outlet; repeat it for several."),
]
Mode: TypeAlias = Annotated[
    Literal["hybrid", "dense", "lexical"],
    typer.Option("--mode", metavar="MODE", help="dense (by meaning), lexical (by words), or hybrid: both."),
]
Fusions: TypeAlias = Literal["weighted", "rrf"]
_FUSION: dict[str, Any] = {
    "metavar": "NAME",
    "help": "How hybrid merges: weighted (scores) or rrf (reciprocal ranks).",
}
Fusion: TypeAlias = Annotated[Fusions, typer.Option("--fusion", **_FUSION)]
OptionalFusion: TypeAlias = Annotated[Fusions | None, typer.Option("--fusion", **_FUSION)]
LexicalWeight: TypeAlias = Annotated[
    float | None,
    typer.Option(
        "--lexical-weight", metavar="X", min=0, max=1, help="Share of words against meaning, 0 to 1, in hybrid."
    ),
]
MinScore: TypeAlias = Annotated[
    float, typer.Option("--min-score", metavar="X", min=0, max=1, help="Least relevance of a hit, 0 to 1.")
]
NoGroup: TypeAlias = Annotated[
    bool, typer.Option("--no-group", metavar="", help="A hit for each passage, not for each article.")
]
AllCopies: TypeAlias = Annotated[
    bool, typer.Option("--all-copies", metavar="", help="A hit for each copy of a story, not for the best of them.")
]
Explain: TypeAlias = Annotated[bool, typer.Option("--explain", metavar="", help="Show every part of the score.")]
Full: TypeAlias = Annotated[bool, typer.Option("--full", metavar="", help="Show whole passages.")]
Budget: TypeAlias = Annotated[
    int, typer.Option("--max-tokens", metavar="N", min=1, help="Longest context, in the encoder's tokens.")
]
TokenizerFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--tokenizer", metavar="FILE", help="Count in the tokens of this tokenizer.json, your model's."),
]
AsPrompt: TypeAlias = Annotated[
    bool, typer.Option("--prompt", metavar="", help="Put instructions and the question around it.")
]
DocId: TypeAlias = Annotated[str, typer.Argument(metavar="DOC_ID", help="Id as search and list print it.")]
Limit: TypeAlias = Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="Articles at most.")]
Check: TypeAlias = Annotated[
    bool, typer.Option("--check", metavar="", help="Read everything and verify every checksum.")
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", metavar="", help="Print JSON.")]
AsJsonLines: TypeAlias = Annotated[bool, typer.Option("--jsonl", metavar="", help="Print JSON, one result per line.")]
AsTrec: TypeAlias = Annotated[bool, typer.Option("--trec", metavar="", help="Print a TREC run with query id 1.")]

BackupFolder: TypeAlias = Annotated[
    str, typer.Argument(metavar="FOLDER", help="Where the copy is made; nothing may be there yet.")
]
SalvageFile: TypeAlias = Annotated[
    str | None,
    typer.Option("--salvage", metavar="FILE", help="Write every article that can be read as JSON lines; - prints."),
]

# writing

Sources: TypeAlias = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Files, folders, quoted glob patterns, addresses of pages and feeds; - is standard input.",
    ),
]
MaxTokens: TypeAlias = Annotated[
    int | None,
    typer.Option("--max-tokens", metavar="N", min=16, help="Longest passage of a new index, in the encoder's tokens."),
]
Language: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="CODE",
        callback=_check_language,
        help="Whose words are stemmed, such as de; by default that of the first articles.",
    ),
]
FurnitureOption: TypeAlias = Annotated[
    Literal["drop", "everywhere", "keep"] | None,
    typer.Option(
        "--furniture",
        metavar="drop|everywhere|keep",
        help="Lists of other stories, bios, prompts and notices around articles: drop them (as a new index does) from "
        "plain text files, and what a site repeats from pages too; from everywhere; or keep them.",
    ),
]
Body: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--body", metavar="TEXT", help="A block that is no furniture however often it recurs; repeat it."),
]
FeedLimit: TypeAlias = Annotated[
    int | None,
    typer.Option("--limit", metavar="N", min=1, help="Articles of a feed or sitemap at most, the newest."),
]
Since: TypeAlias = Annotated[
    str, typer.Option("--since", metavar="DATE", help="No articles that a feed or sitemap dates before this day.")
]
AllowPrivate: TypeAlias = Annotated[
    bool,
    typer.Option("--allow-private", metavar="", help="Also fetch from this machine, private networks and any port."),
]
DocIds: TypeAlias = Annotated[list[str], typer.Argument(metavar="DOC_ID", help="Ids as search and list print them.")]
Rebuild: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--rebuild", metavar="", help="Also make both arrangements anew, mend damaged vectors, find copies anew."
    ),
]
Wait: TypeAlias = Annotated[
    float, typer.Option("--wait", metavar="SECONDS", min=0, help="How long to wait for another process that writes.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", metavar="", help="Show no progress and no summary.")]
Output: TypeAlias = Annotated[
    str, typer.Option("--output", "-o", metavar="FILE", help="Where to write; - is standard output.")
]
