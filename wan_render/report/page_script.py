"""The script of review pages: the only one that they run, whoever shows them."""

from __future__ import annotations

from functools import cache
from pathlib import Path


@cache
def page_script() -> str:
    """As it stands between the tags of every page."""
    return Path(__file__).with_name("page.js").read_text(encoding="utf-8")
