"""Keyframe + plate → pixels: one function for both ends of a shot, and for stills.

The same bytes give the same pixels."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from pathlib import Path

from wan_render.facts import forget_digest
from wan_render.plates.decode import decode
from wan_render.plates.reading import read_bytes, refuse
from wan_render.render import Pixels
from wan_render.settings import machine_settings
from wan_render.take import Plate, Size

Box = tuple[Fraction, Fraction, Fraction, Fraction]
"""left, top, right, bottom, in pixels of the source"""


def conform(file: Path, plate: Plate) -> Pixels:
    """The keyframe at the plate's size: (height, width, 3) uint8 RGB.

    Upright, in sRGB, over black; scaled by Lanczos to cover the size, cropped around the focus.
    Raises PictureError where the file is no longer the one that was planned, or cannot be decoded.
    """
    import numpy as np
    from PIL.Image import Resampling

    data = read_bytes(file)
    if hashlib.sha256(data).hexdigest() != plate.picture:
        forget_digest(machine_settings().cache, file)  # else the same command plans with it again
        raise refuse(file, "was changed since the plan was made", "", "run the same command again")
    image = decode(file, data).flat()
    box = cover(image.size, plate.size, plate.focus)
    left, top, right, bottom = map(float, box)
    size = (plate.size.width, plate.size.height)
    return np.array(image.resize(size, Resampling.LANCZOS, box=(left, top, right, bottom)), dtype=np.uint8)


def cover(source: tuple[int, int], size: Size, focus: tuple[Fraction, Fraction]) -> Box:
    """The largest part of a (width, height) source with the shape of `size`, its middle near `focus`."""
    width, height = source
    scale = max(Fraction(size.width, width), Fraction(size.height, height))
    part_width, part_height = size.width / scale, size.height / scale
    left = _placed(focus[0] * width - part_width / 2, width - part_width)
    top = _placed(focus[1] * height - part_height / 2, height - part_height)
    return left, top, left + part_width, top + part_height


def _placed(start: Fraction, most: Fraction) -> Fraction:
    return min(max(start, Fraction(0)), most)
