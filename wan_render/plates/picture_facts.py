"""The facts of a keyframe's file. It is decoded completely once; then its facts are cached by content."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wan_render.facts import FactCache
from wan_render.plates.reading import check_file, picture_error, read_bytes, reason
from wan_render.take import CONFORM_VERSION, FINE_CONFORM_VERSION

if TYPE_CHECKING:
    from PIL import Image

KIND = "picture/3"
"""The kind under which facts are cached. Its number goes up whenever the facts of a picture change."""

THUMBNAIL_SIDE = 16

_REDUCIBLE = frozenset({"L", "LA", "RGB", "RGBA", "CMYK"})


@dataclass(frozen=True)
class PictureFacts:
    """A usable picture.

    digest:    SHA-256 of the file's bytes.
    width, height: in pixels, upright.
    thumbnail: 16x16 RGB, 768 bytes, the whole picture squeezed into it, for rough comparisons.
    notes:     what was done, in words (`was turned upright …`).
    warnings:  what the user may not expect (`has transparency: composited over black`).
    conform:   the version of how it becomes a plate; see Plate.
    """

    digest: str
    width: int
    height: int
    thumbnail: bytes
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    conform: str = CONFORM_VERSION


def picture_facts(file: Path, cache: FactCache) -> PictureFacts:
    """The facts of a picture. Decodes it completely unless its bytes are known.

    Raises PictureError for any file that cannot be a keyframe: missing, not a file, not a still picture, cut off,
    damaged, too small or too large.
    """
    check_file(file)
    try:
        digest, known = cache.inspected(KIND, file, _inspect)
    except OSError as error:
        raise picture_error(file, f"cannot be read ({reason(error)})", remedy="check its permissions") from error
    return PictureFacts(
        digest,
        known["width"],
        known["height"],
        base64.b64decode(known["thumbnail"]),
        tuple(known["notes"]),
        tuple(known["warnings"]),
        known["conform"],
    )


def _inspect(file: Path) -> dict[str, Any]:
    from wan_render.plates.decode import decode

    decoded = decode(file, read_bytes(file))
    width, height = decoded.image.size
    fine = decoded.fine
    thumbnail = _thumbnail(decoded.image) if fine is None else fine.reduced(THUMBNAIL_SIDE).tobytes()
    return {
        "width": width,
        "height": height,
        "thumbnail": base64.b64encode(thumbnail).decode(),
        "notes": list(decoded.notes),
        "warnings": list(decoded.warnings),
        "conform": CONFORM_VERSION if fine is None else FINE_CONFORM_VERSION,
    }


def _thumbnail(image: Image.Image) -> bytes:
    from PIL.Image import Resampling

    from wan_render.plates.colour import flattened

    factor = min(image.size) // (2 * THUMBNAIL_SIDE)
    if factor > 1 and image.mode in _REDUCIBLE:  # converting colours after shrinking is a hundred times faster
        profile = image.info
        image = image.reduce(factor)
        image.info = profile
    return flattened(image).resize((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Resampling.BOX).tobytes()
