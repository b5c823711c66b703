"""Jumps, cuts and freezes: where one frame does not follow from the one before."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from wan_render.quality.small_frames import Floats, frame_difference
from wan_render.render_values import Pixels

END_STEPS = 8
"""How many steps from an end a jump is late: two latents of Wan, of four frames each."""

LEAST_STEP = 1 / 255
"""A step below one level of 8 bits is invisible."""

STILL = 0.1
"""A frame stands still if its step is below this part of the clip's usual step."""


@dataclass(frozen=True)
class ContinuityMeasures:
    """Steps between frames, in the usual step of the clip; where the largest ones are; how long it stands still."""

    motion: float
    jump: float
    jump_at: int
    cut: float
    cut_at: int
    freeze: int
    freeze_at: int


def continuity_measures(small: Pixels) -> ContinuityMeasures:
    """small: (frames, height, width, 3) uint8 RGB, at least two frames."""
    steps = np.array([frame_difference(one, other) for one, other in pairwise(small)])
    usual = max(float(np.median(steps)), LEAST_STEP)
    inside = np.zeros(len(steps), bool)
    inside[END_STEPS : len(steps) - END_STEPS] = True
    jump_at, jump = _largest(steps, ~inside)
    cut_at, cut = _largest(steps, np.ones(len(steps), bool))
    freeze_at, freeze = _longest_still(steps)
    return ContinuityMeasures(
        float(np.median(steps)), jump / usual, jump_at + 1, cut / usual, cut_at + 1, freeze, freeze_at
    )


def _largest(steps: Floats, where: Floats) -> tuple[int, float]:
    at = int(np.argmax(np.where(where, steps, -1.0)))
    return at, float(steps[at])


def _longest_still(steps: Floats) -> tuple[int, int]:
    """Where the longest run of still frames begins, and how many frames it has. A clip that never moves has none."""
    usual = float(np.quantile(steps, 0.9))
    if usual < LEAST_STEP:
        return 0, 0
    best, since = (0, 0), 0
    for at, step in enumerate([*steps, 1.0]):
        if step >= STILL * usual:
            best = max(best, (at - since, -since))
            since = at + 1
    return -best[1], best[0] + 1 if best[0] else 0
