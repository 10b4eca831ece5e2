"""The commands that let programs in: serve, mcp."""

from __future__ import annotations

import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias
from urllib.parse import urlsplit

import typer

from searchidx.cli.arguments import HOME, STORE, Quiet, complete_index, locate
from searchidx.cli.output import print_json
from searchidx.cli.terminal import note
from searchidx.errors import MissingExtra

if TYPE_CHECKING:
    from searchidx.serving.catalogue import Catalogue
    from searchidx.serving.guard import Door

ServedIndexes: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--index",
        "-i",
        metavar="INDEX",
        help="Path of an index, or its name under indexes/; repeat it for several. By default all under indexes/.",
        autocompletion=complete_index,
    ),
]
Host: TypeAlias = Annotated[
    str, typer.Option("--host", metavar="ADDRESS", help="Where to listen; anything but this machine needs a key.")
]
Port: TypeAlias = Annotated[
    int, typer.Option("--port", "-p", metavar="N", min=0, max=65535, help="0 takes a free one.")
]
Keys: TypeAlias = Annotated[
    str | None, typer.Option("--keys", metavar="FILE", help="API keys, as TOML; SEARCHIDX_API_KEY may hold one too.")
]
AllowedHosts: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="Another name that the server may be called by."),
]
Origins: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--cors-origin", metavar="URL", help="A site whose pages may call, such as https://chat.example."),
]
PublicUrl: TypeAlias = Annotated[
    str, typer.Option("--public-url", metavar="URL", help="Address behind a proxy, for links to articles.")
]
MaxBody: TypeAlias = Annotated[float, typer.Option("--max-body", metavar="MB", min=0.001, help="Largest request.")]
MaxRequests: TypeAlias = Annotated[
    int, typer.Option("--max-requests", metavar="N", min=1, help="Requests worked on or waiting at once; more get 429.")
]
Rate: TypeAlias = Annotated[
    int,
    typer.Option("--rate", metavar="N", min=0, help="Requests a minute from one client; more get 429; 0: any number."),
]

Profile: TypeAlias = Annotated[
    Literal["full", "connector"],
    typer.Option(
        "--profile", metavar="NAME", help="full, or connector: search and fetch only, for clients that want just these."
    ),
]
AsConfig: TypeAlias = Annotated[
    bool, typer.Option("--config", metavar="", help="Print the settings for a chat program, as JSON, and end.")
]


def serve(
    index: ServedIndexes = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    keys: Keys = None,
    allow_host: AllowedHosts = None,
    cors_origin: Origins = None,
    public_url: PublicUrl = "",
    max_body: MaxBody = 8.0,
    max_requests: MaxRequests = 128,
    rate: Rate = 6000,
    quiet: Quiet = False,
) -> None:
    """Serve indexes to browsers and chat tools.

    A search page, typed HTTP, OpenAI's vector stores, embeddings and rerank, MCP and Open WebUI, from one process.

    Example: searchidx serve -i news --port 8765
    """
    try:
        from searchidx.serving.http import create_app
        from searchidx.serving.run import check_address, listen
        from searchidx.serving.run import serve as run
    except ModuleNotFoundError as error:
        raise MissingExtra(
            f'serving needs an extra ({error.name} is missing): pip install "searchidx[serve]"'
        ) from None
    door = _door(keys, allow_host or (), cors_origin or (), public_url, max_body, max_requests, rate)
    check_address(host, door)
    served = catalogue(index)
    with listen(host, port) as listening:
        logging.basicConfig(
            stream=sys.stderr, format="%(asctime)s %(message)s", level=logging.WARNING if quiet else logging.INFO
        )
        for talkative in ("faiss", "uvicorn", "mcp"):
            logging.getLogger(talkative).setLevel(logging.WARNING)
        if not quiet:
            note(_greeting(served, host, listening.getsockname()[1], bool(door.keys)))
        with suppress(KeyboardInterrupt):  # how people end a server
            run(create_app(served, door, public_url), listening)


