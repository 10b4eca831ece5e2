"""The Model Context Protocol: the tools and the articles, over standard input and output or over HTTP.

This file carries; what the tools do stands in ``tools.py``. The SDK's low-level server is used because each caller has
a list of articles of his own, unknown arguments are refused by name, and an error is our message and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import anyio
import anyio.to_thread
import mcp_types as protocol
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError
from starlette.routing import Route

from searchidx import __version__
from searchidx.errors import SearchIdxError
from searchidx.serving.catalogue import Catalogue
from searchidx.serving.tools import CONNECTOR, FULL, QUOTED, SCHEME, Caller, Tool, find_article, resource_uri

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

log = logging.getLogger("searchidx.server")
Profile: TypeAlias = Literal["full", "connector"]
PATHS: dict[str, Profile] = {"/mcp": "full", "/mcp/connector": "connector"}
"""Where a server over HTTP has each profile."""
LISTED = 100
"""Articles in the list of resources at most; the others are found by searching."""
INSTRUCTIONS = f"Search a local collection of articles and cite them to the character. {QUOTED}"
_HARMLESS = protocol.ToolAnnotations(
    read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False
)
_FAULT = "this is a fault of searchidx: its log says more"


def build_server(
    catalogue: Catalogue, profile: Profile = "full", who: Callable[[Any], Caller] = lambda _: Caller()
) -> Server[Any]:
    """A server of the protocol.

    Args:
        catalogue: what is served.
        profile: ``connector`` for clients that accept ``search`` and ``fetch`` and nothing else.
        who: the caller of an HTTP request, which is None over other transports; by default the owner of this machine.
    """
    answers = _Answers(catalogue, {"full": FULL, "connector": CONNECTOR}[profile], who)
    return Server(
        "searchidx",
        version=__version__,
        title="searchidx",
        instructions=INSTRUCTIONS,
        on_list_tools=answers.list_tools,
        on_call_tool=answers.call_tool,
        on_list_resources=answers.list_resources,
        on_list_resource_templates=answers.list_templates,
        on_read_resource=answers.read_resource,
    )


class _Answers:
    """The handlers of a server. What touches an index runs in a thread."""

    def __init__(self, catalogue: Catalogue, tools: Sequence[Tool], who: Callable[[Any], Caller]) -> None:
        self._catalogue, self._who = catalogue, who
        self._tools = {tool.name: tool for tool in tools}
        self._listed = [_listed(tool) for tool in tools]

    async def list_tools(self, *_: Any) -> protocol.ListToolsResult:
        """The tools, the same for everybody and always in the same order."""
        return protocol.ListToolsResult(tools=self._listed)

    async def call_tool(self, ctx: Any, params: protocol.CallToolRequestParams) -> protocol.CallToolResult:
        """Call a tool; what goes wrong is an answer too, which the model can read."""
        tool = self._tools.get(params.name)
        if tool is None:
            known = ", ".join(self._tools)
            raise MCPError(protocol.INVALID_PARAMS, f"no tool is called {params.name[:100]!r}; there are: {known}")
        return await anyio.to_thread.run_sync(self._call, tool, ctx.request, params.arguments or {})

    def _call(self, tool: Tool, request: Any, arguments: dict[str, Any]) -> protocol.CallToolResult:
        try:
            asked = tool.arguments.model_validate(arguments)
            answer = tool.call(self._catalogue, self._who(request), asked)
            text, structured = answer.model_dump_json(), answer.model_dump(mode="json")
        except ValidationError as error:
            return _failed(_explain(error, tool))
        except SearchIdxError as error:
            return _failed(self._catalogue.hide(str(error)))
        except Exception:
            log.exception("the tool %s failed", tool.name)
            return _failed(_FAULT)
        return protocol.CallToolResult(
            content=[protocol.TextContent(type="text", text=text)], structured_content=structured
        )

    async def list_resources(self, ctx: Any, _: Any) -> protocol.ListResourcesResult:
        """The first articles of the indexes that the caller may see."""
        return protocol.ListResourcesResult(resources=await anyio.to_thread.run_sync(self._articles, ctx.request))

    def _articles(self, request: Any) -> list[protocol.Resource]:
        caller = self._who(request)
        found: list[protocol.Resource] = []
        for name in self._catalogue.names(caller.key):
            try:
                with self._catalogue.reading(name, caller.key) as index:
                    for document in islice(index.list(), LISTED - len(found)):
                        uri, title = resource_uri(name, document.doc_id), document.title or document.doc_id
                        about = ", ".join(part for part in (document.source, document.published[:10]) if part)
                        found.append(
                            protocol.Resource(
                                uri=uri,
                                name=f"{name}/{document.doc_id}",
                                title=title,
                                description=about or None,
                                mime_type=document.media_type,
                            )
                        )
            except SearchIdxError as error:  # the other indexes are listed all the same
                log.warning("%s: %s", name, error)
        return found

    async def list_templates(self, *_: Any) -> protocol.ListResourceTemplatesResult:
        """How addresses of articles are made."""
        template = protocol.ResourceTemplate(
            name="article",
            title="Article",
            uri_template=f"{SCHEME}{{index}}/{{doc_id}}",
            description=f"The text of an article; doc_id is percent-encoded. {QUOTED}",
        )
        return protocol.ListResourceTemplatesResult(resource_templates=[template])

    async def read_resource(self, ctx: Any, params: protocol.ReadResourceRequestParams) -> protocol.ReadResourceResult:
        """The text of an article."""
        return await anyio.to_thread.run_sync(self._read, ctx.request, params.uri)

    def _read(self, request: Any, uri: str) -> protocol.ReadResourceResult:
        try:
            if not uri.startswith(SCHEME):
                raise SearchIdxError(f"{uri[:200]!r} is no address of an article: it begins with {SCHEME}")
            _, document = find_article(self._catalogue, self._who(request), uri)
        except SearchIdxError as error:
            raise MCPError(protocol.INVALID_PARAMS, self._catalogue.hide(str(error))) from None
        content = protocol.TextResourceContents(uri=uri, mime_type=document.media_type, text=document.text)
        return protocol.ReadResourceResult(contents=[content])


def _listed(tool: Tool) -> protocol.Tool:
    schema = tool.arguments.model_json_schema()
    required = schema.get("required", [])
    schema["properties"] = dict(sorted(schema["properties"].items(), key=lambda field: field[0] not in required))
    return protocol.Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=schema,
        output_schema=tool.answer.model_json_schema(mode="serialization"),
        annotations=_HARMLESS,
    )


def _failed(message: str) -> protocol.CallToolResult:
    return protocol.CallToolResult(content=[protocol.TextContent(type="text", text=message)], is_error=True)


def _explain(error: ValidationError, tool: Tool) -> str:
    """What is wrong with the arguments, in a sentence that a model can act on."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])[:100]
    if first["type"] == "extra_forbidden":
        known = ", ".join(tool.arguments.model_fields) or "none"
        return f"{place!r} is not an argument of {tool.name}, which takes: {known}"
    return f"{place}: {first['msg']}"


