"""Keyframe + plate → pixels, for both ends of a shot and for stills. The same bytes give the same pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from wan_render.facts import forget_digest
from wan_render.plates.reading import picture_error, read_bytes
from wan_render.render_values import Pixels
from wan_render.settings import machine_settings
from wan_render.take import CONFORM_VERSION, Plate, Size

Box = tuple[Fraction, Fraction, Fraction, Fraction]
"""Left, top, right, bottom, in pixels of the source."""

BLUR = Fraction(1, 16)
"""The radius of the blurred background, as a part of the plate's shorter side. No shape stays recognisable."""

DARKER = 4
"""Cropped parts are shown darker by this factor."""

FRAME, FRAME_WIDTH = (240, 176, 76), 3
"""Colour and width in pixels of the frame around the part that is kept. The colour is the review page's accent."""

if TYPE_CHECKING:
    from PIL import Image

    from wan_render.plates.decode import Decoded

_Part = Callable[[Box, Size], Pixels]


def conform(file: Path, plate: Plate) -> Pixels:
    """The keyframe at the plate's size: (height, width, 3) uint8 RGB.

    Upright, in sRGB, over black, scaled by Lanczos. With `cover` it fills the plate, cropped around the focus. With
    `contain` all of it is in the middle, on black; with `blur`, on an enlarged, blurred copy of itself.
    Raises PictureError if the file has changed since it was planned, or cannot be decoded.
    """
    part, source = _opened(file, plate)
    if plate.fit == "cover":
        return part(cover(source, plate.size, plate.focus), plate.size)
    return _whole(part, source, plate)


def fitted_picture(picture: Pixels, size: Size, focus: tuple[Fraction, Fraction], fit: str) -> Pixels:
    """A picture in memory, (height, width, 3) uint8 RGB, fitted as a keyframe is; see Plate."""
    from PIL import Image

    image = Image.fromarray(picture)
    if image.size == (size.width, size.height):
        return picture

    def part(box: Box, part_size: Size) -> Pixels:
        return _scaled(image, box, part_size)

    if fit == "cover":
        return part(cover(image.size, size, focus), size)
    return _whole(part, image.size, Plate("", size, focus, fit=fit))


def crop_shown(file: Path, plate: Plate, side: int) -> Pixels:
    """The whole keyframe, at most `side` pixels wide and high, with the cropped parts darkened and the rest framed:
    (height, width, 3) uint8 RGB. Raises PictureError like `conform`."""
    part, source = _opened(file, plate)
    small = contained(source, Size(side, side))
    whole = (Fraction(0), Fraction(0), Fraction(source[0]), Fraction(source[1]))
    scale = Fraction(small.width, source[0])
    left, top, right, bottom = (round(edge * scale) for edge in cover(source, plate.size, plate.focus))
    picture = part(whole, small)
    kept = picture[top:bottom, left:right].copy()
    picture //= DARKER
    picture[top:bottom, left:right] = FRAME
    inner = (slice(FRAME_WIDTH, -FRAME_WIDTH),) * 2
    picture[top:bottom, left:right][inner] = kept[inner]
    return picture


def cover(source: tuple[int, int], size: Size, focus: tuple[Fraction, Fraction]) -> Box:
    """The largest part of a (width, height) source with the shape of `size`, centred as close to `focus` as
    possible."""
    width, height = source
    scale = max(Fraction(size.width, width), Fraction(size.height, height))
    part_width, part_height = size.width / scale, size.height / scale
    left = _placed(focus[0] * width - part_width / 2, width - part_width)
    top = _placed(focus[1] * height - part_height / 2, height - part_height)
    return left, top, left + part_width, top + part_height


def focus_in_raster(
    source: tuple[int, int], size: Size, focus: tuple[Fraction, Fraction], fit: str
) -> tuple[Fraction, Fraction]:
    """Where the focus of a (width, height) source is once it is fitted to `size`, from left and from top, 0 to 1."""
    if fit == "cover":
        left, top, right, bottom = cover(source, size, focus)
        return (focus[0] * source[0] - left) / (right - left), (focus[1] * source[1] - top) / (bottom - top)
    shown, half = contained(source, size), Fraction(1, 2)
    across = half + (focus[0] - half) * shown.width / size.width
    return across, half + (focus[1] - half) * shown.height / size.height


def contained(source: tuple[int, int], size: Size) -> Size:
    """The size of a whole (width, height) source when it is fitted into `size`."""
    width, height = source
    scale = min(Fraction(size.width, width), Fraction(size.height, height))
    return Size(max(1, round(width * scale)), max(1, round(height * scale)))


@cache
def cropped_share(source: tuple[int, int], size: Size) -> Fraction:
    """The share of a (width, height) source that is cropped when it covers `size`, 0 to 1."""
    own, other = Fraction(*source), Fraction(size.width, size.height)
    return 1 - min(own, other) / max(own, other)


def _placed(start: Fraction, most: Fraction) -> Fraction:
    return min(max(start, Fraction(0)), most)


def _opened(file: Path, plate: Plate) -> tuple[_Part, tuple[int, int]]:
    """A function that cuts parts out of the plate's picture, and the picture's (width, height)."""
    from wan_render.plates.decode import decode

    data = read_bytes(file)
    if hashlib.sha256(data).hexdigest() != plate.picture:
        forget_digest(machine_settings().cache, file)  # otherwise the same command would plan with it again
        raise picture_error(file, "was changed since the plan was made", "", "run the same command again")
    decoded = decode(file, data)
    return _parts_of(decoded, plate.conform), decoded.image.size


def _parts_of(decoded: Decoded, version: str) -> _Part:
    """A function that cuts a part out of a picture and scales it, as this version of conforming reads the picture."""
    from wan_render.plates.fine import part_of

    if version == CONFORM_VERSION or decoded.fine is None:
        flat = decoded.flat()
        return lambda box, size: _scaled(flat, box, size)
    fine = decoded.fine.in_srgb()
    return lambda box, size: part_of(fine, _floats(box), (size.width, size.height))


def _scaled(picture: Image.Image, box: Box, size: Size) -> Pixels:
    import numpy as np
    from PIL.Image import Resampling

    scaled = picture.resize((size.width, size.height), Resampling.LANCZOS, box=_floats(box))
    return np.array(scaled, dtype=np.uint8)


def _floats(box: Box) -> tuple[float, float, float, float]:
    left, top, right, bottom = map(float, box)
    return left, top, right, bottom


def _whole(part: _Part, source: tuple[int, int], plate: Plate) -> Pixels:
    """The whole picture in the middle of the plate."""
    import numpy as np

    size, (width, height) = plate.size, source
    seen = contained(source, size)
    left, top = (size.width - seen.width) // 2, (size.height - seen.height) // 2
    if plate.fit == "blur":
        ground = _blurred(part(cover(source, size, plate.focus), size))
    else:
        ground = np.zeros((size.height, size.width, 3), np.uint8)
    whole = (Fraction(0), Fraction(0), Fraction(width), Fraction(height))
    ground[top : top + seen.height, left : left + seen.width] = part(whole, seen)
    return ground


def _blurred(picture: Pixels) -> Pixels:
    import numpy as np
    from PIL import Image, ImageFilter

    radius = float(BLUR * min(picture.shape[:2]))
    return np.array(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(radius)), dtype=np.uint8)
