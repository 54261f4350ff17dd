"""The live viewer against other pages and programs: real HTTP requests and WebSockets on the loopback."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mouselift.errors import MouseliftError
from mouselift.view.gate import Gate, as_browsers_write, check_host

viser = pytest.importorskip("viser")
from websockets.exceptions import InvalidStatus  # noqa: E402  viser brings it
from websockets.sync.client import connect  # noqa: E402
from websockets.typing import Origin, Subprotocol  # noqa: E402

from mouselift.view.live import LiveView, text  # noqa: E402

HOSTILE = '<img src=x onerror="alert(1)">[a](javascript:b)**c**'
FOREIGN = "http://evil.example"


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveView]:
    """A viewer of one sample without views, whose name is markup: enough to be served."""
    folder = tmp_path_factory.mktemp("set") / HOSTILE.replace("/", "_")
    folder.mkdir()
    (folder / "opencv_cameras.json").write_text(json.dumps({"frames": []}))
    live = LiveView(folder.parent, port=0)
    yield live
    live.close()


def status(live: LiveView, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", live.gate.port, timeout=20)
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


def messages(live: LiveView, path: str, origin: str | None, **headers: Any) -> bytes:
    """What the server first sends over a WebSocket. InvalidStatus where the handshake is refused."""
    url, protocol = f"ws://127.0.0.1:{live.gate.port}{path}", Subprotocol(f"viser-v{viser.__version__}")
    given = None if origin is None else Origin(origin)
    with connect(
        url, origin=given, subprotocols=[protocol], max_size=None, additional_headers=headers, proxy=None
    ) as web:
        received = web.recv(timeout=20)
        return received if isinstance(received, bytes) else received.encode()


def test_the_printed_address_opens_the_page_and_the_scene(live: LiveView) -> None:
    own = f"http://127.0.0.1:{live.gate.port}"
    assert live.address == f"{own}/{live.gate.token}/"
    assert len(live.gate.token) >= 32
    assert status(live, f"/{live.gate.token}/") == 200
    assert status(live, f"/{live.gate.token}/", Host=f"localhost:{live.gate.port}") == 200
    assert len(messages(live, f"/{live.gate.token}", own)) > 100


@pytest.mark.parametrize("path", ["/", "/index.html", "/wrong/", "//", "/%2e%2e/", "/?token"])
def test_without_the_token_nothing_is_read(live: LiveView, path: str) -> None:
    assert status(live, path) == 403
    with pytest.raises(InvalidStatus, match="403"):
        messages(live, path, f"http://127.0.0.1:{live.gate.port}")


def test_another_page_cannot_read_even_with_the_token(live: LiveView) -> None:
    """A foreign origin, an opaque one, another port of this machine, none, and the right one beside a wrong one."""
    path, own = f"/{live.gate.token}", f"http://127.0.0.1:{live.gate.port}"
    for origin in (FOREIGN, "null", "http://127.0.0.1:1", f"http://localhost:{live.gate.port}", None):
        with pytest.raises(InvalidStatus, match="403"):
            messages(live, path, origin)
    assert status(live, f"{path}/", Origin=FOREIGN) == 403
    assert status(live, f"{path}/", Origin=own) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "[::1"])
def test_a_name_that_was_rebound_to_this_machine_is_refused(live: LiveView, host: str) -> None:
    assert status(live, f"/{live.gate.token}/", Host=host.format(port=live.gate.port)) == 403


def test_names_reach_the_page_as_text(live: LiveView) -> None:
    shown = live.words.content
    assert "&lt;img src=x onerror=&#34;alert(1)&#34;&gt;" in shown
    assert "<img" not in shown
    assert "<b>&lt;i&gt;</b>" in text("<i>", ["a & b"])
    sent = messages(live, f"/{live.gate.token}", f"http://127.0.0.1:{live.gate.port}")
    assert b"<img src=x" not in sent


def test_a_server_that_the_check_does_not_reach_is_an_error() -> None:
    """As with a release of viser that starts its server another way."""
    import http.server
    import threading

    class Open(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Open) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        with pytest.raises(MouseliftError, match="cannot be guarded"):
            Gate("127.0.0.1", server.server_port).verify()
        thread.join()


def test_tokens_differ() -> None:
    assert Gate("127.0.0.1").token != Gate("127.0.0.1").token


@pytest.mark.parametrize("host", ["", " ", "a b", "a\n"])
def test_an_empty_host_is_an_error(host: str, tmp_path: Path) -> None:
    with pytest.raises(MouseliftError, match="--host"):
        check_host(host)


def test_which_hosts_a_wildcard_admits() -> None:
    gate = Gate("0.0.0.0", 8080)
    assert all(gate.admits_host(host) for host in ("192.168.1.5:8080", "localhost:8080", "[fe80::1]:8080"))
    assert not any(gate.admits_host(host) for host in ("evil.example:8080", "192.168.1.5:80", "192.168.1.5"))
    assert gate.address.startswith("http://127.0.0.1:8080/")
    assert Gate("lab.example", 1).admits_host("LAB.example:1")
    assert not Gate("lab.example", 1).admits_host("127.0.0.1:1")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("0", "0.0.0.0"),
        ("127.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("LOCALHOST", "localhost"),
        ("192.168.1.5", "192.168.1.5"),
        ("lab.example", "lab.example"),
    ],
)
def test_the_printed_address_is_the_one_that_a_browser_asks_for(given: str, written: str) -> None:
    assert as_browsers_write(given) == written


def test_a_path_that_is_none_is_not_found(live: LiveView) -> None:
    assert status(live, f"/{live.gate.token}/{'a' * 5000}") == 404
