"""Frames that show nothing: black ones, and ones of one colour. What counts as nothing depends on the keyframes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wan_render.quality.small_frames import Floats, luma_of, shrunk, softened
from wan_render.render_values import Pixels

BLACK = 0.06
"""Luma, 0 to 1, of the brightest hundredth of a soft picture: 15 of 255. A black frame has less. Noise of 22 dB on
black has 0.03 on average."""

BLACK_SHARE = 0.2
"""In a dark clip, a black frame has less than this share of the darker keyframe's luma."""

LEAST_LUMA = 0.02
"""A keyframe that is darker is black itself."""

WHITE, LEAST_WHITE = 0.8, 0.65
"""Luma, 0 to 1, of the darkest hundredth of a soft picture: a white frame has more, even if a picture shines through. A
keyframe with more than the second is white itself."""

FLAT = 3 / 255
"""Contrast, samples 0 to 1. A frame of one colour has less."""

FLAT_SHARE = 0.15
"""In a clip of low contrast, a frame of one colour has less than this share of the flatter keyframe's contrast. A fast
pan, which is blurred, has more."""

LEAST_FLAT = 1.5 / 255
"""A keyframe with less contrast is of one colour itself."""

SOFT_BLANK = 2.0
"""Blur in pixels before luma and contrast are measured, so that noise on a plain colour does not count."""


@dataclass(frozen=True)
class BlankMeasures:
    """How many frames are black, of one colour, and white, and the first of each. None if a keyframe is like that."""

    black: int | None
    black_at: int
    flat: int | None
    flat_at: int
    white: int | None
    white_at: int


def blank_measures(small: Pixels, keyframes: list[Pixels]) -> BlankMeasures:
    """small: (frames, height, width, 3) uint8 RGB; keyframes: those that there are, in full size."""
    references = [shrunk(keyframe) for keyframe in keyframes]
    black, black_at = _below(_lumas(small, 0.99), _lumas(references, 0.99), BLACK, BLACK_SHARE, LEAST_LUMA)
    flat, flat_at = _below(_contrasts(small), _contrasts(references), FLAT, FLAT_SHARE, LEAST_FLAT)
    white, white_at = _above(_lumas(small, 0.01), _lumas(references, 0.01), WHITE, LEAST_WHITE)
    return BlankMeasures(black, black_at, flat, flat_at, white, white_at)


def _lumas(pictures: Pixels | list[Pixels], share: float) -> Floats:
    """The luma that this share of each soft picture is below."""
    return np.array([np.quantile(cv2.GaussianBlur(luma_of(each), (0, 0), SOFT_BLANK), share) for each in pictures])


def _above(values: Floats, references: Floats, limit: float, most: float) -> tuple[int | None, int]:
    """How many values are above the limit, and the first of them. Without keyframes the clip's own median counts."""
    if float(references.max() if len(references) else np.median(values)) > most:
        return None, 0
    above = values > limit
    return int(above.sum()), int(above.argmax())


def _contrasts(pictures: Pixels | list[Pixels]) -> Floats:
    return np.array([softened(picture, SOFT_BLANK).std(axis=(0, 1)).max() for picture in pictures])


def _below(values: Floats, references: Floats, limit: float, share: float, least: float) -> tuple[int | None, int]:
    """How many values are below the limit, and the first of them. Without keyframes the clip's own median counts; a
    clip that shows nothing at all is then below it altogether."""
    usual = float(references.min()) if len(references) else max(float(np.median(values)), limit / share)
    if usual < least:
        return None, 0
    below = values < min(limit, share * usual)
    return int(below.sum()), int(below.argmax())
