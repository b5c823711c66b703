"""Which steps say what is usual for a step: those nearby, but for drawings that are held, and flashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wan_render.quality.samples import Floats
from wan_render.quality.tracking import RETURNS

NEIGHBOURS = 4
"""How many steps nearby say what is usual: the middle two of them, and the larger of those beside it. What moves faster
and faster has a large step beside its largest one, and a cut has none."""

ERRATIC = 12
"""Among so many neighbours, the second largest step is usual as well: a hand that shakes has several. A cut is one
step, and a flash two."""

RETURN = 0.6
"""A step and another one are a flash if Steps.back is below this share of Steps.unlike: the picture returns. They are
not beside each other then."""

PLAIN_SHARE = 0.35
"""And if what is between them has less than this share of the contrast before and after, however the camera moves:
plain frames have up to 0.22."""

HELD_SHARE = 0.15
"""A step is held, as in animation on twos or threes, if Steps.unlike is below this share of the clip's large steps."""

HELD_REACH = 12
"""Steps between held ones are compared with others that are at most so far away."""

PACED, MOST_HELD = 8, 4
"""So many steps say how far the picture moves in a step, and a drawing is held for at most so many."""

AS_STRONG = 0.3
"""A step that changes the picture by this share of another one is expected to move it as far."""

LEAST_IN_RHYTHM = 2
"""One step is no rhythm: it may be the other end of what was cut in."""

LEAST_MOVING = 3
"""Fewer steps between held ones say nothing."""

RHYTHM, RHYTHM_SHARE = 12, 0.55
"""Among so many neighbours, at least half are held if they have less than this share of the second largest: noise in a
picture of little contrast is not far below a small motion."""

LEAST_UNLIKE = 0.02
"""Steps.unlike of a step that is more than noise."""


@dataclass(frozen=True)
class StepNeighbours:
    """The steps that say what is usual for a step.

    near:   its nearest NEIGHBOURS, without held ones if others are in reach.
    beside: the nearest of them before and after it, but for a flash.
    rhythm: those between held ones.
    around: its nearest ERRATIC.
    paced:  its nearest PACED that are not held between two drawings. Slow parts of a clip are none of those.
    """

    near: list[int]
    beside: list[int]
    rhythm: list[int]
    around: list[int]
    paced: list[int]

    def usual(self, values: Floats) -> float:
        """The largest of the middle one, those beside it, and the second largest around."""
        found = [self.middle(values), *map(float, values[self.beside])]
        return max(*found, sorted(values[self.around].tolist())[-2]) if len(self.around) > 1 else max(found)

    def middle(self, values: Floats) -> float:
        """Less strict: one fast step nearby changes nothing."""
        return max(_middle(values[self.near]), _middle(values[self.rhythm]))


def _middle(values: Floats) -> float:
    ordered = sorted(values.tolist())  # these are few: numpy would take several times as long
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2 if ordered else 0.0


def _held(unlike: Floats) -> Floats:
    """Which steps repeat a frame, but for noise."""
    return np.asarray(unlike < HELD_SHARE * np.quantile(unlike, 0.9))


def _short_runs(held: Floats) -> Floats:
    """The held steps between drawings on twos to fives, without longer runs."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], held.astype(int), [0]])))
    found = np.zeros(len(held), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        found[start:end] = end - start <= MOST_HELD
    return found


def step_neighbours(unlike: Floats, back: Floats, spread: Floats) -> Sequence[StepNeighbours]:
    """Of each step. All three are fields of Steps."""
    every, held = np.arange(len(unlike)), _held(unlike)
    moving, paced = np.flatnonzero(~held), np.flatnonzero(~_short_runs(held))
    found = []
    for at in range(len(unlike)):
        near = _nearest(moving, at, NEIGHBOURS, HELD_REACH)
        near = near if len(near) >= LEAST_MOVING else _nearest(every, at, NEIGHBOURS)
        sides = (*[step for step in near if step < at][:1], *[step for step in near if step > at][:1])
        beside = [step for step in sides if not _is_flash(unlike, back, spread, step, at)]
        rhythm = _in_rhythm(unlike, _nearest(every, at, RHYTHM))
        around, pace = _nearest(every, at, ERRATIC), _nearest(paced, at, PACED)
        found.append(StepNeighbours(near, beside, rhythm, around, pace))
    return found


def _is_flash(unlike: Floats, back: Floats, spread: Floats, one: int, other: int) -> bool:
    first, between = min(one, other), abs(one - other)
    if between > RETURNS:
        return False
    outside = min(spread[first], spread[first + between + 1])
    is_plain = max(spread[first + 1 : first + between + 1]) < PLAIN_SHARE * outside
    return bool(is_plain or back[first, between - 1] < RETURN * max(unlike[one], unlike[other]))


def _in_rhythm(unlike: Floats, near: Sequence[int]) -> list[int]:
    """The steps between held ones, if at least half of them are held, without the largest: a flash has two."""
    if len(near) < RHYTHM:
        return []
    largest, second = sorted(near, key=lambda step: -float(unlike[step]))[:2]
    moving = [step for step in near if unlike[step] >= RHYTHM_SHARE * unlike[second] and step != largest]
    is_rhythm = LEAST_IN_RHYTHM <= len(moving) < len(near) // 2
    return moving if unlike[second] > LEAST_UNLIKE and is_rhythm else []


def _nearest(steps: Floats, at: int, count: int, reach: int | None = None) -> list[int]:
    """Of steps in their order: the nearest ones, at most so far away."""
    place, end = (int(each) for each in np.searchsorted(steps, (at, at + 1)))
    around = [*steps[max(0, place - count) : place].tolist(), *steps[end : end + count].tolist()]
    within = [step for step in around if reach is None or abs(step - at) <= reach]
    return sorted(within, key=lambda step: abs(step - at))[:count]


def as_strong(unlike: Floats, at: int) -> list[int]:
    """The nearest step before and after one, within PACED, that changes the picture about as much."""
    strong = np.flatnonzero(unlike >= AS_STRONG * unlike[at])
    sides = (_nearest(strong[strong < at], at, 1, PACED), _nearest(strong[strong > at], at, 1, PACED))
    return [step for side in sides for step in side]