def mcp(index: ServedIndexes = None, profile: Profile = "full", config: AsConfig = False) -> None:
    """Serve indexes to a chat program (MCP).

    It speaks the Model Context Protocol over standard input and output. Chat programs start it themselves: --config
    prints what to put into their settings.

    Example: searchidx mcp -i news --config
    """
    from searchidx.serving.keys import OWNER

    served = catalogue(index)
    if config:
        names = index or [str(HOME / name) for name in served.names(OWNER) or [served.default(OWNER)]]
        print_json(_settings(names, profile))
        return
    try:
        from searchidx.serving.mcp import serve_stdio
    except ModuleNotFoundError as error:
        raise MissingExtra(f'mcp needs an extra ({error.name} is missing): pip install "searchidx[mcp]"') from None
    # a thread waits for input and cannot be told to stop; nothing is written, so Ctrl-C may end the process at once
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve_stdio(served, profile)


def _settings(indexes: Sequence[str], profile: str) -> dict[str, Any]:
    """What chat programs start, wherever they stand: in the form of Claude Desktop, which most of them read."""
    arguments = ["-m", "searchidx", "mcp"]
    for typed in indexes:
        arguments += ["-i", str(locate(typed).absolute())]
    if profile != "full":
        arguments += ["--profile", profile]
    return {"mcpServers": {"searchidx": {"command": sys.executable, "args": arguments}}}


def catalogue(indexes: Sequence[str] | None) -> Catalogue:
    """The indexes that were named, or whatever lies under ``indexes/`` now or later.

    Raises:
        IndexNotFound: one that was named is not there.
        typer.BadParameter: two of them have the same name.
    """
    from searchidx.serving.catalogue import Catalogue

    if not indexes:
        return Catalogue(root=HOME)
    places: dict[str, Path] = {}
    for typed in indexes:
        folder = locate(typed)
        if not (folder / STORE).is_file():
            from searchidx.index import Index

            Index.open(folder).close()  # raises, and says what may have been meant
        name = folder.resolve().name
        if name in places:
            raise typer.BadParameter(f"two indexes are called {name}: rename the folder of one", param_hint="--index")
        places[name] = folder
    return Catalogue(places=places)


def _door(
    keys: str | None,
    hosts: Sequence[str],
    origins: Sequence[str],
    public_url: str,
    max_body: float,
    max_requests: int,
    rate: int,
) -> Door:
    from searchidx.serving.guard import Door, Limits
    from searchidx.serving.keys import read_keys

    for url, option in [*((origin, "--cors-origin") for origin in origins), (public_url, "--public-url")]:
        parts: Any = urlsplit(url)
        if url and (
            parts.scheme not in ("http", "https") or not parts.hostname or (option == "--cors-origin" and parts.path)
        ):
            raise typer.BadParameter(f"{url!r} is not an address such as https://chat.example", param_hint=option)
    public = urlsplit(public_url)
    return Door(
        keys=read_keys(Path(keys) if keys else None),
        hosts=[name.lower() for name in (*hosts, public.hostname) if name],
        origins=[*origins, *([f"{public.scheme}://{public.netloc}"] if public.netloc else [])],
        limits=Limits(body=int(max_body * 1_048_576), requests=max_requests, rate=f"{rate}/minute" if rate else ""),
    )


def _greeting(served: Catalogue, host: str, port: int, keyed: bool) -> str:
    """What is served, where, and to whom."""
    from searchidx.serving.keys import OWNER

    names = served.names(OWNER)
    shown = f"[{host}]" if ":" in host else host
    what = ", ".join(names) if names else f"nothing yet: make an index with: searchidx add SOURCE (in {HOME}/)"
    who = "with a key" if keyed else "without a key, to read only"
    return f"serving {what}\nat http://{shown}:{port}/ {who}; Ctrl-C ends"
