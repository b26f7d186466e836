"""Serve the browser of files to web browsers on this machine: loopback only, for one user, with textual-serve.

A node has other users, and they can connect to its loopback too. So the address holds a code that works once. It gives
a cookie to the web browser, and every other request needs that cookie. All pages lie below a secret directory, which
the cookie is bound to: web browsers send the cookies of 127.0.0.1 to every port, thus also to servers of other users,
but none of these knows the directory. A request with another `Host` (DNS rebinding) or a foreign `Origin` is refused.
"""

from __future__ import annotations

import hmac
import html
import secrets
import shlex
import socket
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import urlsplit

from aiohttp import web
from textual_serve.server import Server

from ctadata.errors import LocalError

HOST = "127.0.0.1"
COOKIE = "ctadata-browse"
LOOPBACK = ("127.0.0.1", "localhost")
"""The names of this machine that a request may use; the port may be that of an ssh tunnel."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
"""Sent with every answer. The page of textual-serve asks Google for a font; the policy forbids that request."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class BrowserServer(Server):  # type: ignore[misc, unused-ignore]
    """The server of textual-serve, below a secret directory, for the first web browser at the address."""

    def __init__(self, words: Sequence[str], port: int) -> None:
        """Prepare the secrets.

        Args:
            words: The command that each page runs.
            port: The port that the address names.
        """
        super().__init__(shlex.join(words), host=HOST, port=port, title="cta-data-direct browse")
        self._code: str | None = secrets.token_urlsafe(24)
        self._key, self._directory = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        self.address = f"http://{HOST}:{port}/?code={self._code}"

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: the caller shows the address."""

    async def make_application(self) -> web.Application:
        """Return the application: the door at `/`, and the pages below the secret directory."""
        root = web.Application(middlewares=[self._guard])
        root.router.add_get("/", self._open)
        root.add_subapp(f"/{self._directory}", await self._make_app())
        root.on_response_prepare.append(_add_headers)
        return root

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests for another host, from another origin, or without the cookie."""
        if not _is_loopback(request.host):
            raise web.HTTPMisdirectedRequest(text="this server answers to 127.0.0.1 and localhost only")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            raise web.HTTPForbidden(text="the request comes from another page")
        if request.path != "/" and not hmac.compare_digest(
            request.cookies.get(COOKIE, "").encode(), self._key.encode()
        ):
            raise web.HTTPForbidden(text="open the address that cta-data-direct browse --web has printed")
        return await handler(request)

    async def _open(self, request: web.Request) -> web.StreamResponse:
        """Exchange the code for the cookie, once."""
        code, given = self._code, request.query.get("code", "")
        if code is None or not hmac.compare_digest(given.encode(), code.encode()):
            what = "this address was opened already" if code is None else "the code is missing or wrong"
            raise web.HTTPForbidden(text=f"{what}: start cta-data-direct browse --web again")
        self._code = None
        place = f"/{self._directory}/"
        # a page and no redirect: after a click in another site's page, a redirect would not send a strict cookie
        page = f'<!DOCTYPE html><meta http-equiv="refresh" content="0;url={html.escape(place)}">'
        response = web.Response(text=page, content_type="text/html")
        response.set_cookie(COOKIE, self._key, path=place, httponly=True, samesite="Strict")
        return response

    async def handle_index(self, request: web.Request) -> web.StreamResponse:
        """Return the page, with addresses of the host that the web browser has used."""
        self.public_url = f"http://{request.host}"
        response: web.StreamResponse = await super().handle_index(request)
        return response


def _is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in LOOPBACK
    except ValueError:
        return False


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def serve(words: Sequence[str], port: int, show: Callable[[str], object]) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        words: The command that each page runs.
        port: The port on loopback; 0: a free one.
        show: Receives the address when the server listens.

    Raises:
        LocalError: The port is taken, or needs more rights.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
        except OSError as error:
            raise LocalError(f"local: the port {port} cannot be used: {error.strerror}") from None
        listener.listen()
        server = BrowserServer(words, listener.getsockname()[1])

        def started(*_: object) -> None:
            show(server.address)

        application = server.make_application()
        web.run_app(application, sock=listener, access_log=None, shutdown_timeout=5, print=started)
