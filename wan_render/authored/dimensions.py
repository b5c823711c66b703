"""Sizes and aspects of pictures."""

import re
from fractions import Fraction
from typing import Annotated, Literal

from wan_render.authored.spelling import Misspelt, Spelling, did_you_mean
from wan_render.authored.words import any_case
from wan_render.take import Size

RASTER_MULTIPLE = 16
LONGEST_SIDE = 8192

_SIZE = re.compile(r"([0-9]{1,5})\s*[xX×]\s*([0-9]{1,5})")
_RATIO = re.compile(r"([0-9]{1,5}(?:\.[0-9]{1,5})?)(?:\s*[:/]\s*([0-9]{1,5}(?:\.[0-9]{1,5})?))?")
SIZE_PATTERN = "^[0-9]{1,5} *[xX×] *[0-9]{1,5}$"


def read_aspect(text: str) -> Fraction:
    """`16:9`, `2.39`, `2.39:1`: width over height."""
    match = _RATIO.fullmatch(text)
    height = Fraction(match[2] or 1) if match else Fraction(0)
    if match and height and Fraction(1, 4) <= Fraction(match[1]) / height <= 4:
        return Fraction(match[1]) / height
    raise Misspelt("allowed: 16:9, 9:16, 4:3, 3:4, 1:1, 2.39 or W:H, from 1:4 to 4:1")


Aspect = Annotated[
    Fraction,
    Spelling(
        "an aspect",
        read_aspect,
        Fraction,
        {
            "anyOf": [
                {"enum": ["16:9", "9:16", "4:3", "3:4", "1:1", 2.39]},
                {"type": "number", "minimum": 0.25, "maximum": 4},
                {"type": "string", "pattern": "^[0-9.]+( *[:/] *[0-9.]+)?$"},
            ]
        },
    ),
]


def _size(noun: str, names: tuple[str, ...], multiple: int) -> Spelling:
    """A name, or WIDTHxHEIGHT in multiples of `multiple`."""
    allowed = f"allowed: {', '.join(names)} or WIDTHxHEIGHT in multiples of {multiple} up to {LONGEST_SIDE}"

    def parse(text: str) -> str | Size:
        if text.lower() in names:
            return text.lower()
        if not (match := _SIZE.fullmatch(text)):
            raise Misspelt(allowed, did_you_mean(text, names))
        return _fitting(int(match[1]), int(match[2]), multiple, allowed)

    schema = {"anyOf": [{"enum": list(names)}, {"type": "string", "pattern": SIZE_PATTERN}, any_case(*names)]}
    return Spelling(noun, parse, (str, Size), schema)


def _fitting(width: int, height: int, multiple: int, allowed: str) -> Size:
    legal = [min(max(round(side / multiple), 1) * multiple, LONGEST_SIDE) for side in (width, height)]
    if legal != [width, height]:
        raise Misspelt(allowed, f"the nearest is {legal[0]}x{legal[1]}")
    return Size(width, height)


Raster = Annotated[
    Literal["480p", "720p"] | Size, _size("a size that models render", ("480p", "720p"), RASTER_MULTIPLE)
]
Delivery = Annotated[
    Literal["480p", "720p", "1080p", "4k"] | Size, _size("a size to deliver", ("480p", "720p", "1080p", "4k"), 2)
]
