"""Frames that show nothing: black ones, and ones of one colour. What counts as nothing depends on the keyframes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wan_render.quality.samples import Floats, quantiles_of
from wan_render.quality.small_frames import contrast_of, luma_of, shrunk, softened
from wan_render.render_values import Pixels

BLACK = 0.06
"""Luma, 0 to 1, of the brightest hundredth of a soft picture: 15 of 255. A black frame has less. Noise of 22 dB on
black has 0.03 on average."""

BLACK_SHARE = 0.2
"""In a dark clip, a black frame has less than this share of the darker keyframe's luma."""

LEAST_LUMA, DARKEST = 0.035, 0.012
"""A keyframe that is darker is black itself, and so is a clip without keyframes that usually is."""

WHITE, LEAST_WHITE = 0.8, 0.65
"""Luma, 0 to 1, of the darkest hundredth of a soft picture: a white frame has more, even if a picture shines through. A
keyframe with more than the second is white itself."""

WHITER, SKY = 0.95, 0.7
"""Luma that a white frame must have if half of a keyframe is brighter than the second, or an end has no keyframe: the
camera may have turned to the sky, which has 0.91."""

DIMMED = 0.5
"""Correlation of a frame that shows nothing with the nearest one that does, soft, from which on only the light went
out. Residue and the loss of a VAE have 0.2."""

FLAT = 2 / 255
"""Contrast, samples 0 to 1. A frame of one colour has less, and a plain wall in the dark has 3."""

FLAT_SHARE = 0.15
"""In a clip of low contrast, a frame of one colour has less than this share of the flatter keyframe's contrast. A fast
pan, which is blurred, has more."""

LEAST_FLAT, FLATTEST = 2.6 / 255, 0.7 / 255
"""A keyframe with less contrast is of one colour itself, and so is a clip without keyframes that usually has."""

BOTH = 2
"""Keyframes of a clip whose two ends are given."""

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
    (dark, _, bright), (dark_ends, usual_ends, bright_ends) = _lumas(small), _lumas(references)
    black = _below(bright, bright_ends, BLACK, BLACK_SHARE, (LEAST_LUMA, DARKEST))
    flat = _below(_contrasts(small), _contrasts(references), FLAT, FLAT_SHARE, (LEAST_FLAT, FLATTEST))
    is_bright = len(references) < BOTH or float(usual_ends.max()) > SKY
    white = _above(dark, dark_ends, WHITER if is_bright else WHITE, LEAST_WHITE)
    return BlankMeasures(*_counted(_not_dimmed(small, black)), *_counted(_not_dimmed(small, flat)), *_counted(white))


def _counted(blank: Floats | None) -> tuple[int | None, int]:
    """How many frames are blank, and the first of them."""
    return (None, 0) if blank is None else (int(blank.sum()), int(blank.argmax()))


def _not_dimmed(small: Pixels, blank: Floats | None) -> Floats | None:
    """Which of the blank frames do not show, darkly, what the nearest other frame shows."""
    if blank is None or not blank.any() or blank.all():
        return blank
    shown = np.flatnonzero(~blank)
    found = blank.copy()
    for at in np.flatnonzero(blank):
        nearest = shown[np.abs(shown - at).argmin()]
        found[at] = _correlation(*(softened(small[frame], SOFT_BLANK) for frame in (at, nearest))) < DIMMED
    return np.asarray(found)


def _correlation(one: Floats, other: Floats) -> float:
    one, other = one - one.mean(axis=(0, 1)), other - other.mean(axis=(0, 1))
    spread = float(np.sqrt((one * one).mean() * (other * other).mean()))
    return float((one * other).mean()) / spread if spread > 0 else 0.0


def _lumas(pictures: Pixels | list[Pixels]) -> Floats:
    """(3, pictures): the luma that a hundredth of each soft picture is below, half of it, and all but a hundredth."""
    soft = (cv2.GaussianBlur(luma_of(each), (0, 0), SOFT_BLANK) for each in pictures)
    return np.array([quantiles_of(each, (0.01, 0.5, 0.99)) for each in soft]).reshape(-1, 3).T


def _above(values: Floats, references: Floats, limit: float, most: float) -> Floats | None:
    """Which values are above the limit. Without keyframes the clip's own median counts."""
    if float(references.max() if len(references) else np.median(values)) > most:
        return None
    return np.asarray(values > limit)


def _contrasts(pictures: Pixels | list[Pixels]) -> Floats:
    return np.array([contrast_of(softened(picture, SOFT_BLANK)) for picture in pictures])


def _below(values: Floats, references: Floats, limit: float, share: float, least: tuple[float, float]) -> Floats | None:
    """Which values are below the limit. Without keyframes the clip's own median counts: a night is dark.

    least: of a keyframe, and of that median, to show anything.
    """
    if len(references):
        usual = float(references.min())
        if usual < least[0]:
            return None
    else:
        usual = float(np.median(values))
    return np.asarray(values < (limit if usual < least[1] else min(limit, share * usual)))
