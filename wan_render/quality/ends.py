"""Whether a clip begins and ends on its keyframes."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from wan_render.quality.loss import is_loss
from wan_render.quality.samples import Floats, mean_product, mean_square, without_mean
from wan_render.quality.small_frames import lab_of, luma_of, shrunk, softened
from wan_render.quality.tracking import COLOUR_SOFT, LEAST_CONTRAST, SOFT
from wan_render.render_values import Pixels


@dataclass(frozen=True)
class EndMeasures:
    """One end of a clip against its keyframe.

    psnr:     dB, at most 99. A decoded end of a sound Wan take has 22 to 30.
    ssim:     0 to 1, luma.
    light:    how far L of Lab is apart on average.
    colour:   how far a and b of Lab of the same places are apart: the root of the mean square.
    likeness: of structure and contrast, whatever the brightness and the noise: 1 is the same picture, 0 an unrelated
        one.
    mistaken: how much more alike the frame is to the other keyframe; None without one.
    """

    psnr: float
    ssim: float
    light: float
    colour: float
    likeness: float
    mistaken: float | None


def end_measures(frame: Pixels, keyframe: Pixels, other: Pixels | None) -> EndMeasures:
    """Compare an end, (height, width, 3) uint8 RGB, with its keyframe and the other one, all of one size."""
    small, small_keyframe = shrunk(frame), shrunk(keyframe)
    alike = _likeness_in_noise(small, small_keyframe)
    return EndMeasures(
        psnr=_psnr(frame, keyframe),
        ssim=_ssim(frame, keyframe),
        light=abs(float(lab_of(small)[..., 0].mean() - lab_of(small_keyframe)[..., 0].mean())),
        colour=_colour_distance(small, small_keyframe),
        likeness=alike,
        mistaken=_likeness_in_noise(small, shrunk(other)) - alike if other is not None else None,
    )


def _likeness_in_noise(frame: Pixels, keyframe: Pixels) -> float:
    """How alike two small pictures are, but for noise, which may be stronger than a faint keyframe."""
    alike = likeness(frame, keyframe)
    return alike + (1 - alike) * is_loss(frame, keyframe)


def likeness(one: Pixels, other: Pixels) -> float:
    """How alike two small pictures are in structure and contrast, -1 to 1."""
    first, second = (without_mean(softened(picture, SOFT)) for picture in (one, other))
    spread = (mean_square(first) + mean_square(second)) / 2
    return (mean_product(first, second) + LEAST_CONTRAST**2) / (spread + LEAST_CONTRAST**2)


def _colour_distance(one: Pixels, other: Pixels) -> float:
    first, second = (cv2.GaussianBlur(lab_of(picture)[..., 1:], (0, 0), COLOUR_SOFT) for picture in (one, other))
    return float(np.sqrt(((first - second) ** 2).sum(axis=-1).mean()))


def _psnr(one: Pixels, other: Pixels) -> float:
    error = cv2.norm(np.ascontiguousarray(one), np.ascontiguousarray(other), cv2.NORM_L2SQR) / one.size / 255**2
    return min(99.0, -10 * float(np.log10(max(error, 1e-12))))


def _ssim(one: Pixels, other: Pixels) -> float:
    """Wang et al. 2004: a Gaussian window of 1.5 pixels, K1 0.01, K2 0.03; of the luma."""
    first, second = luma_of(one), luma_of(other)

    def mean(values: Floats) -> Floats:
        return cv2.GaussianBlur(values, (11, 11), 1.5)

    mean_one, mean_other = mean(first), mean(second)
    variances = mean(first * first) - mean_one**2 + mean(second * second) - mean_other**2
    shared = mean(first * second) - mean_one * mean_other
    c1, c2 = 0.01**2, 0.03**2
    similar = (2 * mean_one * mean_other + c1) * (2 * shared + c2)
    return float((similar / ((mean_one**2 + mean_other**2 + c1) * (variances + c2))).mean())
