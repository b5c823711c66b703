"""Bytes → an upright picture in sRGB, 8 bits, without transparency: the one way in for checks and plates alike.

Pillow's plugins raise nearly anything on a damaged file (OSError, SyntaxError, ValueError, struct.error, EOFError,
MemoryError, …). This is the seam where all of it ends as PictureError.
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

logging.getLogger("PIL").addHandler(logging.NullHandler())  # else Pillow's own words reach the user beside ours

MOST_PIXELS = 64_000_000
"""A decoded picture of this size takes 256 MB and about a second; 8K is 33 million."""

_RUN_LENGTH = (1, 2)
"""BI_RLE8 and BI_RLE4: Pillow decodes them in Python, 64 million pixels for minutes."""

LEAST_SIDE = 32
"""Pixels; anything smaller is an icon, not a keyframe."""


@dataclass(frozen=True)
class Decoded:
    """A decoded picture, upright, in its own colours.

    notes say in words what was done, warnings what the user may not expect. fine: its samples, where they have more
    than 8 bits or colours that are converted here rather than by LittleCMS.
    """

    image: Image.Image
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    fine: FinePicture | None = None

    def flat(self) -> Image.Image:
        """In sRGB, over black, mode RGB, with 8 bits as Pillow reads them."""
        return flattened(self.image)


def decode(file: Path, data: bytes) -> Decoded:
    """Decode all of `data`, the bytes of `file`: a cut-off file is found here.

    Raises PictureError for anything that cannot be used, whatever Pillow makes of it.
    """
    with _pillow(file), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters is said in notes, in our words
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
            raise picture_error(file, why, "8 or 16 bits a channel are allowed", "save it as a 16-bit TIFF or PNG")
        statement = stated_colours(image, data, dict(png.stated))
        bits = depth(image, data)
        fine = _fine(upright, data, bits, orientation, statement)
        too_large = "has a colour profile of more than 16 MB: taken for sRGB" if png.is_profile_too_large else None
        told = (exif_warning, too_large, _of_several(image), transparency_note(upright), *statement.warnings)
        if not statement.decides:
            told = (*told, profile_warning(upright))
        return Decoded(upright, _notes(upright, statement, bits, orientation, fine), tuple(filter(None, told)), fine)


def _fine(
    image: Image.Image, data: bytes, bits: int, orientation: int, statement: ColourStatement
) -> FinePicture | None:
    """What `Decoded.fine` is. A picture of 16 bits with a profile of tables is left to LittleCMS, at 8 bits."""
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
        raise picture_error(file, "needs more memory than there is to decode", remedy="save a smaller copy") from error
    except Exception as error:  # the seam: see the module's docstring
        raise undecodable(file, error) from error


def _opened(file: Path, data: bytes) -> Image.Image:
    from PIL import AvifImagePlugin, Image, TiffImagePlugin, UnidentifiedImageError, WebPImagePlugin

    del AvifImagePlugin, TiffImagePlugin, WebPImagePlugin  # imported to be registered: Pillow begins without them
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
        allowed = f"at least {LEAST_SIDE} pixels a side are needed"
        raise picture_error(file, f"is too small: {width}x{height} pixels", allowed, "use a larger picture")


def _too_large(file: Path, found: str) -> PictureError:
    return picture_error(file, f"is too large: {found}", f"at most {MOST_PIXELS:,} pixels", "save a smaller copy")


def _orientation(image: Image.Image) -> tuple[int, str | None]:
    """By Exif, 1 to 8, and what is wrong with it. Software writes 0 for "unknown"."""
    from PIL import ExifTags

    try:
        told = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # noqa: BLE001 - Exif that is damaged: Pillow raises nearly anything, as in `_pillow`
        return 1, f"has EXIF data that cannot be read ({reason(error)}): it may lie on its side"
    if told in range(1, 9):
        return int(told), None
    return 1, None if told == 0 else f"has an EXIF orientation that does not exist ({told}): left as it is"


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as a viewer shows it."""
    from PIL import ImageOps

    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _of_several(image: Image.Image) -> str | None:
    """Cameras write a JPEG with a second, smaller picture or a gain map (MPO): that is a note."""
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
        f"has {bits} bits a channel: dithered to 8" if is_deep and fine is not None and fine.most > 255 else None,
        f"has {bits} bits a channel, of which 8 are read" if is_deep and (fine is None or fine.most == 255) else None,
    )
    return tuple(note for note in notes if note is not None)
