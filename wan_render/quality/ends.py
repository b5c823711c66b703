"""Whether a clip begins and ends on its keyframes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wan_render.quality.small_frames import Floats, shrunk
from wan_render.render_values import Pixels

SOFTNESS = 1.5
"""Standard deviation in pixels of the blur before small pictures are compared: a VAE moves edges by a pixel."""

FLOOR = 0.01
"""Contrast, samples 0 to 1, that counts as none: two flat pictures are alike."""


@dataclass(frozen=True)
class EndMeasures:
    """One end of a clip against its keyframe.

    psnr:     dB. A decoded end of a sound Wan take has 22 to 30.
    ssim:     0 to 1, luma.
    colour:   how far the colours of the same places are apart, in Lab: the length of the median difference.
    likeness: of the structure, whatever the brightness: 1 is the same picture, 0 an unrelated one.
    other:    the likeness to the other keyframe; None without one.
    """

    psnr: float
    ssim: float
    colour: float
    likeness: float
    other: float | None


def end_measures(frame: Pixels, keyframe: Pixels, other: Pixels | None) -> EndMeasures:
    """Compare an end, (height, width, 3) uint8 RGB, with its keyframe and the other one, all of one size."""
    small, small_keyframe = shrunk(frame), shrunk(keyframe)
    return EndMeasures(
        psnr=_psnr(frame, keyframe),
        ssim=_ssim(frame, keyframe),
        colour=colour_difference(small, small_keyframe),
        likeness=likeness(small, small_keyframe),
        other=likeness(small, shrunk(other)) if other is not None else None,
    )


def likeness(one: Pixels, other: Pixels) -> float:
    """How alike two small pictures are in structure and contrast, -1 to 1."""
    first, second = (_soft(picture) for picture in (one, other))
    first, second = first - first.mean(axis=(0, 1)), second - second.mean(axis=(0, 1))
    shared = float((first * second).mean())
    spread = float((first * first).mean() + (second * second).mean()) / 2
    return (shared + FLOOR**2) / (spread + FLOOR**2)


def lab(small: Pixels) -> Floats:
    """CIE Lab, (height, width, 3) float32: L 0 to 100, a and b about -100 to 100."""
    return cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def colour_difference(one: Pixels, other: Pixels) -> float:
    """The length of the median difference of two small pictures in Lab."""
    difference = (lab(one) - lab(other)).reshape(-1, 3)
    return float(np.linalg.norm(np.median(difference, axis=0)))


def _soft(small: Pixels) -> Floats:
    return cv2.GaussianBlur(small.astype(np.float32) / 255, (0, 0), SOFTNESS)


def _psnr(one: Pixels, other: Pixels) -> float:
    """At most 99 dB, for equal pictures."""
    error = cv2.norm(one, other, cv2.NORM_L2SQR) / one.size / 255**2
    return min(99.0, -10 * float(np.log10(max(error, 1e-12))))


def _ssim(one: Pixels, other: Pixels) -> float:
    """Wang et al. 2004: a Gaussian window of 1.5 pixels, K1 0.01, K2 0.03; of the luma."""
    first, second = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255 for picture in (one, other))

    def mean(values: Floats) -> Floats:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mean_one, mean_other = mean(first), mean(second)
    variances = mean(first * first) - mean_one**2 + mean(second * second) - mean_other**2
    shared = mean(first * second) - mean_one * mean_other
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean_one * mean_other + c1) * (2 * shared + c2)
    return float((similar / ((mean_one**2 + mean_other**2 + c1) * (variances + c2))).mean())
