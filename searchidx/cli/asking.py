"""``ask``: a language model answers from the passages that were found, and every number it cites is checked.

The model is reached through the openai package, so any endpoint that speaks its chat completions will do. What it
writes is shown as it comes, and like articles it is never trusted with the terminal.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from searchidx.cli import terminal
from searchidx.cli.arguments import (
    After,
    AsJson,
    Before,
    Budget,
    Device,
    EncoderName,
    IndexName,
    MinScore,
    Outlet,
    TokenizerFile,
    Where,
    opened,
    read_query,
)
from searchidx.cli.dates import AsOf, HalfLife, Sort, check_dates, tell_undated
from searchidx.cli.output import print_json
from searchidx.errors import MissingExtra, SearchIdxError

if TYPE_CHECKING:
    from openai import APIStatusError, OpenAI

    from searchidx.ranking.context import Cited
    from searchidx.types import Context

DEFAULT_URL = "https://api.openai.com/v1"
"""Where a key belongs that comes without an address; the openai package has the same."""
CONNECT_SECONDS, READ_SECONDS = 10.0, 180.0
"""How long to wait for a connection, and for the next part of an answer: a local model reads its prompt first."""
MOST_NAMED = 8
"""Models that a message names."""
REASON = 200
"""Characters of what a server says of an error."""

Question: TypeAlias = Annotated[
    list[str],
    typer.Argument(metavar="QUESTION", help="What you want to know, quoted or not; - reads standard input."),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--model", metavar="NAME", envvar="OPENAI_MODEL", help="Model to ask; not needed where the endpoint has one."
    ),
]


def ask(
    question: Question,
    index: IndexName = "default",
    model: Model = None,
    max_tokens: Budget = 1500,
    tokenizer: TokenizerFile = None,
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
    """Answer a question from the articles, with citations.

    It asks a language model at OPENAI_BASE_URL, with the key OPENAI_API_KEY; one of them has to be set.

    Example: searchidx ask "Who restricted Huawei?" --model llama3.2
    """
    from searchidx.ranking.context import check_citations

    check_dates(sort, half_life, as_of)
    text = read_query(question)
    endpoint = _endpoint()
    if endpoint and not find_spec("openai"):
        raise MissingExtra('ask needs an extra: pip install "searchidx[ask]"')
    options: dict[str, Any] = {"where": where or (), "after": after, "before": before, "sources": source or ()}
    options |= {"sort": sort, "half_life": half_life, "as_of": as_of}
    with opened(index, encoder, device) as found:
        context = found.context(text, max_tokens=max_tokens, tokenizer=tokenizer, min_score=min_score, **options)
        bound = found.bound()
        tell_undated(found, text, min_score=min_score, **options)
    _warn(context, bound)
    answer = None
    if endpoint and context.passages:
        with _errors_explained(endpoint), _client(endpoint) as client:
            model = model or _only_model(client, endpoint)
            answer = _answered(client, model, context, quiet=as_json)
    cited = check_citations(answer or "", len(context.passages))
    if as_json:
        print_json(_told(context, model, answer, cited))
    elif answer is not None:
        _print_sources(context, cited)
    elif context.passages:
        sys.stdout.write(terminal.clean(context.text, lines=True)[0] + "\n")
    if answer is not None:
        _check(context, cited)
    elif context.passages:
        terminal.note(_NO_ENDPOINT)


_NO_ENDPOINT = (
    "no model was asked, this is the context: set OPENAI_BASE_URL to an endpoint that speaks OpenAI's protocol, as in "
    "OPENAI_BASE_URL=http://localhost:11434/v1 searchidx ask --model llama3.2 ..., or OPENAI_API_KEY for OpenAI itself"
)


def _warn(context: Context, bound: float) -> None:
    """Say so where nothing was found, or probably nothing relevant."""
    if not context.passages:
        terminal.note(
            "nothing relevant was found, so no model was asked: "
            "no passage was found that fits --min-score, --max-tokens and the filters"
        )
    elif max(context.scores) < bound:
        terminal.note(f"probably nothing relevant: the best score is {max(context.scores):.3f}")


# what comes out


def _told(context: Context, model: str | None, answer: str | None, cited: Cited) -> Mapping[str, Any]:
    return {
        "question": context.query,
        "answer": answer,
        "model": None if answer is None else model,
        "cited": list(cited.known),
        "unknown_citations": list(cited.unknown),
        "context": context.to_dict(),
    }


def _print_sources(context: Context, cited: Cited) -> None:
    """List the sources that the answer cites."""
    lines = [f"[{number}] {terminal.line(str(context.citations[number - 1]))}\n" for number in sorted(cited.known)]
    if lines:
        sys.stdout.write("\nSources\n" + "".join(lines))
        sys.stdout.flush()


def _check(context: Context, cited: Cited) -> None:
    """Say what is wrong with the citations of an answer."""
    if cited.unknown:
        numbers, last = ", ".join(f"[{number}]" for number in cited.unknown), len(context.passages)
        terminal.note(f"do not trust all of it: the answer cites {numbers}, but the last source is [{last}]")
    elif not cited.known:
        terminal.note("the answer cites no source")


class _Marking:
    """An answer as it comes, with a mark behind each citation that points to no passage.

    Args:
        count: passages there are.
    """

    def __init__(self, count: int) -> None:
        self.answer = ""
        self._count = count
        self._held = ""

    def take(self, piece: str, *, last: bool = False) -> str:
        """What can be shown after one more piece; a citation that may go on is held back."""
        from searchidx.ranking.context import CITATION, UNFINISHED

        self.answer += piece
        text = self._held + piece
        open_at = None if last else UNFINISHED.search(text)
        end = open_at.start() if open_at else len(text)
        self._held = text[end:]
        return terminal.clean(CITATION.sub(lambda found: self._mark(found[0]), text[:end]), lines=True)[0]

    def _mark(self, citation: str) -> str:
        from searchidx.ranking.context import check_citations

        unknown = check_citations(citation, self._count).unknown
        return f"{citation} (no source {', '.join(map(str, unknown))})" if unknown else citation


# the endpoint


def _endpoint() -> str | None:
    """Address of the endpoint that the environment names, or None."""
    return os.environ.get("OPENAI_BASE_URL") or (DEFAULT_URL if os.environ.get("OPENAI_API_KEY") else None)


def _client(endpoint: str) -> OpenAI:
    from openai import OpenAI, Timeout

    return OpenAI(
        base_url=endpoint,
        api_key=os.environ.get("OPENAI_API_KEY") or "none",  # local servers want none, the package insists on one
        timeout=Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        max_retries=0,  # a person is waiting, who can try again knowing what went wrong
    )


def _only_model(client: OpenAI, endpoint: str) -> str:
    """The model of an endpoint that has but one.

    Raises:
        SearchIdxError: it has several or tells none; the message names them.
    """
    names = sorted(model.id for model in client.models.list().data or ())
    if len(names) == 1:
        return names[0]
    more = ", ..." if len(names) > MOST_NAMED else ""
    offered = f": {', '.join(names[:MOST_NAMED])}{more}" if names else ""
    raise SearchIdxError(f"{endpoint} has {len(names) or 'no'} models{offered}; choose one with --model NAME")


def _answered(client: OpenAI, model: str, context: Context, *, quiet: bool) -> str:
    """Ask, show the answer as it comes unless ``quiet``, and return it whole.

    Raises:
        SearchIdxError: the answer is empty, or broke off; what came of it is shown.
    """
    marking = _Marking(len(context.passages))
    finish = None
    try:
        for piece, reason in _pieces(client, model, context):
            finish = reason
            shown = marking.take(piece)
            if not quiet:
                sys.stdout.write(shown)
                sys.stdout.flush()
    finally:
        if not quiet and marking.answer:
            sys.stdout.write(marking.take("", last=True) + "\n")
            sys.stdout.flush()
    if finish is None:
        begun = "the answer broke off" if marking.answer else "no answer came"
        raise SearchIdxError(f"{begun}: {client.base_url} ended the stream early; try again, or check OPENAI_BASE_URL")
    if not marking.answer.strip():
        raise SearchIdxError(f"{model} answered nothing ({finish}): try again, or another --model")
    if finish != "stop":
        terminal.note(f"the answer is not complete: the model stopped for the reason {finish!r}")
    return marking.answer


def _pieces(client: OpenAI, model: str, context: Context) -> Iterator[tuple[str, str | None]]:
    """Pieces of the answer, and with the last ones why it ended."""
    from searchidx.ranking.context import messages

    system, user = messages(context)
    stream = client.chat.completions.create(
        model=model,
        messages=[{"role": "system", "content": system}, {"role": "user", "content": user}],
        stream=True,
    )
    finish: str | None = None
    with stream:
        for chunk in stream:
            for choice in getattr(chunk, "choices", None) or ():  # the package does not check what a server sends
                finish = getattr(choice, "finish_reason", None) or finish
                delta = getattr(choice, "delta", None)
                said = getattr(delta, "content", None) or getattr(delta, "refusal", None)
                yield said if isinstance(said, str) else "", finish


@contextmanager
def _errors_explained(endpoint: str) -> Iterator[None]:
    """Turn the errors of the openai package into one line that says what to do."""
    import openai

    try:
        yield
    except openai.APITimeoutError as error:
        raise SearchIdxError(f"{endpoint} did not answer in time: try again, or a smaller --max-tokens") from error
    except openai.APIConnectionError as error:
        reason = _short(str(error.__cause__ or error))
        raise SearchIdxError(
            f"the connection to {endpoint} failed ({reason}): is the server running, is OPENAI_BASE_URL right?"
        ) from error
    except openai.APIStatusError as error:
        raise SearchIdxError(_refused(endpoint, error)) from error
    except openai.OpenAIError as error:
        raise SearchIdxError(f"{endpoint} broke off: {_short(str(error))}; try again") from error
    except ValueError as error:  # what came is not the JSON of the protocol
        raise SearchIdxError(
            f"{endpoint} sent something that is no answer ({_short(str(error))}): does OPENAI_BASE_URL end in /v1?"
        ) from error


def _refused(endpoint: str, error: APIStatusError) -> str:
    """What a status means, and the way out; of 401 not what the server says, which may repeat the key."""
    status, said = error.status_code, _short(error.message)
    if status == 401:
        return f"{endpoint} does not accept the key: set OPENAI_API_KEY to one that is valid there"
    if status == 404:
        return f"{endpoint} does not know that model or address: check --model and OPENAI_BASE_URL ({said})"
    return f"{endpoint} refused: {said}"


def _short(text: str) -> str:
    text = terminal.line(text)
    return text if len(text) <= REASON else text[:REASON] + "..."
