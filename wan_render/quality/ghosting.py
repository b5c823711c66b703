"""Double exposures: frames between two unlike keyframes that a blend of both explains."""

from __future__ import annotations

import numpy as np

from wan_render.quality.ends import likeness
from wan_render.quality.small_frames import Floats, shrunk, softened
from wan_render.quality.tracking import LEAST_CONTRAST, structure_of, unlikeness
from wan_render.render_values import Pixels

ALIKE = 0.4
"""Keyframes that are at least so alike (ends.likeness) have no ghosts: what is between them looks like both."""

SAME_STRUCTURE = 0.65
"""Keyframes whose structure is less unlike show the same place in another light (tracking.unlikeness)."""

SOFT = 2.0
"""Blur in pixels: pictures that move a little while they are blended are ghosts as well."""

LEAST_PART = 0.2
"""Part of each keyframe in a double exposure."""

SHARE = 0.1
"""A clip is as ghostly as the frame above which this share of its frames are."""


def ghost_measure(small: Pixels, first: Pixels, last: Pixels) -> tuple[float, int] | None:
    """The share of a frame's variance that a blend of the keyframes explains, reached by a tenth of the frames, and the
    ghostliest frame. None if the keyframes are alike.

    small: (frames, height, width, 3) uint8 RGB; first, last: in full size.
    """
    one, other = shrunk(first), shrunk(last)
    if likeness(one, other) >= ALIKE or unlikeness(structure_of(one), structure_of(other)) < SAME_STRUCTURE:
        return None
    blended = _explained(small, _centred(one), _centred(other))
    count = max(1, int(SHARE * len(blended)))
    return float(np.sort(blended)[-count]), int(blended.argmax())


def _explained(small: Pixels, one: Floats, other: Floats) -> Floats:
    """For each frame: the share of its variance that the best blend of two pictures explains; 0 if the blend has less
    than LEAST_PART of either."""
    none = LEAST_CONTRAST**2
    mixed = _mean(one * other)
    matrix = np.array(((_mean(one * one) + none, mixed), (mixed, _mean(other * other) + none)))
    found = np.zeros(len(small))
    for at, frame in enumerate(small):
        picture = _centred(frame)
        parts = np.linalg.solve(matrix, (_mean(picture * one), _mean(picture * other)))
        if parts.min() >= LEAST_PART:
            rest = picture - parts[0] * one - parts[1] * other
            found[at] = 1 - _mean(rest * rest) / (_mean(picture * picture) + none)
    return found


def _centred(small: Pixels) -> Floats:
    picture = softened(small, SOFT)
    return np.asarray(picture - picture.mean(axis=(0, 1)))


def _mean(values: Floats) -> float:
    return float(values.mean())
