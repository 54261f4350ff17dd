"""An HTTP server on this machine that answers ranges of bytes, and breaks answers off."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class CuttingServer(ThreadingHTTPServer):
    """`asked` holds (file, range) of every request; every `cut`-th answer ends in its middle (0: none)."""

    daemon_threads = True
    folder = Path()
    cut = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, str]] = []
        self.cuts = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, CuttingServer)
        path, asked = server.folder / self.path.rsplit("/", 1)[-1], self.headers.get("Range", "")
        server.asked.append((path.name, asked))
        if not path.is_file():
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data, found = path.read_bytes(), re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
        total = len(data)
        if found:
            first, last = int(found[1]), min(int(found[2]), total - 1)
            data = data[first : last + 1]
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {first}-{last}/{total}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 00:00:00 GMT")
        self.end_headers()
        if server.cut and len(server.asked) % server.cut == 0:
            server.cuts += 1
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Tests say nothing."""


@contextmanager
def serving(server: ThreadingHTTPServer) -> Iterator[None]:
    """Its requests are answered inside this."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def cutting_server(folder: Path, cut: int = 0) -> Iterator[CuttingServer]:
    server = CuttingServer()
    server.folder, server.cut = folder, cut
    with serving(server):
        yield server
