"""A farm's outputs, read-only, at the address of its UI, for who has logged in there.

Browsers ask for pictures and films without the header that carries the password. So a request of the UI that has the
right header is answered with a cookie, and that cookie, or the header, opens the files.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import AsyncIterator
from functools import cache
from importlib.resources import files
from urllib.parse import unquote_to_bytes

from anyio import to_thread
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from flows.serving.byte_range import RangeError, asked_bytes
from flows.serving.served_files import ServedFile, open_served
from flows.serving.served_stores import PREFIX, ServedStores
from wan_render.errors import UsageError
from wan_render.report import page_script

COOKIE = "wan-render-outputs"

READING = ("GET", "HEAD")
LARGEST_REQUEST = 16_384
"""Bytes of a request to serve a store: a path has at most 4096."""

CHUNK = 262_144
"""Bytes that are read at a time."""

_NOTHING = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_SHOWN = f"{_NOTHING}; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; font-src data:"
_PAGE = f"{_SHOWN}; script-src 'sha256-{{script}}'"
_SIGN_IN = f"{_NOTHING}; style-src 'unsafe-inline'; script-src 'sha256-{{script}}'; connect-src 'self'"
"""What a browser lets a file do. The UI keeps the password where every script of this origin can read it: no page of a
film runs any but ours, whatever is written in it. `sandbox` is for no page: its pictures would be asked for without the
cookie. `_SHOWN` is for what a browser wraps in a page of its own, as it does with pictures and films."""

_SAME = ("same-origin", "none")
"""What `Sec-Fetch-Site` says of requests of the UI, of served pages, and of an address that somebody typed."""


class OutputsServer:
    """An ASGI application before Prefect's, behind the gate. `password`: what the API asks for."""

    def __init__(self, server: ASGIApp, password: str, stores: ServedStores) -> None:
        self._server, self._stores = server, stores
        self._header = f"Basic {base64.b64encode(password.encode()).decode()}".encode()
        self._session = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what is about outputs, and pass on the rest."""
        if scope["type"] != "http":
            await self._server(scope, receive, send)
            return
        request = Request(scope, receive)
        if scope["path"] == PREFIX or scope["path"].startswith(f"{PREFIX}/"):
            answer = await self._answer(request)
            answer.headers.update(_EVERY)
            await answer(scope, receive, send)
        elif request.headers.get("sec-fetch-site") == "same-origin" and self._has_password(request):
            await self._server(scope, receive, self._with_cookie(send))
        else:
            await self._server(scope, receive, send)

    def _with_cookie(self, send: Send) -> Send:
        cookie = f"{COOKIE}={self._session}; HttpOnly; SameSite=Strict; Path={self._stores.path}"

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).append("Set-Cookie", cookie)
            await send(message)

        return answer

    async def _answer(self, request: Request) -> Response:
        if request.headers.get("sec-fetch-site", "none") not in _SAME:
            return _refusal("pages of other origins are refused", 403)
        if request.scope["path"] == PREFIX:
            return await self._added(request)
        if request.method not in READING:
            return _refusal("is only read", 405, Allow=", ".join(READING))
        names = _names(request)
        if names is None or not hmac.compare_digest(f"{PREFIX}/{names[0]}/".encode(), self._stores.path.encode()):
            return _refusal("no such file", 404)
        if not (self._has_session(request) or self._has_password(request)):
            return _sign_in()
        _, store, *path = *names, ""
        folder = self._stores.folder(store)
        found = None if folder is None else await to_thread.run_sync(open_served, folder, path[:-1])
        return _refusal("no such file", 404) if found is None else _sent(request, found)

    async def _added(self, request: Request) -> Response:
        """Serve another store: who has the password says which."""
        if request.method != "POST":
            return _refusal("lists nothing", 405, Allow="POST")
        if not self._has_password(request):
            return _refusal("the farm's password is wanted", 401)
        try:
            folder = json.loads(await _body(request))["folder"]
            return JSONResponse({"address": await to_thread.run_sync(self._stores.add, str(folder))})
        except UsageError as error:
            return _refusal(str(error), 404)
        except (ValueError, KeyError, TypeError):
            return _refusal('{"folder": "/path/of/a/store"} is wanted', 400)

    def _has_password(self, request: Request) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(errors="replace"), self._header)

    def _has_session(self, request: Request) -> bool:
        """Another port's page may have set cookies of the same name, so each is looked at."""
        pairs = (pair.strip().partition("=") for pair in request.headers.get("cookie", "").split(";"))
        sessions = (value.encode(errors="replace") for name, _, value in pairs if name == COOKIE)
        return any(hmac.compare_digest(value, self._session.encode()) for value in sessions)


