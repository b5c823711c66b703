"""How the whole picture moved between two frames: by a shift and a scale, looked for in pictures without detail.

Noise that stands still, plain ground and low contrast have no landmarks of the picture. A disc that is larger all at
once, together with everything around it, still says that the camera leapt.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from wan_render.quality.fades import NOISELESS
from wan_render.quality.samples import Floats, without_mean
from wan_render.quality.small_frames import softened
from wan_render.quality.tracking import pictures_apart
from wan_render.render_values import Pixels

SCALES = tuple(1.11**power for power in range(-4, 5))
"""Sizes of the second picture in terms of the first: 0.66 to 1.52."""

COARSER = 4
"""Pictures that a blur of 4 pixels left without detail need no more than each fourth pixel."""

FARTHEST, LEAST_OVERLAP = 0.35, 0.3
"""Part of each side by which the picture may shift, and share of it that must be seen in both frames."""


@dataclass(frozen=True)
class LargeChanges:
    """What each step changes of the pictures without detail, and so without noise: arrays of one value per step.

    apart: how unlike both pictures are (tracking.pictures_apart). A light changes it little.
    light: the mean change of all samples, 0 to 1.
    """

    apart: Floats
    light: Floats


def large_changes(small: Pixels) -> LargeChanges:
    """small: (frames, height, width, 3) uint8 RGB."""
    pairs = list(pairwise(softened(frame, NOISELESS) for frame in small))
    apart = [pictures_apart(one, other) for one, other in pairs]
    light = [cv2.norm(one, other, cv2.NORM_L1) / one.size for one, other in pairs]
    return LargeChanges(np.array(apart), np.array(light))


def large_motion(one: Floats, other: Floats) -> Floats:
    """The motion, (2, 3), that takes the first picture to the second one best.

    one, other: (height, width, 3) float32 without detail (small_frames.softened, 4 pixels).
    """
    height, width = one.shape[:2]
    size = (max(2, width // COARSER), max(2, height // COARSER))
    first, second = (without_mean(cv2.resize(each, size, interpolation=cv2.INTER_AREA)) for each in (one, other))
    best, found = -1.0, (1.0, 0.0, 0.0)
    for scale in SCALES:
        likeness, right, down = _best_shift(*_scaled(first, scale), second)
        if likeness > best:
            best, found = likeness, (scale, right, down)
    scale, right, down = found
    across, along = width / size[0], height / size[1]
    middle = (1 - scale) * width / 2, (1 - scale) * height / 2
    return np.array(((scale, 0, middle[0] + right * across), (0, scale, middle[1] + down * along)))


def _scaled(picture: Floats, scale: float) -> tuple[Floats, Floats]:
    """The picture around its middle in another size, and where there is something of it: 1, else 0."""
    height, width = picture.shape[:2]
    matrix = np.array(((scale, 0, (1 - scale) * (width - 1) / 2), (0, scale, (1 - scale) * (height - 1) / 2)))
    cover = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (width, height))
    return cv2.warpAffine(picture, matrix, (width, height)), np.asarray(cover > 0.99, np.float32)


def _best_shift(picture: Floats, cover: Floats, other: Floats) -> tuple[float, float, float]:
    """The likeness (cosine) at the best shift, and that shift to the right and down, in pixels."""
    height, width = cover.shape
    size = (2 * height, 2 * width)
    shown = picture * cover[..., None]
    ones = np.conj(np.fft.rfft2(cover, size))
    product = np.sum(np.conj(np.fft.rfft2(shown, size, (0, 1))) * np.fft.rfft2(other, size, (0, 1)), axis=-1)
    overlap = np.fft.irfft2(ones * np.fft.rfft2(np.ones((height, width)), size), size)
    own = np.conj(np.fft.rfft2(np.sum(shown**2, axis=-1), size)) * np.fft.rfft2(np.ones((height, width)), size)
    theirs = ones * np.fft.rfft2(np.sum(other**2, axis=-1), size)
    energies = np.maximum(np.fft.irfft2(own, size), 0) * np.maximum(np.fft.irfft2(theirs, size), 0)
    least = 1e-9 + 1e-6 * float(energies.max())
    likeness = np.fft.irfft2(product, size) / np.sqrt(energies + least)
    down, right = np.meshgrid(_shifts(height), _shifts(width), indexing="ij")
    is_near = (np.abs(down) <= FARTHEST * height) & (np.abs(right) <= FARTHEST * width)
    likeness[(overlap < LEAST_OVERLAP * height * width) | ~is_near] = -1.0
    at = int(likeness.argmax())
    return float(likeness.flat[at]), float(right.flat[at]), float(down.flat[at])


def _shifts(side: int) -> Floats:
    """The shift of each place of a correlation over twice the side."""
    places = np.arange(2 * side)
    return np.where(places < side, places, places - 2 * side)
