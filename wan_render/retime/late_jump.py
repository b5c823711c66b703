"""A late jump: the step near the end of a take in which it leaps to its last keyframe.

The frames around the leap are shown at other moments, so that all steps there are equally long. The leap itself is
filled with frames in between its two sides. Both sides are rendered frames, and so is the last frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wan_render.retime.motion_curve import Floats

MOST_STEPS = 12
"""How many steps on each side of a leap may be changed: 0.75 s at 16 frames per second."""

FASTER = 1.5
"""How much faster than usual the evened steps may be, if there is room for more of them."""

LEAST_LEAP = 1.5
"""A step that is not so much longer than usual is no leap: the picture changes, but does not move."""

LEAST_SHARE = 0.1
"""Of the usual step: a frame that stands still is shown for a moment, too."""


@dataclass(frozen=True)
class EvenedSteps:
    """The steps that are evened: [first, end). leap: the length of the longest one over the usual one."""

    first: int
    end: int
    leap: float


def usual_step(speeds: Floats, first: int, end: int) -> float:
    """The median of the steps outside [first, end), or of all if there are none."""
    others = np.concatenate([speeds[:first], speeds[end:]])
    return float(np.median(others if len(others) else speeds))


def evened_steps(speeds: Floats, leap: int) -> EvenedSteps | None:
    """The steps around a leap that have to be evened. None if step `leap` is not longer than usual.

    speeds: (steps,) of the clip.
    """
    usual = usual_step(speeds, max(0, leap - MOST_STEPS), leap + MOST_STEPS + 1)
    if usual <= 0 or speeds[leap] < LEAST_LEAP * usual:
        return None
    first, end = leap, leap + 1
    for reach in range(1, MOST_STEPS + 1):
        first, end = max(0, leap - reach), min(len(speeds), leap + reach + 1)
        if speeds[first:end].mean() <= FASTER * usual:
            break
    return EvenedSteps(first, end, float(speeds[leap] / usual))


def evening_weights(speeds: Floats, steps: EvenedSteps) -> Floats:
    """(steps,) for how long each step is shown: 1 outside of the evened ones, and 1 on average within."""
    weights = np.ones(len(speeds))
    inside = speeds[steps.first : steps.end]
    shown = np.maximum(inside, LEAST_SHARE * inside.mean())
    weights[steps.first : steps.end] = shown / shown.mean()
    return weights
