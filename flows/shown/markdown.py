"""Foreign text in the Markdown of artifacts: prompts, reasons, names and paths as they are; nothing of it is obeyed."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from wan_render.printable import one_line

_MEANING = re.compile(r"[\\`*_\[\]|~!$]|^[#+=-]")
_NUMBER = re.compile(r"^(\d{1,9})(?=[.)])")
"""What means something within a line, and what would make one a heading, a list or a rule. (CommonMark, GFM)"""

_ADDRESS = re.compile(r"(?i)(?<=https:)(?=//)|(?<=http:)(?=//)|(?<=ftp:)(?=//)|(?<=\bwww)(?=\.)|(?=@)")
"""Where what a renderer takes for an address, escaped or not, is parted by a word joiner, which nobody sees."""

_ARMED = re.compile(r"<|&|\](?=[(\[:])|^(?=[#+=>-]|\d{1,9}[.)])")
"""What begins a tag, an entity, a heading or a list, and what a link and a picture cannot be without."""


def plain(foreign: str) -> str:
    """One line of text that makes no link, picture, column, emphasis, HTML or address, wherever in a line it stands.

    Blanks of every kind become single spaces.
    """
    parted = _ADDRESS.sub("\u2060", one_line(" ".join(foreign.split())))
    return escape(_NUMBER.sub(r"\1\\", _MEANING.sub(r"\\\g<0>", parted)), quote=False)


def link(text: str, file: Path, address: str) -> str:
    """A text that leads to a file's address, and the file's whole path to copy; without a link where it has no address.
    `address`: without spaces, brackets and quotes."""
    shown = f"[{plain(text)}]({address})" if address else plain(text)
    return f"{shown}: {plain(str(file.absolute()))}"


def disarmed(foreign: str) -> str:
    """One line for a cell of a table artifact. Prefect's older UI takes it for Markdown and HTML, the newer one for
    text: so word joiners part what would be a picture, a link or a tag, and nothing is added that could be seen."""
    parted = _ADDRESS.sub("\u2060", one_line(" ".join(foreign.split())))
    return _ARMED.sub("\\g<0>\u2060", parted)
