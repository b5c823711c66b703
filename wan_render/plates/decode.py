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

from wan_render.errors import PictureError
from wan_render.plates.colour import flattened, profile_note, transparency_note, unusable_mode
from wan_render.plates.reading import FORMATS, reason, refuse, unidentified

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
    """A decoded picture, upright, in its own colours; `notes` say in words what becomes of it."""

    image: Image.Image
    notes: tuple[str, ...]

    def flat(self) -> Image.Image:
        """In sRGB, over black, mode RGB."""
        return flattened(self.image)


def decode(file: Path, data: bytes) -> Decoded:
    """Decode all of `data`, the bytes of `file`: a cut-off file is found here.

    Raises PictureError for anything that cannot be used, whatever Pillow makes of it.
    """
    with _pillow(file), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matters is said in notes, in our words
        image = _opened(file, data)
        _check_size(file, image)
        several = bool(getattr(image, "is_animated", False))
        image.load()
        upright, turned = _upright(image)
        _check_size(file, upright)  # a plugin may correct the size while it loads
        if (why := unusable_mode(upright)) is not None:
            raise refuse(file, why, "8 or 16 bits a channel are allowed", "save it as an 8-bit PNG")
        return Decoded(upright, _notes(upright, several=several, turned=turned))


@contextmanager
def _pillow(file: Path) -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except MemoryError as error:
        raise refuse(file, "needs more memory than there is to decode", remedy="save a smaller copy") from error
    except Exception as error:  # the seam: see the module's docstring
        raise refuse(
            file, f"is cut off or damaged ({reason(error)})", remedy="save, copy or download it again"
        ) from error


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
        raise refuse(file, "is a run-length-coded BMP", remedy="save it as PNG")
    return image


def _check_size(file: Path, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MOST_PIXELS:
        raise _too_large(file, f"{width}x{height} pixels")
    if min(width, height) < LEAST_SIDE:
        allowed = f"at least {LEAST_SIDE} pixels a side are needed"
        raise refuse(file, f"is too small: {width}x{height} pixels", allowed, "use a larger picture")


def _too_large(file: Path, found: str) -> PictureError:
    return refuse(file, f"is too large: {found}", f"at most {MOST_PIXELS:,} pixels", "save a smaller copy")


def _upright(image: Image.Image) -> tuple[Image.Image, bool]:
    """The picture as a viewer shows it, by its EXIF orientation, and whether that turned it."""
    from PIL import ExifTags, ImageOps

    if image.getexif().get(ExifTags.Base.Orientation, 1) == 1:
        return image, False
    return ImageOps.exif_transpose(image), True


def _notes(image: Image.Image, *, several: bool, turned: bool) -> tuple[str, ...]:
    notes = (
        "holds several pictures or is animated: the first one is used" if several else None,
        "was turned upright by its EXIF orientation" if turned else None,
        transparency_note(image),
        profile_note(image),
        "has 16 bits a channel: scaled to 8" if image.mode.startswith("I") else None,
    )
    return tuple(note for note in notes if note is not None)
