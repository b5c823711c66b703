"""What landmarks say of a step that stands out: whether its content is new, or the picture leapt.

Optical flow gives up where a camera is fast, something passes close by, or a curtain opens. Landmarks are found again
there. After a cut none is, although each side has many of its own.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wan_render.quality.landmarks import Landmarks, Shared
from wan_render.quality.tracking import RETURNS

ENOUGH = 12
"""Landmarks that a step must keep before it says anything. Unrelated pictures share up to 10 by chance, and once 15."""

CHANCE = 3
"""Landmarks that are added to both sides of a ratio: so few may be chance."""

LEAST_LEAP = 6
"""Landmarks that a leap keeps."""

LEAST_AGREEMENT = 0.8
"""So many landmarks where the soft pictures agree less (Shared.agrees) are of noise and say nothing."""

SLOW, TOO_FAST_TO_TELL = 12.0, 30.0
"""Shared.reach beside a step from which on lost landmarks say less, and nothing: a whip pan loses its own."""

REACH_FLOOR = 3.0
"""Shared.reach that is usual: the loss of a VAE moves landmarks."""

LEAP_SHARE = 0.68
"""A shaking hand makes steps that are twice as long as both neighbours."""

MOST_UNEXPLAINED, CLOSE = 0.3, 2
"""Shared.change of a step that its motion must explain, if it is at most so many steps from a leap or a cut."""

LEAST_LEAP_PROOF, FULL_LEAP_PROOF = 0.3, 0.6
"""Shared.explains from which on the picture follows its landmarks in part, and altogether. What passes in front of it
has landmarks as well."""


@dataclass(frozen=True)
class StepProof:
    """How far a step is outstanding among its neighbours (1: not at all).

    lost: by the landmarks that it loses; None if there are too few beside it to tell. leap: by how far it moves those
    that it keeps. passes: something large passes right beside it, which hides landmarks as a cut does.
    """

    lost: float | None
    leap: float
    passes: bool = False


@dataclass(frozen=True)
class _Side:
    """The nearest moving step on one side. kept: its landmarks; or those of a frame that comes back after a flash."""

    step: Shared
    kept: int


def step_proof(
    landmarks: Landmarks,
    at: int,
    frames: int,
    near: Sequence[int],
    paced: Sequence[int] = (),
    alike: Sequence[int] = (),
    beside: Sequence[int] = (),
) -> StepProof | None:
    """None if there are too few landmarks to tell.

    at: the step from frame `at` to the next one, of a clip of so many frames. near: the steps nearby that move.
    paced: the steps nearby that say how far the picture usually moves, or near if there are none. alike: those beside
    it that change the picture about as much. beside: those next to it, without the other one of a flash.
    """
    sides = [_side(landmarks, at, step, frames) for step in _nearest_on_each_side(at, near)]
    across = landmarks.shared(at, at + 1)
    if across.count >= ENOUGH and across.explains < LEAST_LEAP_PROOF and across.agrees < LEAST_AGREEMENT:
        return None
    leap = _leap(landmarks, at, paced or near, alike)
    if across.is_surely_one_place and across.count < ENOUGH:
        return StepProof(1.0, leap)
    if not sides or min(side.kept for side in sides) < ENOUGH:
        return StepProof(None, leap) if leap > 1 else None
    reaches = [side.step.reach for side in sides if side.step.count >= ENOUGH]
    if not reaches:
        return StepProof(1.0, leap)
    lost = (min(side.kept for side in sides) + CHANCE) / (across.count + CHANCE)
    quiet = float(np.clip((TOO_FAST_TO_TELL - max(reaches)) / (TOO_FAST_TO_TELL - SLOW), 0, 1))
    passes = any(_passes_at(landmarks, at, step) for step in beside if abs(step - at) <= CLOSE)
    return StepProof(1 + (lost - 1) * quiet, leap, passes)


def _leap(landmarks: Landmarks, at: int, paced: Sequence[int], alike: Sequence[int]) -> float:
    """How far a step moves the picture beyond what is usual."""
    across = landmarks.shared(at, at + 1)
    sure = float(np.clip((across.explains - LEAST_LEAP_PROOF) / (FULL_LEAP_PROOF - LEAST_LEAP_PROOF), 0, 1))
    is_found = across.count >= LEAST_LEAP or across.is_surely_one_place
    if not is_found or sure == 0 or LEAP_SHARE * (across.reach + REACH_FLOOR) <= REACH_FLOOR:
        return 1.0  # no neighbour makes it a leap
    found = {step: landmarks.shared(step, step + 1) for step in (*paced, *alike)}
    known = {step: each for step, each in found.items() if each.count >= ENOUGH or _is_followed(each)}
    if not known or any(_passes(found[step]) for step in _beside(at, paced, known, alike) if abs(step - at) <= CLOSE):
        return 1.0
    reaches = {step: each.reach for step, each in known.items()}
    usual = _usual(reaches, at, paced, alike)
    return 1 + max(0.0, (across.reach + REACH_FLOOR) / (usual + REACH_FLOOR) * LEAP_SHARE - 1) * sure


def _usual(values: Mapping[int, float], at: int, paced: Sequence[int], alike: Sequence[int]) -> float:
    """The larger one of both sides, or the second largest of all: a hand that shakes has several."""
    ordered = sorted(values[step] for step in paced if step in values)
    return max([*ordered[-2:-1], *(values.get(step, 0.0) for step in _beside(at, paced, values, alike))])


def _beside(at: int, paced: Sequence[int], known: Container[int], alike: Sequence[int]) -> list[int]:
    return [*_nearest_on_each_side(at, [step for step in paced if step in known]), *alike]


def _passes(step: Shared) -> bool:
    """Whether much changes that no motion of landmarks explains: something large passes, and may cover all at once."""
    return step.change > MOST_UNEXPLAINED and step.explains < LEAST_LEAP_PROOF


def _passes_at(landmarks: Landmarks, at: int, step: int) -> bool:
    """Whether something passes in a step beside another one, and not a flash: after that the picture is back."""
    return _passes(landmarks.shared(step, step + 1)) and _passes(landmarks.shared(min(at, step), max(at, step) + 1))


def _is_followed(step: Shared) -> bool:
    """Whether the picture follows the few landmarks that a step keeps."""
    return step.is_one_place or (step.count >= LEAST_LEAP and step.explains >= LEAST_LEAP_PROOF)


def _nearest_on_each_side(at: int, near: Sequence[int]) -> list[int]:
    before, after = [step for step in near if step < at], [step for step in near if step > at]
    return [*([max(before)] if before else []), *([min(after)] if after else [])]


def _side(landmarks: Landmarks, at: int, step: int, frames: int) -> _Side:
    shared = landmarks.shared(step, step + 1)
    if shared.count >= ENOUGH:
        return _Side(shared, shared.count)
    gaps = range(2, RETURNS + 2)
    pairs = ((at + 1 - gap, at + 1) if step < at else (at, at + gap) for gap in gaps)
    back = [landmarks.shared(*pair).count for pair in pairs if pair[0] >= 0 and pair[1] < frames]
    return _Side(shared, max([shared.count, *back]))
