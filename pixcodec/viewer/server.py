"""The page of the viewer, served to the browser of this machine until that leaves."""

from __future__ import annotations

import secrets
import select
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pixcodec.viewer.page import served_page
from pixcodec.viewer.site import NOT_FOUND, OK, Answer, Site

ADDRESS = "127.0.0.1"
_TOKEN_BYTES = 16
_FORBIDDEN, _NO_METHOD = 403, 405
_ALIVE = "alive"  # a request that the page keeps open as long as it is there
_PATIENCE_SECONDS = 5.0  # without a page before the server ends: a page that is loaded anew comes back
_POLL_SECONDS = 0.2
_SLOWEST_SECONDS = 30.0  # that a request may take to arrive
_HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; img-src 'self' data:; connect-src 'self' data:; "
    "style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Server:
    """Serves a page on this machine alone, below an address that cannot be guessed.

    Parameters
    ----------
    name : str
        Of the file.
    site : Site
    """

    def __init__(self, name: str, site: Site) -> None:
        self._server = _HTTPServer((ADDRESS, 0), _Handler)
        self._server.token = secrets.token_urlsafe(_TOKEN_BYTES)
        self._server.page = served_page(name, site).encode()
        self._server.site = site
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL_SECONDS,), daemon=True)

    @property
    def url(self) -> str:
        """The address of the page."""
        return f"http://{ADDRESS}:{self._server.server_port}/{self._server.token}/"

    def __enter__(self) -> Server:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def wait(self, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until a page was there and has been away for so long."""
        while not self._server.pages.left(patience_seconds):
            time.sleep(_POLL_SECONDS)


class _Pages:
    """Counts the pages that are open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open = 0
        self._last: float | None = None  # when the last one left

    def come(self) -> None:
        with self._lock:
            self._open, self._last = self._open + 1, None

    def leave(self) -> None:
        with self._lock:
            self._open -= 1
            if not self._open:
                self._last = time.monotonic()

    def left(self, seconds: float) -> bool:
        with self._lock:
            return self._last is not None and time.monotonic() - self._last >= seconds


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    token: str
    page: bytes
    site: Site

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self.pages = _Pages()
        self.hosts = {f"{host}:{self.server_port}" for host in (ADDRESS, "localhost")}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that break: the page asks again for what it needs."""


class _Handler(BaseHTTPRequestHandler):
    server: _HTTPServer
    server_version, sys_version = "pixcodec", ""
    protocol_version = "HTTP/1.1"
    timeout = _SLOWEST_SECONDS

    def do_GET(self) -> None:
        # Another page whose name was made to point to this machine sends its own name (DNS rebinding).
        if self.headers.get_all("Host") not in [[host] for host in self.server.hosts]:
            self._send(Answer(_FORBIDDEN, "text/plain", b"wrong host\n"))
            return
        _, token, key = (*self.path.split("/", 2), "", "")[:3]
        below = self.path == f"/{token}/{key}"
        if not below or not secrets.compare_digest(token.encode(), self.server.token.encode()):
            self._send(Answer(NOT_FOUND, "text/plain", b"nothing here\n"))
        elif key == _ALIVE:
            self._stay()
        elif not key:
            self._send(Answer(OK, "text/html; charset=utf-8", self.server.page))
        else:
            self._send(self.server.site.get(key))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no request to get something."""
        self.close_connection = True
        self._send(Answer(_NO_METHOD if code == 501 else code, "text/plain", b"refused\n"))

    def log_message(self, *arguments: Any) -> None:
        """Print nothing."""

    def _send(self, answer: Answer) -> None:
        self._head(answer.status, answer.kind)
        self.send_header("Content-Length", str(len(answer.data)))
        self.end_headers()
        self.wfile.write(answer.data)

    def _head(self, status: int, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        for name, value in _HEADERS.items():
            if name != "Cache-Control":
                self.send_header(name, value)
        cached = status == OK and not kind.startswith(("text/", "application/json"))
        self.send_header("Cache-Control", _HEADERS["Cache-Control"] if cached else "no-store")

    def _stay(self) -> None:
        """Keep the request open until the page leaves."""
        self.close_connection = True
        self._head(OK, "text/event-stream")
        self.end_headers()
        self.server.pages.come()
        try:
            while not _has_left(self.connection):
                pass
        finally:
            self.server.pages.leave()


def _has_left(connection: socket.socket) -> bool:
    """Wait a little; return whether the other end has closed the connection."""
    readable, _, _ = select.select([connection], [], [], _POLL_SECONDS)
    return bool(readable) and not connection.recv(1)
