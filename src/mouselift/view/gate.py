"""Who may read the live scene: only a page opened at the printed address, which holds a random token.

viser answers every request that reaches its port, so any web page that a browser shows could read the scene (a
WebSocket obeys no same-origin rule), and a name that is made to resolve to this machine (DNS rebinding) could read
its pages. Every HTTP request and every WebSocket handshake is checked here before viser sees it:

- Host is the address that is served. For a wildcard address: a number, localhost, or this machine's name.
- Origin, which a browser adds, is that same Host; a WebSocket must have one.
- The path begins with the token. viser's page derives the WebSocket's address from its own, so it passes it on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hmac
import http
import http.client
import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from mouselift.errors import MouseliftError

_TOKEN_BYTES = 24  # 192 random bits: nobody guesses them
_PATCHING = threading.Lock()  # one server starts at a time


@dataclass
class Gate:
    """The check for one server. `port` is set when it is known."""

    host: str
    port: int = 0
    token: str = field(default_factory=lambda: secrets.token_urlsafe(_TOKEN_BYTES))

    @property
    def address(self) -> str:
        """What the user opens. A wildcard is no address: this machine's loopback stands for it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://{_bracketed(host)}:{self.port}/{self.token}/"

    def admits_host(self, header: str) -> bool:
        """Whether a request that names `header` as its Host was meant for this server."""
        name, colon, port = header.rpartition(":")
        if not colon or port != str(self.port):
            return False
        name = name.strip("[]").lower()
        if is_loopback(self.host):
            return name == "localhost" or is_loopback(name)
        if self.host in ("0.0.0.0", "::"):  # an address in numbers cannot be rebound to another machine
            return _is_number(name) or name in ("localhost", socket.gethostname().lower(), socket.getfqdn().lower())
        return name == self.host.lower()

    def refusal(self, path: str, headers: Any) -> str:
        """Why a request is refused, empty where it is not. headers: of the websockets library."""
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        if len(hosts) != 1 or not self.admits_host(hosts[0]):
            return "this address is not the one that is served"
        websocket = "upgrade" in headers
        if len(origins) > 1 or (websocket and not origins) or any(origin != f"http://{hosts[0]}" for origin in origins):
            return "the request comes from another page"
        given = path.partition("?")[0].lstrip("/").partition("/")[0]
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode()):
            return "open the whole address that `mouselift view` printed"
        return ""

    def checked(self, serve_page: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """viser's `process_request` behind the check: it sees paths without the token."""

        def process_request(connection: Any, request: Any) -> Any:
            refused = self.refusal(request.path, request.headers)
            if refused:
                return connection.respond(http.HTTPStatus.FORBIDDEN, f"Refused: {refused}.\n")
            rest = request.path.lstrip("/")[len(self.token) :].lstrip("/")
            try:
                response = serve_page(connection, dataclasses.replace(request, path=f"/{rest}"))
            except (OSError, ValueError):  # a path that the system takes for none: too long
                response = connection.respond(http.HTTPStatus.NOT_FOUND, "No such file.\n")
            if response is not None:
                response.headers.update(_HEADERS)
            return response

        return process_request

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Servers of the websockets library that start inside this are behind the gate: viser takes no check of ours.

        It looks `serve` up when it starts, in a thread that it waits for. `verify` proves that this still holds.
        """
        from websockets.asyncio import server as library

        original = library.serve

        def serve(handler: Any, host: Any, port: Any, *, process_request: Any, **options: Any) -> Any:
            return original(handler, host, port, process_request=self.checked(process_request), **options)

        with _PATCHING:
            library.serve = serve  # pyright: ignore[reportAttributeAccessIssue]
            try:
                yield
            finally:
                library.serve = original

    def verify(self) -> None:
        """Asks the running server without the token. MouseliftError where it answers with anything but a refusal."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        connection = http.client.HTTPConnection(host, self.port, timeout=20)
        try:
            connection.request("GET", "/")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise MouseliftError(f"{self.host}:{self.port}: the viewer does not answer ({error})") from None
        finally:
            connection.close()
        if status != http.HTTPStatus.FORBIDDEN:
            raise MouseliftError(
                f"the viewer let a request without the token pass (status {status}); this release of viser cannot be "
                "guarded. Install another: pip install 'viser==1.1.1'"
            )


# The address is a secret: no page that is followed from here learns it, and no page shows this one in a frame.
_HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def check_host(host: str) -> None:
    """MouseliftError for an empty host, which would mean every network that this machine is in."""
    if not host.strip() or any(letter.isspace() or not letter.isprintable() for letter in host):
        raise MouseliftError(
            f"--host {host!r}: expected an address. 127.0.0.1 (the default): only this machine; 0.0.0.0: every network "
            "that this machine is in"
        )


def as_browsers_write(host: str) -> str:
    """`host` as it stands in the Host of a browser that opens it: 127.1 and 2130706433 are 127.0.0.1, names are small.

    An IPv6 address that stands for an IPv4 one (::ffff:127.0.0.1) is that one: no server listens on the former.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return socket.inet_ntoa(socket.inet_aton(host))
        except (OSError, ValueError):
            return host.lower()
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens on `host`."""
    return host == "localhost" or (_is_number(host) and ipaddress.ip_address(host).is_loopback)


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
