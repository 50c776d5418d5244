"""A server on this machine that breaks off, refuses and resumes as it is told."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from efficientcellseg.datasets.fetching import MIRROR, fetch


class Server(ThreadingHTTPServer):
    """Serves `files`; what it was asked for stands in `ranges`; `moved` and `faults` come first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.ranges: list[str | None] = []
        self.faults: list[int | str] = []
        self.moved: dict[str, str] = {}
        self.ranged = True

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server_port}/{name}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = self.server
        wanted = self.headers.get("Range")
        if place := server.moved.get(self.path[1:]):
            self.send_response(302)
            self.send_header("Location", place)
            self.end_headers()
            return
        server.ranges.append(wanted)
        fault = server.faults.pop(0) if server.faults else None
        body = server.files.get(self.path[1:])
        if isinstance(fault, int) or body is None:
            self.send_error(fault or 404)
            return
        start = int(wanted[6:-1]) if wanted and server.ranged else 0
        if start >= len(body) > 0:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(body)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        rest = body[start:]
        self.wfile.write(rest[: len(rest) // 2] if fault == "drop" else rest)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", MIRROR):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fetch, "__defaults__", ((0.0, 0.0),))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()
