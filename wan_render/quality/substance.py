"""Black frames, flat frames, noise and blur: frames that show nothing, or not enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wan_render.quality.small_frames import Floats, detail_energy, luma_of, shrunk
from wan_render.render_values import Pixels

BLACK = 0.04
"""Luma that counts as black, of the brightest hundredth of a picture; 10 of 255."""

FLAT = 2 / 255
"""Contrast that counts as none."""

SHARP_BAND = 2
"""The octave of detail, of 4 to 8 pixels, that a VAE keeps and a blur removes."""

LEAST_DETAIL = 1e-5
"""Energy of an octave that counts as none: contrast of 0.8 of 255."""


@dataclass(frozen=True)
class SubstanceMeasures:
    """How many frames are black or flat, the first of each, and detail in that of the reference."""

    black: int | None
    black_at: int
    flat: int | None
    flat_at: int
    noise: float
    noise_at: int
    sharpness: float
    sharpness_at: int


def substance_measures(small: Pixels, detail: Floats, keyframes: list[Pixels]) -> SubstanceMeasures:
    """small: (frames, height, width, 3) uint8 RGB; keyframes: those that there are, in full size."""
    lumas = [luma_of(frame) for frame in small]
    bright, contrast = _bright(lumas), _contrast(lumas)
    references = [luma_of(shrunk(keyframe)) for keyframe in keyframes]
    black, black_at = _frames_below(bright, BLACK, _bright(references))
    flat, flat_at = _frames_below(contrast, FLAT, _contrast(references))
    usual = np.array([detail_energy(keyframe) for keyframe in keyframes]) if keyframes else detail
    noise = detail[:, 0] / max(float(usual[:, 0].max()), LEAST_DETAIL)
    sharp = detail[:, SHARP_BAND] / max(float(np.median(usual[:, SHARP_BAND])), LEAST_DETAIL)
    return SubstanceMeasures(
        black, black_at, flat, flat_at, float(noise.max()), int(noise.argmax()), float(sharp.min()), int(sharp.argmin())
    )


def _bright(lumas: list[Floats]) -> Floats:
    return np.array([np.quantile(each, 0.99) for each in lumas])


def _contrast(lumas: list[Floats]) -> Floats:
    return np.array([each.std() for each in lumas])


def _frames_below(values: Floats, limit: float, references: Floats) -> tuple[int | None, int]:
    """How many values are below the limit, and the first of them; None if a keyframe is below it as well."""
    if len(references) and references.min() < limit:
        return None, 0
    below = values < limit
    return int(below.sum()), int(below.argmax())
