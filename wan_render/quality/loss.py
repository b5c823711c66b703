"""Whether two pictures differ by noise alone, as a decoded frame does from its keyframe, however faint that is."""

from __future__ import annotations

import numpy as np

from wan_render.quality.small_frames import contrast_of, softened
from wan_render.render_values import Pixels

FINE, COARSE = 1.5, 6.0
"""Blur in pixels of the small copy. Noise loses most of its energy between the two, and a picture little."""

LEAST_FALL, FULL_FALL = 5.0, 8.0
"""Energy of a difference after the fine blur, in terms of that after the coarse one, from which on it begins to be
noise, and is noise altogether: 9 or more for the loss of a VAE, up to 7 between faint pictures."""

FULL_LOSS, MOST_LOSS = 10 / 255, 13 / 255
"""Contrast of the difference after the fine blur, samples 0 to 1, up to which a VAE loses as much, and from which on it
does not. The worst loss of 22 dB has 8; gravel in place of grass 29."""

NONE = 1e-6
"""Contrast that counts as none."""


def is_loss(one: Pixels, other: Pixels) -> float:
    """0 to 1: how surely the difference of two small pictures, (height, width, 3) uint8 RGB, is noise."""
    fine, coarse = (contrast_of(softened(one, blur) - softened(other, blur)) for blur in (FINE, COARSE))
    fall = (fine / max(coarse, NONE)) ** 2
    is_noise = np.clip((fall - LEAST_FALL) / (FULL_FALL - LEAST_FALL), 0, 1)
    is_weak = np.clip((MOST_LOSS - fine) / (MOST_LOSS - FULL_LOSS), 0, 1)
    return float(is_noise * is_weak)
