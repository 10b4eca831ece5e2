"""Each real client finds something in the samples and follows its citation: a transcript.

    python benchmarks/clients.py

Needs the packages of the tests; the MCP Inspector comes from npm.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

import httpx
from load import Client, free_port

QUESTION = "who was barred from selling network gear"
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
KEY = "transcript-key-0123456789"


def cut(text: str, length: int = 90) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= length else line[: length - 1] + "…"


def searchidx(*typed: str, **options: Any) -> str:
    command = [sys.executable, "-m", "searchidx", *typed]
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def openai_client(url: str) -> None:
    from openai import OpenAI

    client = OpenAI(base_url=f"{url}/v1", api_key=KEY)
    (store,) = client.vector_stores.list().data
    print(f"  stores: {store.id}, {store.file_counts.completed} files")
    best = client.vector_stores.search(store.id, query=QUESTION, max_num_results=1).data[0]
    print(f"  search: {best.score:.3f} {best.filename}: {cut(best.content[0].text)}")
    (content,) = client.vector_stores.files.content(best.file_id, vector_store_id=store.id).data
    start, end = (int(best.attributes[name]) for name in ("start", "end"))  # type: ignore[index]
    print(f"  content[{start}:{end}] is the result: {content.text[start:end] == best.content[0].text}")  # type: ignore[index]
    vector = client.embeddings.create(model="bundled-en", input=QUESTION).data[0].embedding
    print(f"  embedding: {len(vector)} dimensions")


async def _mcp(transport: Any, what: str) -> None:
    import mcp

    async with mcp.Client(transport) as client:
        tools = [tool.name for tool in (await client.list_tools()).tools]
        found = (await client.call_tool("search", {"query": QUESTION})).structured_content
        best = found["results"][0]
        article = (await client.call_tool("fetch", {"id": best["id"]})).structured_content
        print(f"  {what}: tools {', '.join(tools)}")
        print(f"  search: {best['id']}: {cut(best['text'])}")
        print(
            f"  fetch: {article['title']}; the result is in its text: {best['text'] in article['text']}; {best['url']}"
        )


def mcp_http(url: str, path: str) -> None:
    from mcp.client.streamable_http import streamable_http_client

    async def run() -> None:
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
            await _mcp(streamable_http_client(url + path, http_client=http), f"HTTP {path}")

    asyncio.run(run())


def mcp_stdio(index: Path) -> None:
    from mcp.client.stdio import StdioServerParameters, stdio_client

    arguments = ["-m", "searchidx", "mcp", "-i", str(index)]
    asyncio.run(_mcp(stdio_client(StdioServerParameters(command=sys.executable, args=arguments)), "stdio"))


def inspector(index: Path, folder: Path) -> None:
    if not shutil.which("npm"):
        print("  npm is not there")
        return
    install = ["npm", "install", "--silent", "--ignore-scripts", "--prefix", str(folder), INSPECTOR]
    subprocess.run(install, check=True, capture_output=True)
    program = str(folder / "node_modules" / ".bin" / "mcp-inspector")
    served = [sys.executable, "-m", "searchidx", "mcp", "-i", str(index)]

    def call(tool: str, argument: str) -> Any:
        asked = ["--method", "tools/call", "--tool-name", tool, "--tool-arg", argument]
        out = subprocess.run([program, "--cli", *served, *asked], check=True, capture_output=True, text=True).stdout
        return json.loads(out)["structuredContent"]

    best = call("search", f"query={QUESTION}")["results"][0]
    print(f"  search: {best['id']}: {cut(best['text'])}")
    article = call("fetch", f"id={best['id']}")
    print(f"  fetch: {article['title']}; the result is in its text: {best['text'] in article['text']}")


def open_webui(url: str) -> None:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as http:
        best = http.post("/openwebui/search", json={"query": QUESTION, "count": 1}).json()[0]
        page = http.post("/openwebui/load", json={"urls": [best["link"]]}).json()[0]
    print(f"  search: {best['title']} {best['link']}")
    print(f"  load: {page['metadata']['title']}; the snippet is in it: {best['snippet'] in page['page_content']}")


def frameworks(index: Path) -> None:
    from searchidx.integrations.haystack import SearchIdxRetriever as Haystack
    from searchidx.integrations.langchain import SearchIdxRetriever as LangChain
    from searchidx.integrations.llamaindex import SearchIdxRetriever as LlamaIndex

    found = LangChain(index=str(index), k=1).invoke(QUESTION)[0]
    print(f"  LangChain: {found.metadata['score']:.3f} {found.metadata['citation']}")
    node = LlamaIndex(str(index), similarity_top_k=1).retrieve(QUESTION)[0]
    print(f"  LlamaIndex: {node.score:.3f} {node.metadata['citation']}")
    document = Haystack(str(index), top_k=1).run(QUESTION)["documents"][0]
    print(f"  Haystack: {document.score:.3f} {document.meta['citation']}")


def ask(index: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    out = searchidx("ask", QUESTION, "-i", str(index), "--max-tokens", "150", env=environment)
    print("  without an endpoint it prints the context:")
    print("\n".join(f"    {line}" for line in out.splitlines()[:4]))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        index = folder / "indexes" / "default"
        searchidx("demo", "-q", "-i", str(index))
        environment = {**os.environ, "SEARCHIDX_API_KEY": KEY}
        command = [sys.executable, "-m", "searchidx", "serve", "-q", "-p", str(port)]
        with subprocess.Popen(command, cwd=folder, env=environment) as server:
            try:
                Client(port, patience=30).close()
                url = f"http://127.0.0.1:{port}"
                for title, run in {
                    "openai": lambda: openai_client(url),
                    "mcp": lambda: (mcp_http(url, "/mcp"), mcp_http(url, "/mcp/connector"), mcp_stdio(index)),
                    "MCP Inspector": lambda: inspector(index, folder / "npm"),
                    "Open WebUI's two calls": lambda: open_webui(url),
                    "frameworks": lambda: frameworks(index),
                    "searchidx ask": lambda: ask(index),
                    "browser": lambda: page(url),
                }.items():
                    print(title)
                    run()
            finally:
                server.terminate()


def page(url: str) -> None:
    from base64 import b64encode

    basic = b64encode(f"me:{KEY}".encode()).decode()
    request = urllib.request.Request(
        f"{url}/?q={QUESTION.replace(' ', '+')}", headers={"Authorization": f"Basic {basic}"}
    )
    with urllib.request.urlopen(request) as answer:
        html = answer.read().decode()
    print(f"  the page, by the key as password: {answer.status}, {len(html):,} bytes, {html.count('<mark')} marks")


if __name__ == "__main__":
    main()
