"""Freezes: frames that repeat while the clip moves otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import frame_difference, strongest_change
from wan_render.render_values import Pixels

STILL_SHARE, LEAST_STILL, MOST_STILL = 0.12, 0.15, 0.6
"""A frame stands still if nothing in it moves by more than this share of the clip's usual motion, and in any case
below and above these levels of 255: noise that a frozen picture may have."""

NOISIER, NOT_MOVED = 1.25, 1.6
"""There may be more noise. Then a frame stands still if it changes by up to the first, in terms of the clip's least
change, and if such a run, from its first frame to its last, changes by up to the second, in terms of its usual step.
Noise does not add up, and slow motion does."""

LEAST_MOTION = 1.0
"""Levels of 255. A clip that usually moves less cannot freeze."""

LEAST_CHANGE = 0.1
"""Change of the structure of the places that change most (Steps.stirred). A clip that usually
has less stands still, whatever its light does."""

ABRUPT = 0.4
"""A freeze begins or ends at once: next to it the clip moves by at least this share of its usual motion. Whatever comes
to rest slows down before."""

LEAST_ABRUPT = 0.05 / 255
"""What moves less, 0 to 1, neither stops nor starts at once."""

BORDER = 0.2
"""Share of each side where motion does not count for that."""

LEAST_RUN = 5
"""Frames. Shorter runs are film that was drawn on twos or threes."""


@dataclass(frozen=True)
class FreezeMeasures:
    """The longest freeze in frames and as a share of the clip, and where it begins. motion: Measurements.motion."""

    frames: int
    share: float
    at: int
    motion: float


def freeze_measures(small: Pixels, stirred: Floats) -> FreezeMeasures:
    """small: (frames, height, width, 3) uint8 RGB, at least two frames. stirred: Steps.stirred."""
    differences = np.array([frame_difference(one, other) for one, other in pairwise(small)])
    motion = float(np.median(differences))
    inner = np.array([frame_difference(one, other) for one, other in pairwise(_without_border(small))])
    strongest = np.array([strongest_change(one, other) for one, other in pairwise(small)])
    usual = float(np.quantile(strongest, 0.85))
    if usual < LEAST_MOTION or float(np.quantile(stirred, 0.85)) < LEAST_CHANGE:
        return FreezeMeasures(0, 0.0, 0, motion)
    limit = np.clip(STILL_SHARE * usual, LEAST_STILL, MOST_STILL)
    noisy = max(limit, min(STILL_SHARE * usual, NOISIER * float(strongest.min())))
    found = _runs(strongest < limit)
    found += [run for run in _runs(strongest < noisy) if not _has_moved(small, strongest, *run)]
    runs = [(end - start, start) for start, end in found if _is_abrupt(inner, start, end)]
    length, start = max(runs, key=lambda run: (run[0], -run[1]), default=(0, 0))
    return (
        FreezeMeasures(length + 1, (length + 1) / len(small), start, motion)
        if length
        else FreezeMeasures(0, 0.0, 0, motion)
    )


def _without_border(small: Pixels) -> Pixels:
    """What leaves the picture moves at its border last."""
    rows, columns = (int(BORDER * side) for side in small.shape[1:3])
    return np.ascontiguousarray(small[:, rows : small.shape[1] - rows, columns : small.shape[2] - columns])


def _runs(still: Floats) -> list[tuple[int, int]]:
    """Runs of still steps that are long enough, as [start, end)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], still.astype(int), [0]])))
    pairs = zip(edges[::2], edges[1::2], strict=True)
    return [(int(start), int(end)) for start, end in pairs if end - start >= LEAST_RUN - 1]


def _has_moved(small: Pixels, strongest: Floats, start: int, end: int) -> bool:
    return strongest_change(small[start], small[end]) > NOT_MOVED * float(np.median(strongest[start:end]))


def _is_abrupt(differences: Floats, start: int, end: int) -> bool:
    differences = differences - np.median(differences[start:end])  # of noise
    outside = np.concatenate([differences[:start], differences[end:]])
    if not len(outside):
        return False
    least = max(LEAST_ABRUPT, ABRUPT * float(np.median(outside)))
    begins = start > 1 and differences[start - 1] >= least  # the first and the last step may be the loss of an end
    ends = end < len(differences) - 1 and differences[end] >= least
    return bool(begins or ends)
