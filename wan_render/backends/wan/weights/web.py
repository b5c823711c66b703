"""Reading over HTTP: from a given byte on, with proxies as the environment says, and words for what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from ssl import SSLError
from typing import Any, Protocol
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from wan_render import __version__
from wan_render.errors import MachineError, Problem, WanRenderError

TIMEOUT_SECONDS = 15
"""Without a byte for so long a connection counts as lost; what was read is kept."""

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same question may be answered a little later."""

ABSENT = frozenset({401, 404})
"""No such repository, revision or file; Hugging Face answers 401 for a repository that is not there."""


class Response(Protocol):
    """Bytes as they come."""

    @property
    def status(self) -> int:
        """200, or 206 where only a part was asked for and given."""
        ...

    @property
    def headers(self) -> Any:
        """By name, in any case."""
        ...

    def read(self, amount: int) -> bytes:
        """So many bytes, or all that are left."""
        ...

    def read1(self, amount: int) -> bytes:
        """At most so many bytes, as soon as there are some; none at the end."""
        ...


class LostConnectionError(MachineError):
    """The network or the hub failed; another attempt may go on."""

    worth_retrying = True


class AbsentError(MachineError):
    """The hub says that there is no such thing."""


@dataclass(frozen=True)
class Site:
    """A hub's address, and the token that a private mirror may ask for; it is sent to no other host."""

    title: str
    endpoint: str
    token: str = ""

    @contextmanager
    def open(self, url: str, start: int = 0) -> Iterator[Response]:
        """The bytes at `url` from `start` on.

        Raises LostConnectionError, AbsentError, MachineError, also for what fails while the caller reads.
        """
        with self._meaning(url), urlopen(self._request(url, start), timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
            yield response

    def json(self, url: str) -> tuple[Any, str]:
        """A JSON value, and the address of the next page or "". Raises as `open` does."""
        with self.open(url) as response:
            text = response.read(MOST_JSON_BYTES)
            following = _next_page(response.headers.get("Link") or "")
        try:
            return json.loads(text), following
        except ValueError:
            raise MachineError(
                Problem(self.title, f"answered no JSON at {url}", remedy="is a proxy or a login page in between?")
            ) from None

    def _request(self, url: str, start: int) -> Request:
        if not url.startswith(("https://", "http://")):
            raise MachineError(Problem(self.title, f"its address is {url!r:.80}", "expected https://…"))
        request = Request(url, headers={"User-Agent": f"wan-render/{__version__}", "Accept-Encoding": "identity"})  # noqa: S310
        if start:
            request.add_header("Range", f"bytes={start}-")
        if self.token and url.startswith(f"{self.endpoint}/"):
            request.add_unredirected_header("Authorization", f"Bearer {self.token}")
        return request

    @contextmanager
    def _meaning(self, url: str) -> Iterator[None]:
        try:
            yield
        except WanRenderError:
            raise
        except HTTPError as fault:
            fault.close()
            raise self._refused(url, fault) from None
        except URLError as fault:
            raise self._lost(f"cannot be reached: {fault.reason}") from None
        except (TimeoutError, ConnectionError, SSLError, HTTPException) as fault:
            raise self._lost(f"the connection was lost ({fault or type(fault).__name__})") from None

    def _refused(self, url: str, fault: HTTPError) -> MachineError:
        said = f"answered {fault.code} {fault.reason} at {url}"
        if fault.code in ABSENT:
            return AbsentError(Problem(self.title, said))
        if fault.code in PASSING:
            return LostConnectionError(Problem(self.title, said, remedy="try again later"))
        return MachineError(Problem(self.title, said, remedy="does it want a token, or has it moved?"))

    def _lost(self, found: str) -> LostConnectionError:
        remedy = "check the network and proxies (HTTPS_PROXY), or name a mirror (HF_ENDPOINT) or another --source"
        return LostConnectionError(Problem(f"{self.title} ({self.endpoint})", found, remedy=remedy))


MOST_JSON_BYTES = 50_000_000
"""A repository's listing has some kilobytes; more is a mistake, and is cut, so that it does not parse."""


def _next_page(links: str) -> str:
    """The address in `<…>; rel="next"` of an HTTP Link header (RFC 8288)."""
    for link in links.split(","):
        address, _, parameters = link.strip().partition(">")
        if address.startswith("<") and 'rel="next"' in parameters:
            return address[1:]
    return ""