_EVERY = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Headers of every answer. A browser may keep a file, and asks each time whether it is still the same."""


class _FileResponse(StreamingResponse):
    """A part of a file, closed whatever becomes of the answer."""

    def __init__(self, file: ServedFile, part: range, status: int, headers: dict[str, str]) -> None:
        super().__init__(_chunks(file.descriptor, part), status, headers)
        self._file = file

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            os.close(self._file.descriptor)


async def _chunks(descriptor: int, part: range) -> AsyncIterator[bytes]:
    at = part.start
    while at < part.stop:
        chunk = await to_thread.run_sync(os.pread, descriptor, min(CHUNK, part.stop - at), at)
        if not chunk:
            raise OSError("the file became shorter while it was sent")
        yield chunk
        at += len(chunk)


def _sent(request: Request, file: ServedFile) -> Response:
    """The file, or the part that is asked for; it is closed when it was sent, or here."""
    whole = range(file.size)
    headers = {
        "Content-Type": file.content_type,
        "Content-Security-Policy": _policy(file),
        "Accept-Ranges": "bytes",
        "ETag": file.tag,
    }
    answer: Response | None = None
    part = None
    if file.tag in re.split(r",\s*", request.headers.get("if-none-match", "")):
        answer = Response(None, 304, headers)
    elif request.headers.get("if-range", file.tag) == file.tag:
        try:
            part = asked_bytes(request.headers.get("range"), file.size)
        except RangeError:
            answer = _refusal("no such part", 416, **{"Content-Range": f"bytes */{file.size}"})
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{file.size}"
    headers["Content-Length"] = str(len(whole if part is None else part))
    status = 200 if part is None else 206
    if answer is None and request.method == "HEAD":
        answer = Response(None, status, headers)
    if answer is not None:
        os.close(file.descriptor)
        return answer
    return _FileResponse(file, whole if part is None else part, status, headers)


def _policy(file: ServedFile) -> str:
    if file.is_page:
        return _PAGE.format(script=_digest(page_script()))
    if file.content_type.startswith(("image/", "video/")):
        return _SHOWN
    return f"{_NOTHING}; sandbox"


def _names(request: Request) -> list[str] | None:
    """The parts of an address after the prefix; None where one of them has a separator or a NUL in it, however it is
    written, or is no UTF-8."""
    raw = request.scope.get("raw_path") or request.scope["path"].encode()
    parts = [unquote_to_bytes(part) for part in raw.removeprefix(f"{PREFIX}/".encode()).split(b"/")]
    if any(sign in part for part in parts for sign in (b"/", b"\\", b"\0")):
        return None
    try:
        return [part.decode() for part in parts]
    except UnicodeDecodeError:
        return None


async def _body(request: Request) -> bytes:
    """Raises ValueError where it is too large."""
    found = b""
    async for chunk in request.stream():
        found += chunk
        if len(found) > LARGEST_REQUEST:
            raise ValueError("too large")
    return found


def _refusal(why: str, status: int, **headers: str) -> PlainTextResponse:
    return PlainTextResponse(f"{why}\n", status, {"Content-Security-Policy": f"{_NOTHING}; sandbox", **headers})


def _sign_in() -> HTMLResponse:
    page = _sign_in_page()
    script = page.partition("<script>")[2].partition("</script>")[0]
    return HTMLResponse(page, 401, {"Content-Security-Policy": _SIGN_IN.format(script=_digest(script))})


@cache
def _sign_in_page() -> str:
    return files("flows.serving").joinpath("sign_in.html").read_text(encoding="utf-8")


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
