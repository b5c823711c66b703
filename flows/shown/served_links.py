"""Where the farm's server shows a store's files, for what a run leaves in the UI."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from prefect.settings import get_current_settings

from flows.serving.served_stores import PREFIX
from flows.shown.markdown import link
from wan_render.store import PAGE

SECONDS = 5.0
"""So long a server takes at most to answer."""


@dataclass(frozen=True)
class ServedLinks:
    """root: the store; address: where it is served, `/outputs/…/`; "" where it is not, as by a server that is no
    farm's, or that does not reach this folder."""

    root: Path
    address: str = ""

    def to(self, file: Path) -> str:
        """The address of a file of the store; "" where it has none. It has no space, bracket or quote."""
        try:
            below = file.absolute().relative_to(self.root.absolute())
        except ValueError:
            return ""
        return f"{self.address}{quote(os.fsencode(below))}" if self.address and file.is_file() else ""

    @property
    def index(self) -> str:
        """The address of the page that lists the store's films; "" where there is none."""
        return self.to(self.root / PAGE)

    def link(self, text: str, file: Path) -> str:
        """A link to a file, and its path to copy; the path alone where it is not served: from a page of the UI no
        browser opens a `file:` address."""
        return link(text, file, self.to(file))

    def picture(self, file: Path | None, width: int | None = None) -> str:
        """A picture in Markdown; "" where it is not served. width: in pixels; its own where it is not set."""
        address = "" if file is None else self.to(file)
        if not address:
            return ""
        return f"![]({address})" if width is None else f'<img src="{address}" alt="" width="{width}">'


def served_links(store: Path) -> ServedLinks:
    """Ask the server to serve a store."""
    api = get_current_settings().api
    password = None if api.auth_string is None else api.auth_string.get_secret_value()
    if not api.url or not password:
        return ServedLinks(store)
    name, _, secret = password.partition(":")
    try:
        answer = httpx.post(
            f"{api.url.removesuffix('/api')}{PREFIX}",
            json={"folder": str(store.absolute())},
            auth=(name, secret),
            timeout=SECONDS,
        )
        return ServedLinks(store, str(answer.raise_for_status().json()["address"]))
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return ServedLinks(store)
