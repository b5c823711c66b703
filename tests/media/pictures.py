"""Small moving pictures with known frames."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from wan_render.media.clip import write_clip
from wan_render.render_values import Frames, Pixels
from wan_render.take import Size

SMALL = Size(64, 48)


def noise(count: int, size: Size = SMALL, seed: int = 0) -> Pixels:
    """(count, height, width, 3): every value of every channel; all frames differ."""
    return np.random.default_rng(seed).integers(0, 256, (count, size.height, size.width, 3), dtype=np.uint8)


def flat(levels: list[int], size: Size = SMALL) -> Pixels:
    """Grey frames, one level each, so that an encoded frame is one number."""
    return np.stack([np.full((size.height, size.width, 3), level, np.uint8) for level in levels])


def clip(file: Path, pixels: Pixels, rate: Fraction = Fraction(16)) -> Path:
    """Write a clip and return its path."""
    write_clip(file, Frames(pixels, rate))
    return file
