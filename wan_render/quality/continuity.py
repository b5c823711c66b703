"""Jumps and cuts: steps that do not follow from their neighbours, with the clip's own motion as the measure.

A step stands out if its content is new (Steps.broken and .apart) while that of its neighbours is not. A camera that
moves fast has large steps everywhere, and a step that optical flow explains is no cut. A lamp changes .apart, but not
.broken; noise on the keyframe's frame changes .broken, but not .apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wan_render.quality.small_frames import Floats
from wan_render.quality.tracking import Steps

END_STEPS = 8
"""How many steps from an end a jump is late: two latents of Wan, of four frames each."""

NEIGHBOURS = 4
"""How many steps nearby say what is usual: the middle two of them. A flash disturbs one of them."""

JUMP_APART, CUT_APART = 0.2, 0.35
"""Steps.apart of content that is clearly new: in a jump, and in a cut."""

NEW_PART = 0.15
"""Steps.new of a step that changes much of the picture. A ball on a plain ground changes less."""

NEW_CONTENT = 0.2
"""Steps.broken of content that is clearly new. A lamp in a part of the picture makes less."""

FLOW_FAILS = 0.45
"""Steps.broken from which on the flow explains nothing, so that its length says nothing."""


HELD_SHARE = 0.15
"""A step is held, as in animation on twos or threes, if Steps.unlike is below this share of the clip's large steps."""

HELD_REACH = 12
"""Steps between held ones are compared with others that are at most so far away."""

LEAST_UNLIKE = 0.02
"""Steps.unlike of a step that is more than noise."""

LEAST_MOVING = 3
"""Fewer steps between held ones say nothing."""

RHYTHM, RHYTHM_SHARE = 12, 0.55
"""Among so many neighbours, at least half are held if they have less than this share of the second largest: noise in a
picture of little contrast is not far below a small motion."""


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
    near = _neighbours(steps.unlike)
    content = np.sqrt(_outstanding(steps.broken, 0.05, near) * _outstanding(steps.apart, 0.05, near))
    travel = np.minimum(_outstanding(steps.moved, 1.0, near), _outstanding(steps.unlike, 0.06, near))
    travel = np.where(steps.broken < FLOW_FAILS, travel, 0)
    jumps = np.maximum(_where_new(content, steps, JUMP_APART), travel)
    jumps[END_STEPS : max(END_STEPS, count - END_STEPS)] = 0
    cuts = np.maximum(_where_new(content, steps, CUT_APART), travel)
    jump_at, cut_at = int(jumps.argmax()), int(cuts.argmax())
    return ContinuityMeasures(float(jumps[jump_at]), jump_at + 1, float(cuts[cut_at]), cut_at + 1)


def _where_new(content: Floats, steps: Steps, enough: float) -> Floats:
    """content, but nearer to 1 where the pictures are less apart, less broken or less new than a jump or a cut makes
    them."""
    parts = (steps.apart / enough, steps.broken / NEW_CONTENT, steps.new / NEW_PART)
    share = np.clip(np.min(parts, axis=0), 0, 1) ** 2
    return np.asarray(1 + (content - 1) * share)


def _outstanding(values: Floats, floor: float, near: Sequence[Sequence[list[int]]]) -> Floats:
    """Each value over what is usual near it: the mean of the middle two of its neighbours. floor: a value that is
    usual."""
    usual = np.array([max(_middle(values[others]) for others in lists) for lists in near])
    return np.asarray((values + floor) / (usual + floor))


def _middle(values: Floats) -> float:
    ordered = np.sort(values)
    return float(ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1].mean()) if len(ordered) else 0.0


def _held(unlike: Floats) -> Floats:
    """Which steps repeat a frame, but for noise."""
    return np.asarray(unlike < HELD_SHARE * np.quantile(unlike, 0.9))


def _neighbours(unlike: Floats) -> Sequence[Sequence[list[int]]]:
    """The steps that say what is usual for each step, in one or two lists: its nearest NEIGHBOURS, without held ones
    if others are in reach; and those between held ones."""
    every, moving = np.arange(len(unlike)), np.flatnonzero(~_held(unlike))
    found = []
    for at in range(len(unlike)):
        near = _nearest(moving, at, NEIGHBOURS, HELD_REACH)
        near = near if len(near) >= LEAST_MOVING else _nearest(every, at, NEIGHBOURS)
        found.append((near, _in_rhythm(unlike, _nearest(every, at, RHYTHM))))
    return found


def _in_rhythm(unlike: Floats, near: Sequence[int]) -> list[int]:
    """The steps between held ones, if at least half of them are held, without the largest: a flash has two."""
    if len(near) < RHYTHM:
        return []
    largest, second = sorted(near, key=lambda step: -float(unlike[step]))[:2]
    moving = [step for step in near if unlike[step] >= RHYTHM_SHARE * unlike[second] and step != largest]
    return moving if unlike[second] > LEAST_UNLIKE and len(moving) < len(near) // 2 else []


def _nearest(steps: Floats, at: int, count: int, reach: int | None = None) -> list[int]:
    within = [int(step) for step in steps if step != at and (reach is None or abs(step - at) <= reach)]
    return sorted(within, key=lambda step: abs(step - at))[:count]
