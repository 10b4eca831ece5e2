"""A real web server on loopback for tests, and a listener that must not be reached."""

import contextlib
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from searchidx import Index
from searchidx.articles import fetching

BODY = (
    "The harbour commission of the town voted on Monday to replace the old ferry with an electric one. "
    "The boat will carry two hundred passengers and cross the strait in twelve minutes, the engineers said. "
    "Fishermen had asked for a longer pier, and the council promised to build it before the winter storms. "
    "Tickets will cost as much as they do today, and pupils will travel without paying anything at all. "
)


def page(title, text=BODY, head=""):
    """A page with an article."""
    paragraphs = "".join(f"<p>{text}</p>" for _ in range(3))
    return f"<!DOCTYPE html><html><head><title>{title}</title>{head}</head><body><article><h1>{title}</h1>{paragraphs}\
</article></body></html>".encode()


class Site:
    """Routes of a server: path -> bytes, (status, headers, body), or a function of the request that gives them."""

    def __init__(self):
        site = self
        self.routes = {}
        self.asked = []
        self.stopping = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                site.asked.append((self.path, dict(self.headers)))
                answer = site.routes.get(self.path, (404, {}, b"nothing here"))
                with contextlib.suppress(OSError):
                    answer = answer(self) if callable(answer) else answer
                    if answer is not None:
                        self.give(answer)

            def give(self, answer):
                status, headers, body = (200, {}, answer) if isinstance(answer, bytes) else answer
                headers = {"Content-Type": "text/html; charset=utf-8", "Content-Length": len(body)} | headers
                self.send_response(status)
                for name, value in headers.items():
                    if value is not None:
                        self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_port}"
        self.url = f"http://{self.host}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def paths(self):
        """What was asked for so far, robots.txt aside; forgotten then."""
        asked = [path for path, _ in self.asked if path != "/robots.txt"]
        self.asked.clear()
        return asked

    def close(self):
        self.stopping.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def site(monkeypatch):
    """A server, asked without pauses."""
    monkeypatch.setattr(fetching, "DELAY", 0.0)
    monkeypatch.setattr(fetching, "BACKOFF", 0.0)
    site = Site()
    yield site
    site.close()


@pytest.fixture
def canary():
    """A listener on loopback that counts who connects."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)
    met = []

    def listen():
        while not stop.is_set():
            with contextlib.suppress(OSError):
                connection, peer = listener.accept()
                connection.close()
                met.append(peer)

    stop = threading.Event()
    thread = threading.Thread(target=listen)
    thread.start()
    yield listener.getsockname()[1], met
    stop.set()
    thread.join()
    listener.close()


@pytest.fixture
def index(tmp_path):
    """An empty index."""
    with Index.create(tmp_path / "index") as index:
        yield index


def add(index, *addresses, **options):
    """Add what the server gives; it is on loopback."""
    return index.add(*addresses, allow_private=True, **options)
