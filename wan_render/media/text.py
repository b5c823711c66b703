"""The font of burned-in text: missing glyphs, line widths, line breaks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.errors import MachineError, Problem

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

FAMILY = "Noto Sans CJK SC"
"""The shapes of Han characters differ between countries. These are the simplified Chinese ones."""

MEASURE = 1000
"""Size in pixels at which characters are measured."""

ABSENT = "\U0010ffff"
"""A character that no font has: it is drawn as the box for a missing glyph."""

NOT_AT_START = frozenset("，。、；：？！）》」』】〕〉’”…·～％,.;:?!)]}%")
NOT_AT_END = frozenset("（《「『【〔〈‘“([{")

SHRINK = 0.92
"""Text that does not fit is shrunk by this factor until it does."""


@dataclass(frozen=True)
class TextBlock:
    """Text broken into lines. em: font size in pixels."""

    lines: tuple[str, ...]
    em: float


def font_file() -> Path:
    """The font file: a collection that contains FAMILY."""
    import noto_cjk_sans_otc

    return Path(str(noto_cjk_sans_otc.FONT_PATH))


@cache
def font(size: int) -> FreeTypeFont:
    """FAMILY at a size in pixels, for measuring and for pictures. Raises MachineError if it is missing."""
    from PIL import ImageFont

    # No shaping: it would put a mark without a base on a dotted circle, and hide that its glyph is missing.
    index, basic = 0, ImageFont.Layout.BASIC
    try:
        while (face := ImageFont.truetype(font_file(), size, index=index, layout_engine=basic)).getname()[0] != FAMILY:
            index += 1
    except OSError as error:
        raise MachineError(
            Problem(str(font_file()), f"has no font named {FAMILY}", "", "reinstall noto-cjk-sans-otc")
        ) from error
    return face


def missing_glyphs(text: str) -> tuple[str, ...]:
    """The characters of a text that the font has no glyph for, each once, in order. They would be drawn as boxes."""
    return tuple(character for character in dict.fromkeys(text) if not _drawable(character))


@lru_cache(maxsize=8192)
def _drawable(character: str) -> bool:
    """Whether a glyph exists for the character or, as libass does it, for its letter and its marks."""
    parts = unicodedata.normalize("NFD", character)
    return (
        _invisible(character)
        or _mask(character) != _mask(ABSENT)
        or (parts != character and all(map(_drawable, parts)))
    )


def _invisible(character: str) -> bool:
    """Whether it is a space, line end, joiner or variation selector, which have no glyph of their own."""
    return unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") or "\ufe00" <= character <= "\ufe0f"


def _mask(character: str) -> bytes:
    return bytes(font(24).getmask(character))


@lru_cache(maxsize=8192)
def _advance(character: str) -> float:
    """Width of a character in em."""
    return 0.0 if _has_no_width(character) else float(font(MEASURE).getlength(character)) / MEASURE


def _has_no_width(character: str) -> bool:
    return unicodedata.combining(character) > 0 or unicodedata.category(character) in ("Cf", "Cc")


def width(text: str) -> float:
    """Width of one line in em, without kerning."""
    return sum(map(_advance, text))


@cache
def line_height() -> float:
    """Ascent plus descent of the font in em. ASS calls this the font size, not the em."""
    return sum(font(MEASURE).getmetrics()) / MEASURE


@lru_cache(maxsize=1024)
def fitted(text: str, *, wide: float, high: float, em: float, least: float) -> TextBlock:
    """A text broken into lines and shrunk until it fits into `wide` x `high` pixels.

    em, least: the largest and smallest font size in pixels. Words are broken only at the smallest size. If the text
    still does not fit, it ends in an ellipsis.
    """
    size = em
    while size > least:
        lines = wrapped(text, wide / size)
        if len(lines) * line_height() * size <= high and all(width(line) * size <= wide for line in lines):
            return TextBlock(lines, size)
        size *= SHRINK
    most = wide / least
    return TextBlock(_shortened(_split(wrapped(text, most), most), high / (least * line_height()), most), least)


def wrapped(text: str, most: float) -> tuple[str, ...]:
    """Lines of at most `most` em, broken at spaces and between Han characters. A longer word gets its own line."""
    return tuple(line for paragraph in text.splitlines() or [""] for line in _wrapped_paragraph(paragraph, most))


def _wrapped_paragraph(paragraph: str, most: float) -> Iterator[str]:
    line, length = "", 0.0
    for piece in pieces(paragraph):
        if line and length + width(piece.rstrip()) > most:
            if words := line.strip():
                yield words
            line, length = "", 0.0
        line += piece
        length += width(piece)
    yield line.strip()


def pieces(paragraph: str) -> list[str]:
    """The unbreakable parts: a word with the space after it, or a Han character with its punctuation."""
    found: list[str] = []
    for character in paragraph:
        if found and _stays(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _stays(piece: str, character: str) -> bool:
    """Whether a line must not end between a piece and the next character."""
    before = piece[-1]
    if character.isspace() or character in NOT_AT_START or before in NOT_AT_END:
        return True
    return not before.isspace() and not _ideographic(before) and not _ideographic(character)


def _ideographic(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _split(lines: tuple[str, ...], most: float) -> tuple[str, ...]:
    """Lines of at most `most` em. Longer ones are broken within words."""
    return tuple(part for line in lines for part in _parts(line, most))


def _parts(line: str, most: float) -> Iterator[str]:
    part, length = "", 0.0
    for character in line:
        if part and length + _advance(character) > most:
            yield part
            part, length = "", 0.0
        part += character
        length += _advance(character)
    yield part


def _shortened(lines: tuple[str, ...], count: float, most: float) -> tuple[str, ...]:
    """The first `count` lines. If there are more, the last one ends in an ellipsis, within `most` em."""
    kept = max(1, int(count))
    if len(lines) <= kept:
        return lines
    last = lines[kept - 1][:-1]
    while last and width(f"{last}…") > most:
        last = last[:-1]
    return (*lines[: kept - 1], f"{last}…")
