"""Freezes: frames that repeat while the clip moves otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from wan_render.quality.small_frames import Floats, frame_difference
from wan_render.render_values import Pixels

STILL_SHARE, LEAST_STILL, MOST_STILL = 0.12, 0.15, 0.6
"""A frame stands still if nothing in it moves by more than this share of the clip's usual motion, and in any case
below and above these levels of 255: noise that a frozen picture may have."""

LEAST_MOTION = 1.0
"""Levels of 255. A clip that usually moves less cannot freeze."""

LEAST_CHANGE = 0.006
"""Steps.unlike. A clip whose structure usually changes less stands still, whatever its light does."""

ABRUPT = 0.4
"""A freeze begins or ends at once: next to it the clip moves by at least this share of its usual motion. Whatever comes
to rest slows down before."""

LEAST_RUN = 5
"""Frames. Shorter runs are film that was drawn on twos or threes."""


@dataclass(frozen=True)
class FreezeMeasures:
    """The longest freeze in frames and as a share of the clip, and where it begins. motion: Measurements.motion."""

    frames: int
    share: float
    at: int
    motion: float


def freeze_measures(small: Pixels, unlike: Floats) -> FreezeMeasures:
    """small: (frames, height, width, 3) uint8 RGB, at least two frames. unlike: Steps.unlike."""
    differences = np.array([frame_difference(one, other) for one, other in pairwise(small)])
    motion = float(np.median(differences))
    strongest = np.array([_strongest_change(one, other) for one, other in pairwise(small)])
    usual = float(np.quantile(strongest, 0.85))
    if usual < LEAST_MOTION or float(np.quantile(unlike, 0.85)) < LEAST_CHANGE:
        return FreezeMeasures(0, 0.0, 0, motion)
    still = strongest < np.clip(STILL_SHARE * usual, LEAST_STILL, MOST_STILL)
    runs = [(end - start, start) for start, end in _runs(still) if _is_abrupt(differences, start, end)]
    length, start = max(runs, key=lambda run: (run[0], -run[1]), default=(0, 0))
    return (
        FreezeMeasures(length + 1, (length + 1) / len(small), start, motion)
        if length
        else FreezeMeasures(0, 0.0, 0, motion)
    )


def _strongest_change(one: Pixels, other: Pixels) -> float:
    """Levels of 255, of the places that change most. Noise is averaged out: its sign differs from pixel to pixel."""
    change = np.abs(cv2.GaussianBlur(one.astype(np.float32) - other, (0, 0), 1.5)).ravel()
    at = int(0.995 * (change.size - 1))
    return float(np.partition(change, at)[at])


def _runs(still: Floats) -> list[tuple[int, int]]:
    """Runs of still steps that are long enough, as [start, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(int(start), int(end)) for start, end in pairs if end - start >= LEAST_RUN - 1]


def _is_abrupt(differences: Floats, start: int, end: int) -> bool:
    outside = np.concatenate([differences[:start], differences[end:]])
    if not len(outside):
        return False
    least = ABRUPT * float(np.median(outside))
    return bool(
        (start > 0 and differences[start - 1] >= least) or (end < len(differences) and differences[end] >= least)
    )
