"""Who may speak to a farm's server: nobody by another name than its own, no page but its own UI.

The password alone does not stop a page that made its own name mean this machine (DNS rebinding). Prefect checks neither
names nor origins; this stands before all of it, WebSockets included. It also tells the browser that the UI has no
business elsewhere: Prefect's UI asks a server for statistics, and what is shown in it could name pictures to load.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NAMES = ("127.0.0.1", "localhost", "[::1]")
"""By what names a browser calls this machine itself."""

HTTP_PORT = 80
"""The port that a browser leaves out of an address."""

MANUALS = ("/docs", "/redoc", "/openapi.json")
"""FastAPI's own pages beside the UI. They need no password and load their programs from a server elsewhere."""

POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' {servers}; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
"""A Content-Security-Policy as narrow as Prefect's UI works with; the UI asks the API at one name, whatever its own."""


def origins(port: int, known_as: Sequence[str] = ()) -> tuple[str, ...]:
    """Where the UI of a server on this port is opened. known_as: its further names."""
    return tuple(f"http://{host}" for host in _hosts(port, known_as))


class Gate:
    """An ASGI application before another one. `port`: the server's own. `known_as`: its names on other machines."""

    def __init__(self, server: ASGIApp, port: int, known_as: Sequence[str] = ()) -> None:
        self._server = server
        hosts = _hosts(port, known_as)
        self._hosts, self._origins = frozenset(hosts), frozenset(origins(port, known_as))
        servers = [f"{scheme}://{host}" for host in hosts if "[" not in host for scheme in ("http", "ws")]
        self._policy = POLICY.format(servers=" ".join(servers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it with what is wrong: 421, 403 or 404."""

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).setdefault("Content-Security-Policy", self._policy)
            await send(message)

        if scope["type"] in {"http", "websocket"} and (refusal := self._refusal(scope)) is not None:
            await refusal(scope, receive, send)
        else:
            await self._server(scope, receive, answer)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        asked = [host.lower() for host in headers.getlist("host")]
        if len(asked) != 1 or asked[0] not in self._hosts:
            return PlainTextResponse("this server has another name\n", 421)
        if any(origin.lower() not in self._origins for origin in headers.getlist("origin")):
            return PlainTextResponse("pages of other origins are refused\n", 403)
        if str(scope["path"]).startswith(MANUALS):
            return PlainTextResponse("not served by a farm\n", 404)
        return None


def _hosts(port: int, known_as: Sequence[str]) -> tuple[str, ...]:
    names = (*NAMES, *(name.lower() for name in known_as))
    return tuple(host if port == HTTP_PORT else f"{host}:{port}" for host in names)
