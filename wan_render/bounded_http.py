"""HTTP with limits, for services that wan-render asks: bounded answers, bounded time, no redirects, only given hosts.

An answer of 400 or more, and anything that is no answer, is an HttpError. Its text never holds a header of the request,
so no key can get into a log or a traceback.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wan_render.printable import one_line

if TYPE_CHECKING:  # plans ask only whether an address is safe
    import ssl

    import httpx

MOST_ANSWER_BYTES = 4 * 2**20
"""The largest answer that is read into memory, unless the caller allows more."""

SHOWN_CHARACTERS = 300
"""How much of an answer's text an error shows."""

READ_BYTES = 16 * 2**10
"""How much of an answer is searched for keys. More than is shown: half a key would not be found at its end."""

MOST_REFUSAL_BYTES = 256 * 2**10
"""How much of a refusal is read."""

CHUNK_BYTES = 64 * 2**10

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it logs every URL, and some are as good as a key


class HttpError(Exception):
    """A request that did not succeed.

    status:    of the answer; 0 if there was none, or none that could be read.
    text:      the beginning of the answer, in one line; "" if there was none.
    fields:    the answer as a JSON object; empty if it is none.
    was_sent:  False if the service surely never saw the request: no connection was made.
    """

    def __init__(self, found: str, status: int = 0, body: bytes = b"", *, was_sent: bool = True) -> None:
        super().__init__(found, status)
        self.found, self.status, self.was_sent = found, status, was_sent
        self.text = one_line(body[:READ_BYTES].decode("utf-8", errors="replace"))[:SHOWN_CHARACTERS]
        self.fields: Mapping[str, Any] = _object(body)

    def __str__(self) -> str:
        return f"{self.found}: {self.text}" if self.text else self.found


@dataclass(frozen=True)
class HttpService:
    """A service at an address.

    base:    `https://host/api/v1`, without a slash at its end.
    seconds: the longest time of a request in all. most_bytes: the largest answer.
    is_open: whether plain http may be spoken to a host that is not this machine.
    headers: sent with each request to `base`, and with no other.
    """

    base: str
    seconds: float = 30.0
    most_bytes: int = MOST_ANSWER_BYTES
    is_open: bool = False
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if (fault := unfit_base(self.base, is_open=self.is_open)) is not None:
            raise ValueError(fault)

    def get_json(self, path: str) -> Any:
        """The JSON value at a path. Raises HttpError."""
        return _json(self._asked("GET", path))

    def post_json(self, path: str, body: Any, headers: Mapping[str, str] | None = None) -> Any:
        """The JSON value that answers a JSON body; None for an empty answer. Raises HttpError."""
        return _json(self._asked("POST", path, json=body, headers=dict(headers or {})))

    def post_multipart(self, path: str, fields: Mapping[str, str], files: Mapping[str, tuple[str, bytes, str]]) -> Any:
        """The JSON value that answers a form. files: field → name, bytes and media type. Raises HttpError."""
        return _json(self._asked("POST", path, data=dict(fields), files=dict(files)))

    def get_bytes(self, path: str, parameters: Mapping[str, str] | None = None) -> bytes:
        """The bytes at a path. Raises HttpError."""
        return self._asked("GET", path, params=dict(parameters or {}))

    def _asked(self, method: str, path: str, headers: Mapping[str, str] | None = None, **content: Any) -> bytes:
        all_headers = {**self.headers, **(headers or {})}
        with _answer(method, self.base + path, self.seconds, headers=all_headers, **content) as answer:
            return b"".join(_bounded(answer, self.most_bytes, self.seconds))


def fetch_file(url: str, file: Path, most_bytes: int, seconds: float = 600.0) -> None:
    """Write what is at an address to a file, without any header of ours. `allowed_host` says whether to trust it.

    Raises HttpError; also for an answer that ends too early. Raises OSError.
    """
    with _answer("GET", url, seconds) as answer, file.open("wb") as out:
        for chunk in _bounded(answer, most_bytes, seconds):
            out.write(chunk)


