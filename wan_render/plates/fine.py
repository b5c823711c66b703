"""Pictures with more than 8 bits per channel, or with colours that are converted here: samples → sRGB in 16 bits →
8 bits.

Pillow keeps only the upper 8 bits of 16-bit colour, so OpenCV reads these files as well. Its result is used only if it
shows the same picture as Pillow's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wan_render.plates.avif_boxes import read_avif
from wan_render.plates.colour_space import ColourSpace, Fine, as_srgb
from wan_render.plates.png_chunks import SIGNATURE, only_pixels
from wan_render.render_values import Pixels

if TYPE_CHECKING:
    from PIL import Image

Samples = NDArray[Any]

_BAYER = np.array([[0]])
for _ in range(3):
    _BAYER = np.block([[4 * _BAYER, 4 * _BAYER + 2], [4 * _BAYER + 3, 4 * _BAYER + 1]])
_THRESHOLDS = ((_BAYER + 0.5) / 64).astype(np.float32)
"""Bayer's matrix of order 8 (B. E. Bayer, 1973): each threshold between 0 and 1 once in 64 pixels. The same picture is
always dithered in the same way, and levels that exist in 8 bits stay unchanged."""

_SPOTS = 64
"""Points along each side at which two readings of a picture are compared."""

_MOST_UNLIKE = 2.0
"""The largest mean difference, 0 to 255, of two readings of the same picture. Rounding of chroma is below 1."""


@dataclass(frozen=True)
class FinePicture:
    """An upright picture with its original samples.

    samples: 0 to `most`, (height, width, 3), or (height, width, 1) for grey.
    opacity: (height, width), 0 to 1. space: None for sRGB.
    """

    samples: Samples
    most: int
    opacity: NDArray[np.float32] | None
    space: ColourSpace | None

    def in_srgb(self) -> Fine:
        """The whole picture in sRGB, over black."""
        return _over_black(as_srgb(self.samples, self.most, self.space), self.opacity)

    def reduced(self, side: int) -> Pixels:
        """The whole picture squeezed into (side, side, 3). Samples are averaged before they are converted."""
        import cv2

        small = cv2.resize(self.samples, (side, side), interpolation=cv2.INTER_AREA).reshape(side, side, -1)
        opacity = self.opacity
        if opacity is not None:
            opacity = np.asarray(cv2.resize(opacity, (side, side), interpolation=cv2.INTER_AREA), np.float32)
        found = _over_black(as_srgb(small, self.most, self.space), opacity)
        return np.broadcast_to(found // 257, (side, side, 3)).astype(np.uint8)


def part_of(picture: Fine, box: tuple[float, float, float, float], size: tuple[int, int]) -> Pixels:
    """The part in `box` (left, top, right, bottom) at a size (width, height): (height, width, 3), dithered."""
    from PIL import Image
    from PIL.Image import Resampling

    channels = [
        np.asarray(
            Image.fromarray(picture[..., at].astype(np.float32)).resize(size, Resampling.LANCZOS, box=box), np.float32
        )
        for at in range(picture.shape[-1])
    ]
    return dithered(np.stack(channels * (3 // len(channels)), axis=-1) / 257)


def dithered(values: NDArray[Any]) -> Pixels:
    """Values 0 to 255, (height, width, channels) → whole levels with the same mean over 8x8 pixels."""
    height, width, _ = values.shape
    tiles = np.tile(_THRESHOLDS, (-(-height // 8), -(-width // 8)))[:height, :width, None]
    return np.asarray(np.floor(np.clip(values, 0, 255) + tiles).clip(0, 255), np.uint8)


def deep_samples(image: Image.Image, data: bytes, bits: int, orientation: int) -> Samples | None:
    """The samples of an upright picture with more than 8 bits per channel: (height, width, 1, 3 or 4). None if it has 8
    bits, or cannot be read at full depth."""
    if bits <= 8:
        return None
    if image.mode.startswith("I"):
        grey: Samples = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        return grey[..., None]
    if image.mode not in ("RGB", "RGBA", "LA"):
        return None
    read = _read_by_opencv(data)
    if read is None or read.dtype != np.uint16:
        return None
    for turn in (_TURNS.get(orientation, _as_it_is), _as_it_is):
        upright = turn(read)
        if _shows(image, upright, bits):
            return np.ascontiguousarray(upright)
    return None


def depth(image: Image.Image, data: bytes) -> int:
    """The bits of a sample, as stated by the file."""
    if image.format == "PNG":
        return data[24]
    if image.format == "TIFF":
        bits = getattr(image, "tag_v2", {}).get(258) or (8,)
        return 16 if set(bits) == {16} else 8
    return read_avif(data).bits if image.format == "AVIF" else 8


def _read_by_opencv(data: bytes) -> Samples | None:
    """(height, width, 3 or 4) RGB or RGBA; None if OpenCV cannot read it."""
    import cv2

    if data.startswith(SIGNATURE):
        data = only_pixels(data)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # notes and warnings say what matters
    try:
        read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    if read is None or read.ndim != 3 or read.shape[2] not in (3, 4):
        return None
    return cv2.cvtColor(read, cv2.COLOR_BGR2RGB if read.shape[2] == 3 else cv2.COLOR_BGRA2RGBA)


def _shows(image: Image.Image, samples: Samples, bits: int) -> bool:
    """Whether samples show Pillow's picture, compared at a few thousand points."""
    if samples.shape[:2] != (image.height, image.width):
        return False
    rows, columns = (np.linspace(0, length - 1, _SPOTS).astype(int) for length in samples.shape[:2])
    spots = np.ix_(rows, columns)
    theirs = np.asarray(image.convert("RGB"))[spots].astype(int)
    ours = (samples[spots][..., :3] >> (bits - 8)).astype(int)
    return bool(np.abs(ours - theirs).mean() < _MOST_UNLIKE)


def _over_black(picture: Fine, opacity: NDArray[np.float32] | None) -> Fine:
    return picture if opacity is None else (picture * opacity[..., None] + 0.5).astype(np.uint16)


def _as_it_is(picture: Samples) -> Samples:
    return picture


_TURNS: dict[int, Callable[[Samples], Samples]] = {
    2: np.fliplr,
    3: lambda picture: np.rot90(picture, 2),
    4: np.flipud,
    5: lambda picture: np.swapaxes(picture, 0, 1),
    6: lambda picture: np.rot90(picture, -1),
    7: lambda picture: np.swapaxes(np.rot90(picture, 2), 0, 1),
    8: np.rot90,
}
"""How a stored picture is turned upright, by Exif orientation (Exif 2.32)."""
