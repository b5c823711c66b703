"""The font that text is burned in with: what it lacks, how wide a line is, where it breaks."""

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
"""Han characters are drawn differently in each country; these are the simplified Chinese forms."""

MEASURE = 1000
"""Size in pixels at which characters are measured."""

ABSENT = "\U0010ffff"
"""No font has this one: it is drawn as the box for a missing glyph."""

NOT_AT_START = frozenset("，。、；：？！）》」』】〕〉’”…·～％,.;:?!)]}%")
NOT_AT_END = frozenset("（《「『【〔〈‘“([{")

SHRINK = 0.92
"""Text that does not fit is tried at this much of the size before."""


@dataclass(frozen=True)
class TextBlock:
    """Text broken into lines; `em` is the size of its font in pixels."""

    lines: tuple[str, ...]
    em: float


def font_file() -> Path:
    """The font's file, a collection that holds FAMILY."""
    import noto_cjk_sans_otc

    return Path(str(noto_cjk_sans_otc.FONT_PATH))


@cache
def font(size: int) -> FreeTypeFont:
    """FAMILY at a size in pixels, for measuring and for pictures. Raises MachineError where it is not there."""
    from PIL import ImageFont

    # Character by character: shaping would set a mark without a base on a dotted circle, and no box would be seen.
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
    """The characters of a text that the font cannot draw, each once, in order: they would come out as boxes."""
    return tuple(character for character in dict.fromkeys(text) if not _drawable(character))


@lru_cache(maxsize=8192)
def _drawable(character: str) -> bool:
    """By itself or, as libass does it, from the letter and the marks that it is made of."""
    parts = unicodedata.normalize("NFD", character)
    return (
        _invisible(character)
        or _mask(character) != _mask(ABSENT)
        or (parts != character and all(map(_drawable, parts)))
    )


def _invisible(character: str) -> bool:
    """Spaces, line ends, joiners and variation selectors: they are not drawn but steer what is."""
    return unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp") or "\ufe00" <= character <= "\ufe0f"


def _mask(character: str) -> bytes:
    return bytes(font(24).getmask(character))


@lru_cache(maxsize=8192)
def _advance(character: str) -> float:
    """Width of a character in em."""
    return 0.0 if _drops(character) else float(font(MEASURE).getlength(character)) / MEASURE


def _drops(character: str) -> bool:
    return unicodedata.combining(character) > 0 or unicodedata.category(character) in ("Cf", "Cc")


def width(text: str) -> float:
    """Width of one line in em, kerning aside."""
    return sum(map(_advance, text))


@cache
def line_height() -> float:
    """Ascent and descent of the font in em; ASS calls this, not the em, the font's size."""
    return sum(font(MEASURE).getmetrics()) / MEASURE


@lru_cache(maxsize=1024)
def fitted(text: str, *, wide: float, high: float, em: float, least: float) -> TextBlock:
    """A text broken into lines and shrunk until it fits into `wide` x `high` pixels.

    em, least: the largest and the smallest size in pixels. Words are kept whole while that leaves them larger than
    `least`. What is too long even there ends in an ellipsis.
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
    """Lines of at most `most` em, broken at spaces and between Han characters; a longer word is a line by itself."""
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
    """What must stay together: a word with the space after it, or a Han character with its punctuation."""
    found: list[str] = []
    for character in paragraph:
        if found and _stays(found[-1], character):
            found[-1] += character
        else:
            found.append(character)
    return found


def _stays(piece: str, character: str) -> bool:
    """Whether no line may end between a piece and the character after it."""
    before = piece[-1]
    if character.isspace() or character in NOT_AT_START or before in NOT_AT_END:
        return True
    return not before.isspace() and not _ideographic(before) and not _ideographic(character)


def _ideographic(character: str) -> bool:
    return unicodedata.east_asian_width(character) in ("W", "F")


def _split(lines: tuple[str, ...], most: float) -> tuple[str, ...]:
    """Lines of which none is longer than `most` em, words broken where they must be."""
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
    """The first `count` lines; where that is not all, the last of them ends in an ellipsis, within `most` em."""
    kept = max(1, int(count))
    if len(lines) <= kept:
        return lines
    last = lines[kept - 1][:-1]
    while last and width(f"{last}…") > most:
        last = last[:-1]
    return (*lines[: kept - 1], f"{last}…")
