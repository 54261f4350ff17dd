"""An object server on this machine that speaks as much of S3 as shards need, and fails as real ones do.

Any key is good. Answers to reads may break off in their middle, any request may be answered 503, and the server may be
away. `benchmarks/s3_server.py` does the same with moto, which knows all of S3.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from cutting_server import serving

_PIECE = 1 << 16


class S3Server(ThreadingHTTPServer):
    """`objects` by bucket/name; `uploads`: parts of multipart uploads that were neither completed nor aborted."""

    daemon_threads = True
    cut = 0  # every n-th answer to a read ends in its middle; 0: none
    busy = 0  # every n-th request is answered 503; 0: none
    away = False  # connections end without an answer
    pause = 0.0  # seconds after every 64 KB that comes in

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.cuts = self.refusals = self.reads = self.requests = self.begun = 0
        self.lock = threading.Lock()

    @property
    def environment(self) -> dict[str, str]:
        """For whoever talks to it."""
        address = f"http://127.0.0.1:{self.server_port}"
        return {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"} | {
            "AWS_REGION": "us-east-1"
        }

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that are killed end their connections; tests say nothing."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        if self.server.away:
            self.close_connection = True
            return False
        with self.server.lock:
            self.server.requests += 1
            refused = bool(self.server.busy) and self.server.requests % self.server.busy == 0
            self.server.refusals += refused
        if refused:
            self._body()
            self._answer(503, b"<Error><Code>SlowDown</Code></Error>")
        return not refused

    def do_GET(self) -> None:
        self._read(whole=True)

    def do_HEAD(self) -> None:
        self._read(whole=False)

    def do_PUT(self) -> None:
        body, query = self._body(), self._query
        if len(body) < int(self.headers.get("Content-Length", 0)):
            return  # the client is gone: half a body is nothing
        if "uploadId" in query:
            self.server.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = body
        else:
            self.server.objects[self._name] = body
        self._answer(200, headers={"ETag": f'"{len(body)}"'})

    def do_POST(self) -> None:
        self._body()
        query, server = self._query, self.server
        if "uploads" in query:
            with server.lock:
                server.begun += 1
                number = f"upload-{server.begun}"
            server.uploads[number] = {}
            self._answer(200, f"<R><Bucket/><Key/><UploadId>{number}</UploadId></R>".encode())
            return
        parts = server.uploads.pop(query["uploadId"][0])
        server.objects[self._name] = b"".join(parts[number] for number in sorted(parts))
        self._answer(200, b'<R><ETag>"whole"</ETag></R>')

    def do_DELETE(self) -> None:
        query = self._query
        if "uploadId" in query:
            self.server.uploads.pop(query["uploadId"][0], None)
        else:
            self.server.objects.pop(self._name, None)
        self._answer(204)

    @property
    def _name(self) -> str:
        return urlsplit(self.path).path.lstrip("/")

    @property
    def _query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.path).query, keep_blank_values=True)

    def _body(self) -> bytes:
        left, pieces = int(self.headers.get("Content-Length", 0)), []
        while left and (piece := self.rfile.read(min(left, _PIECE))):
            pieces.append(piece)
            left -= len(piece)
            time.sleep(self.server.pause)
        return b"".join(pieces)

    def _read(self, whole: bool) -> None:
        data = self.server.objects.get(self._name)
        if data is None:
            self._answer(404, b"<Error><Code>NoSuchKey</Code></Error>" if whole else b"")
            return
        total, found = len(data), re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        headers = {"ETag": '"1"', "Last-Modified": "Sat, 28 Nov 2026 00:00:00 GMT"}
        if found:
            first, last = int(found[1]), min(int(found[2]), total - 1)
            data = data[first : last + 1]
            headers["Content-Range"] = f"bytes {first}-{last}/{total}"
        size = len(data)
        if whole:
            with self.server.lock:
                self.server.reads += 1
                if self.server.cut and self.server.reads % self.server.cut == 0:
                    self.server.cuts += 1
                    data, self.close_connection = data[: size // 2], True
        self._answer(206 if found else 200, data if whole else b"", headers, size)

    def _answer(self, code: int, data: bytes = b"", headers: dict[str, str] | None = None, size: int = -1) -> None:
        self.send_response(code)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data) if size < 0 else size))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        """Tests say nothing."""


@contextmanager
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    with serving(server):
        yield server
