"""Decodes the bytes of a picture, upright, for checks and plates alike.

On a damaged file, Pillow's plugins raise nearly anything (OSError, SyntaxError, ValueError, struct.error, EOFError,
MemoryError, …). This is the seam that turns all of it into PictureError.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wan_render.errors import PictureError
from wan_render.plates.colour import (
    flattened,
    opacity,
    profile_note,
    profile_warning,
    transform_of,
    transparency_note,
    unusable_mode,
    without_alpha,
)
from wan_render.plates.fine import FinePicture, deep_samples, depth
from wan_render.plates.icc_profile import profile_space
from wan_render.plates.png_chunks import SIGNATURE, Png, read_png
from wan_render.plates.reading import FORMATS, picture_error, reason, undecodable, unidentified
from wan_render.plates.stated_colours import ColourStatement, stated_colours

if TYPE_CHECKING:
    from PIL import Image

logging.getLogger("PIL").addHandler(logging.NullHandler())  # otherwise Pillow's messages would reach the user as well

MOST_PIXELS = 64_000_000
"""A decoded picture of this size takes 256 MB and about a second; 8K is 33 million."""

_RUN_LENGTH = (1, 2)
"""BI_RLE8 and BI_RLE4. Pillow decodes them in Python, which takes minutes for 64 million pixels."""

LEAST_SIDE = 32
"""In pixels. Anything smaller is an icon, not a keyframe."""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, upright, in its own colours.

    notes:    what was done, in words.
    warnings: what the user may not expect, in words.
    fine:     its samples, if they have more than 8 bits, or if their colours are converted here and not by LittleCMS.
    """

    image: Image.Image
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    fine: FinePicture | None = None

    def flat(self) -> Image.Image:
        """The picture in sRGB, over black, mode RGB, with 8 bits as Pillow reads them."""
        return flattened(self.image)


def decode(file: Path, data: bytes) -> Decoded:
    """Decode the picture completely, so that a cut-off file is noticed. data: the bytes of `file`.

    Raises PictureError for anything that cannot be used, whatever Pillow raises.
    """
    with _pillow(file), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # notes and warnings say what matters
        png = read_png(data) if data.startswith(SIGNATURE) else Png(data)
        image = _opened(file, png.data)
        _check_size(file, image)
        image.load()
        if png.profile is not None:
            image.info["icc_profile"] = png.profile
        orientation, exif_warning = _orientation(image)
        upright = _turned(image, orientation)
        _check_size(file, upright)  # a plugin may correct the size while it loads
        if (why := unusable_mode(upright)) is not None:
            raise picture_error(file, why, "8 or 16 bits per channel are allowed", "save it as a 16-bit TIFF or PNG")
        statement = stated_colours(image, data, dict(png.stated))
        bits = depth(image, data)
        fine = _fine(upright, data, bits, orientation, statement)
        too_large = "has a colour profile of more than 16 MB: treated as sRGB" if png.is_profile_too_large else None
        found = (exif_warning, too_large, _of_several(image), transparency_note(upright), *statement.warnings)
        if not statement.decides:
            found = (*found, profile_warning(upright))
        return Decoded(upright, _notes(upright, statement, bits, orientation, fine), tuple(filter(None, found)), fine)


def _fine(
    image: Image.Image, data: bytes, bits: int, orientation: int, statement: ColourStatement
) -> FinePicture | None:
    """The value of `Decoded.fine`. A 16-bit picture whose profile consists of tables is left to LittleCMS, at 8
    bits."""
    samples, space = deep_samples(image, data, bits, orientation), statement.space
    if samples is not None and not statement.decides and transform_of(image) is not None:
        space = profile_space(image.info["icc_profile"], "the profile's")
        if space is None:
            return None
    if samples is not None:
        most = (1 << bits) - 1
        if samples.shape[2] < 4:
            return FinePicture(samples, most, _part(opacity(image)), space)
        return FinePicture(samples[..., :3], most, np.asarray(samples[..., 3] / most, np.float32), space)
    if space is None:
        return None
    plain = np.asarray(without_alpha(image))
    return FinePicture(plain.reshape(*plain.shape[:2], -1), 255, _part(opacity(image)), space)


def _part(alpha: Image.Image | None) -> NDArray[np.float32] | None:
    return None if alpha is None else np.asarray(np.asarray(alpha) / 255, np.float32)


@contextmanager
def _pillow(file: Path) -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except MemoryError as error:
        raise picture_error(file, "needs too much memory to decode", remedy="save a smaller copy") from error
    except Exception as error:  # the seam: see the module's docstring
        raise undecodable(file, error) from error


def _opened(file: Path, data: bytes) -> Image.Image:
    from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

    del AvifImagePlugin, TiffImagePlugin, WebPImagePlugin  # importing them registers their formats
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise unidentified(file, data) from error
    except Image.DecompressionBombError as error:
        raise _too_large(file, "far more pixels than a picture has") from error
    if image.format == "BMP" and image.info.get("compression") in _RUN_LENGTH:
        raise picture_error(file, "is a run-length-coded BMP", remedy="save it as PNG")
    return image


def _check_size(file: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise _too_large(file, f"{width}x{height} pixels")
    if min(width, height) < LEAST_SIDE:
        allowed = f"each side needs at least {LEAST_SIDE} pixels"
        raise picture_error(file, f"is too small: {width}x{height} pixels", allowed, "use a larger picture")


def _too_large(file: Path, found: str) -> PictureError:
    return picture_error(file, f"is too large: {found}", f"at most {MOST_PIXELS:,} pixels", "save a smaller copy")


def _orientation(image: Image.Image) -> tuple[int, str | None]:
    """The Exif orientation, 1 to 8, and what is wrong with it. Software writes 0 for "unknown"."""
    from PIL import ExifTags

    try:
        stated = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # noqa: BLE001 - on damaged Exif, Pillow raises nearly anything, as in `_pillow`
        return 1, f"has EXIF data that cannot be read ({reason(error)}): it may be rotated"
    if stated in range(1, 9):
        return int(stated), None
    return 1, None if stated == 0 else f"has an invalid EXIF orientation ({stated}): not rotated"


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture, upright."""
    from PIL import ImageOps

    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _of_several(image: Image.Image) -> str | None:
    """A warning that a file holds several pictures. None for MPO, a JPEG with a preview or a gain map."""
    if getattr(image, "is_animated", False) and image.format != "MPO":
        return "holds several pictures or is animated: the first one is used"
    return None


def _notes(
    image: Image.Image, statement: ColourStatement, bits: int, orientation: int, fine: FinePicture | None
) -> tuple[str, ...]:
    is_deep = bits > 8
    notes = (
        "was turned upright by its EXIF orientation" if orientation != 1 else None,
        *statement.notes,
        profile_note(image) if not statement.decides else None,
        f"has {bits} bits per channel: dithered to 8" if is_deep and fine is not None and fine.most > 255 else None,
        f"has {bits} bits per channel; 8 of them are read" if is_deep and (fine is None or fine.most == 255) else None,
    )
    return tuple(note for note in notes if note is not None)
