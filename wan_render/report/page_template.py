"""Templates of the pages that people look at: everything that a storyboard says is escaped and printable."""

from __future__ import annotations

import base64
from functools import cache
from pathlib import Path

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from wan_render.media.webfont import subset
from wan_render.printable import printable
from wan_render.report.timecode import clock, screen_time, timecode

_LAST_COMMON = 0x2E7F
"""Every machine has fonts for Unicode's alphabets and signs up to here. East Asian characters begin after it."""


@cache
def page_template(file: Path) -> Template:
    """The template in a file."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, finalize=_shown)
    environment.filters.update(timecode=timecode, screen_time=screen_time, clock=clock)
    # The template's indentation is removed: it would be a third of a page's size.
    lines = file.read_text(encoding="utf-8").splitlines()
    return environment.from_string("\n".join(line.lstrip() for line in lines))


def with_letters(html: str) -> str:
    """The page, with a @font-face for its characters that a machine may lack a font for."""
    rare = "".join(sorted(character for character in set(html) if ord(character) > _LAST_COMMON))
    if not rare:
        return html
    font = base64.b64encode(subset(rare)).decode("ascii")
    # The first font of the page, for these characters only: as a fallback it would load after the text was laid out.
    place = f"unicode-range: U+{_LAST_COMMON + 1:X}-10FFFF"
    face = f'@font-face {{ font-family: "Letters"; {place}; src: url("data:font/otf;base64,{font}"); }}\n'
    return html.replace("</style>", f"{face}</style>", 1)


def _shown(value: object) -> object:
    """Text made printable. The page's own style and script (Markup) stay as they are."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
