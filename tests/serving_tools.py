"""A real server in a thread, over real indexes, for tests."""

import json
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

from searchidx import Document, Index
from searchidx.serving.catalogue import Catalogue
from searchidx.serving.guard import Door, Limits
from searchidx.serving.http import create_app
from searchidx.serving.keys import Key, read_keys
from searchidx.serving.run import listen, make_server

__all__ = ["ARTICLES", "GUEST", "KEYS", "READ", "Door", "Key", "Limits", "ask", "keys", "made", "raw", "served"]

READ = "read-key-0123456789ab"
GUEST = "guest-key-0123456789a"
KEYS = f"""
[[key]]
name = "reader"
key = "{READ}"
[[key]]
name = "guest"
key = "{GUEST}"
indexes = ["other"]
"""
"""A key to read everything, and one for an index called other."""

ARTICLES = [
    Document(
        "trade/zte.md",
        "American firms may no longer sell parts to the phone maker.\n\nThe order lasts seven years.",
        title="Commerce Department bars exports to ZTE",
        uri="https://news.example/zte?id=7&lang=en",
        published="2018-04-16",
        author="A. Writer",
        source="Reuters",
        metadata={"topic": "trade", "views": 120, "paid": True},
    ),
    Document(
        "farm/wheat.md",
        "Wheat prices fell after the grain corridor opened. Farmers in the south sold their stocks.",
        title="Wheat falls",
        uri="/home/someone/private/wheat.md",
        published="2022",
        source="BBC News",
        metadata={"topic": "food", "views": 9},
    ),
    Document("undated", "A ferry waited for the tide at the harbour bar.", title="Ferry"),
]


def made(folder, documents=ARTICLES):
    """An index of some articles."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with Index.create(folder) as index:
        index.add(*documents)
    return folder


def keys(tmp_path, text):
    """Keys from a file that only its owner can read."""
    file = tmp_path / "keys.toml"
    file.touch(mode=0o600)
    file.write_text(text)
    return read_keys(file, {})


@contextmanager
def served(root=None, door=None, *, places=None, public_url="", host="127.0.0.1"):
    """Serve a folder of indexes; gives the address."""
    app = create_app(Catalogue(root, places), door or Door(), public_url)
    listening = listen(host, 0)
    server = make_server(app)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        shown = f"[{host}]" if ":" in host else host
        yield f"http://{shown}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listening.close()
        assert not thread.is_alive(), "the server does not end"


def ask(url, body=None, *, method=None, data=None, **headers):
    """One request: status, headers, and the body, read as JSON where it is."""
    sent = {"Content-Type": "application/json"} if body is not None else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    content = json.dumps(body).encode() if body is not None else data
    request = urllib.request.Request(url, content, sent, method=method)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, _read(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, _read(error)


def _read(answer):
    content = answer.read()
    is_json = (answer.headers["content-type"] or "").startswith("application/json")
    return json.loads(content) if is_json else content.decode()


def raw(url, text, *, wait=10.0):
    """Send bytes as they are; what came back until the server closed or said nothing for a while."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.create_connection((host.strip("[]"), int(port)), timeout=wait) as connection:
        connection.sendall(text)
        received = b""
        try:
            while piece := connection.recv(65536):
                received += piece
        except TimeoutError:
            pass
        return received
