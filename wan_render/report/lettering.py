"""Text on a picture: one font for Han, kana, Hangul, Latin, Greek and Cyrillic, broken into lines that fit."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import lru_cache

import noto_cjk_sans_otc
from PIL import ImageFont

_SIMPLIFIED_CHINESE = 2
"""The face's place in the collection: the first would draw Han characters the Japanese way."""

_CJK = r"\u2e80-\u9fff\uac00-\ud7a3\uf900-\ufaff\uff00-\uffef"
_CLOSING = "、。，．！？：；）」』】》〉”’…"
_PIECE = re.compile(rf"\s+|[{_CJK}][{_CLOSING}]*|[^\s{_CJK}]+[{_CLOSING}]*")
"""A line may break at white space and after any CJK character, but closing punctuation never begins one."""

_ELLIPSIS = "…"


@lru_cache
def font(pixels: int) -> ImageFont.FreeTypeFont:
    """Noto Sans CJK at a size in pixels."""
    return ImageFont.truetype(str(noto_cjk_sans_otc.FONT_PATH), pixels, index=_SIMPLIFIED_CHINESE)


def fit_line(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """The text on one line, cut with an ellipsis where it is longer than `width` pixels."""
    line = " ".join(text.split())
    if face.getlength(line) <= width:
        return line
    fitting = bisect_right(range(len(line)), width, key=lambda count: face.getlength(line[:count] + _ELLIPSIS)) - 1
    return line[: max(fitting, 0)].rstrip() + _ELLIPSIS


def wrap(text: str, face: ImageFont.FreeTypeFont, width: float, lines: int) -> tuple[str, ...]:
    """At most `lines` lines of at most `width` pixels; what does not fit ends in an ellipsis."""
    done: list[str] = []
    rest = " ".join(text.split())
    while rest and len(done) < lines - 1:
        head = _head(rest, face, width)
        if not head:
            break
        done.append(head.rstrip())
        rest = rest[len(head) :]
    return (*done, fit_line(rest, face, width)) if rest else tuple(done)


def _head(text: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    """As many whole pieces of the text as fit one line; "" where not even the first does."""
    head = ""
    for piece in _PIECE.finditer(text):
        if face.getlength((head + piece[0]).rstrip()) > width:
            break
        head += piece[0]
    return head
