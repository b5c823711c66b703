"""Jumps and cuts: steps that do not follow from their neighbours, with the clip's own motion as the measure.

A step stands out if its content is new (Steps.broken and .apart) while that of its neighbours is not. A camera that
moves fast has large steps everywhere, and a step that optical flow explains is no cut. A lamp changes .apart, but not
.broken; noise on the keyframe's frame changes .broken, but not .apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from wan_render.quality.small_frames import Floats
from wan_render.quality.tracking import Steps

END_STEPS = 8
"""How many steps from an end a jump is late: two latents of Wan, of four frames each."""

NEIGHBOURS = 4
"""How many steps nearby say what is usual: the middle two of them. A flash disturbs one of them."""

JUMP_APART, CUT_APART = 0.18, 0.35
"""Steps.apart of content that is clearly new: in a jump, and in a cut."""

NEW_CONTENT = 0.2
"""Steps.broken of content that is clearly new. A lamp in a part of the picture makes less."""

FLOW_FAILS = 0.45
"""Steps.broken from which on the flow explains nothing, so that its length says nothing."""


@dataclass(frozen=True)
class ContinuityMeasures:
    """How far the most outstanding step stands out from its neighbours (1: not at all), and the frame after it."""

    jump: float
    jump_at: int
    cut: float
    cut_at: int


def continuity_measures(steps: Steps) -> ContinuityMeasures:
    """Jumps are looked for near the ends, cuts everywhere."""
    count = len(steps.broken)
    content = np.sqrt(_outstanding(steps.broken, 0.05) * _outstanding(steps.apart, 0.05))
    travel = np.minimum(_outstanding(steps.moved, 1.0), _outstanding(steps.unlike, 0.06))
    travel = np.where(steps.broken < FLOW_FAILS, travel, 0)
    jumps = np.maximum(_where_new(content, steps, JUMP_APART), travel)
    jumps[END_STEPS : max(END_STEPS, count - END_STEPS)] = 0
    cuts = np.maximum(_where_new(content, steps, CUT_APART), travel)
    jump_at, cut_at = int(jumps.argmax()), int(cuts.argmax())
    return ContinuityMeasures(float(jumps[jump_at]), jump_at + 1, float(cuts[cut_at]), cut_at + 1)


def _where_new(content: Floats, steps: Steps, enough: float) -> Floats:
    """content, but nearer to 1 where the pictures are less apart, or less broken, than a jump or a cut makes them."""
    share = np.clip(np.minimum(steps.apart / enough, steps.broken / NEW_CONTENT), 0, 1) ** 2
    return np.asarray(1 + (content - 1) * share)


def _outstanding(values: Floats, floor: float) -> Floats:
    """Each value over that of its neighbours. floor: a value that is usual."""
    return np.asarray((values + floor) / (_of_neighbours(values) + floor))


def _of_neighbours(values: Floats) -> Floats:
    """The mean of the middle two of the nearest NEIGHBOURS values."""
    if len(values) == 1:
        return np.zeros(1)
    found = np.empty(len(values))
    for at in range(len(values)):
        start = max(0, at - NEIGHBOURS)
        others = [other for other in range(start, min(len(values), at + NEIGHBOURS + 1)) if other != at]
        nearest = sorted(others, key=partial(_distance, at))[:NEIGHBOURS]
        near = np.sort(values[nearest])
        found[at] = near[(len(near) - 1) // 2 : len(near) // 2 + 1].mean()
    return found


def _distance(one: int, other: int) -> int:
    return abs(one - other)