# transports


def serve_stdio(catalogue: Catalogue, profile: Profile = "full") -> None:
    """Speak the protocol over standard input and output until the input ends."""
    server = build_server(catalogue, profile)

    async def serve() -> None:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())

    try:
        anyio.run(serve)
    except* BrokenPipeError:  # the client is gone
        pass
    finally:
        catalogue.close()


class _Endpoint:
    """ASGI: one request, one answer in JSON. No session is kept, so nothing is left open when the server ends."""

    def __init__(self, path: str, server: Server[Any]) -> None:
        self.path, self._server = path, server
        self._manager: StreamableHTTPSessionManager | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Answer requests while this is entered."""
        # The guard stands before every path and has checked Host and Origin, with the names that it was told to allow;
        # the SDK would check them again, against a list of its own. What else it checks stays.
        guarded = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._manager = StreamableHTTPSessionManager(
            self._server, json_response=True, stateless=True, security_settings=guarded
        )
        async with self._manager.run():
            yield

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._manager, "the application's lifespan has not begun"
        scope["route"] = self  # the guard counts requests by its path
        await self._manager.handle_request(scope, receive, send)


def mount(app: Starlette, catalogue: Catalogue) -> None:
    """Add the protocol to an application behind the guard; ``running`` must be entered in its lifespan.

    Only POST is answered: the protocol's other methods are for sessions, which are not kept, and get 405.
    """
    from searchidx.serving.api import base_of, caller

    def who(request: Request) -> Caller:
        return Caller(caller(request), base_of(request))

    app.state.mcp = []
    for path, profile in PATHS.items():
        endpoint = _Endpoint(path, build_server(catalogue, profile, who))
        app.router.routes.append(Route(path, endpoint, methods=["POST"], include_in_schema=False))
        app.state.mcp.append(endpoint)


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[None]:
    """Answer what ``mount`` added."""
    async with AsyncExitStack() as stack:
        for endpoint in app.state.mcp:
            await stack.enter_async_context(endpoint.running())
        yield