def unsafe(url: str, *, is_open: bool = False) -> str | None:
    """Why an address may not be asked, in words: it is not https, unless it is on this machine. None if it may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        return "is no address of the form https://HOST/PATH"
    if parts.scheme == "http" and not is_open and not _is_here(host):
        return "is not https"
    return None


def unfit_base(url: str, *, is_open: bool = False) -> str | None:
    """Why an address cannot be that of a service, in words; None if it can. It is shown and kept in records, and paths
    are put after it, so it ends before a query, which might be a key."""
    if (fault := unsafe(url, is_open=is_open)) is not None:
        return fault
    return "has a `?` or `#`, and more than an address" if {"?", "#"} & set(url) else None


def allowed_host(url: str, hosts: tuple[str, ...]) -> bool:
    """Whether an address is safe and its host is one of these, or below one: `aliyuncs.com` allows its sub-domains. A
    host with a port (`127.0.0.1:8000`) allows that port alone."""
    if unsafe(url) is not None:
        return False
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port
    for each in hosts:
        name, _, its_port = each.lower().partition(":")
        is_port = str(port or "") == its_port if its_port else port in (None, 443)
        if is_port and (host == name or (host.endswith(f".{name}") and not _is_address(host))):
            return True
    return False


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_here(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


@contextmanager
def _answer(method: str, url: str, seconds: float, **content: Any) -> Iterator[httpx.Response]:
    """A successful answer, whose body is not read yet."""
    import httpx

    is_proxied = not _is_here(urlsplit(url).hostname or "")
    limits = httpx.Timeout(min(seconds, 60.0), connect=min(seconds, 20.0))
    headers = {"Accept-Encoding": "identity", **content.pop("headers", {})}
    try:
        with (
            httpx.Client(timeout=limits, follow_redirects=False, trust_env=is_proxied, verify=_trusted()) as client,
            client.stream(method, url, headers=headers, **content) as answer,
        ):
            _require_success(answer, seconds)
            yield answer
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise HttpError(f"no connection: {_words(error)}", was_sent=False) from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise HttpError(f"no whole answer: {_words(error)}") from None


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that are trusted, read once."""
    import httpx

    return httpx.create_ssl_context()


def _require_success(answer: httpx.Response, seconds: float) -> None:
    if answer.is_success:
        return
    if answer.is_redirect:
        host = urlsplit(answer.headers.get("location", "")).hostname or "elsewhere"
        raise HttpError(f"redirects to {one_line(host)}, which is not followed", answer.status_code)
    body = b""
    for chunk in _bounded(answer, MOST_ANSWER_BYTES, seconds):
        body += chunk
        if len(body) > MOST_REFUSAL_BYTES:
            break
    raise HttpError(f"answers {answer.status_code}", answer.status_code, body)


def _bounded(answer: httpx.Response, most_bytes: int, seconds: float) -> Iterator[bytes]:
    """The body in pieces. Raises HttpError if it is too large, comes too slowly, or is compressed."""
    status = answer.status_code
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise HttpError("the answer is compressed, and nobody asked for that", status)
    count, end = 0, time.monotonic() + seconds
    for chunk in answer.iter_raw(CHUNK_BYTES):
        count += len(chunk)
        if count > most_bytes:
            raise HttpError(f"the answer is larger than {most_bytes:,} bytes", status)
        if time.monotonic() > end:
            raise HttpError(f"the answer took longer than {seconds:g} s", status)
        yield chunk


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body.strip() else None
    except (ValueError, RecursionError):
        raise HttpError("the answer is not JSON", 200, body) from None


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _words(error: Exception) -> str:
    text = one_line(str(error))[:SHOWN_CHARACTERS]
    return f"{type(error).__name__} ({text})" if text else type(error).__name__
