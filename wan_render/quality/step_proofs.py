"""What landmarks say of a step that stands out: whether its content is new, or the picture leapt.

Optical flow gives up where a camera is fast, something passes close by, or a curtain opens. Landmarks are found again
there. After a cut none is, although each side has many of its own.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

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
"""Shared.reach beside a step, the geometric mean of both sides, from which on lost landmarks say less, and nothing: a
whip pan loses its own. It has speed on both sides of its fastest step."""

REACH_FLOOR = 3.0
"""Shared.reach that is usual: the loss of a VAE moves landmarks."""

LEAP_SHARE = 0.68
"""A shaking hand makes steps that are twice as long as both neighbours."""

LEAST_CHANGED = 3.0
"""A change of the pictures without detail that stands out less is no leap: things that pass have 2.6, and a curtain
3.0; leaps that nothing else shows from 3.2."""

LEAST_LARGE_PROOF, FULL_LARGE_PROOF = 0.6, 0.75
"""What the one motion must explain of it: leaps from 0.78 on; a bright thing that leaves the dark has 0.49."""

LEAST_TURNS = 3
"""So many pairs of steps say how far motions of neighbouring steps usually differ."""

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
    sides = _sides(landmarks, at, near, frames)
    reaches = [side.step.reach for side in sides if _is_known(side.step)]
    across = landmarks.shared(at, at + 1)
    if across.count >= ENOUGH and across.explains < LEAST_LEAP_PROOF and across.agrees < LEAST_AGREEMENT:
        return None
    leap = _leap(landmarks, at, paced or near, alike)
    if across.is_surely_one_place and across.count < ENOUGH:
        return StepProof(1.0, leap)
    if not sides or min(side.kept for side in sides) < ENOUGH:
        return StepProof(None, leap) if leap > 1 else None
    if not reaches:
        return StepProof(1.0, leap)
    lost = (min(side.kept for side in sides) + CHANCE) / (across.count + CHANCE)
    expected = float(np.prod(reaches)) ** (1 / len(reaches))
    quiet = float(np.clip((TOO_FAST_TO_TELL - expected) / (TOO_FAST_TO_TELL - SLOW), 0, 1))
    passes = any(_passes_at(landmarks, at, step) for step in beside if abs(step - at) <= CLOSE)
    return StepProof(1 + (lost - 1) * quiet, leap, passes)


def with_large_leap(landmarks: Landmarks, at: int, proof: StepProof | None, changed: float) -> StepProof | None:
    """The same proof; or with a leap that only the pictures without detail show, if landmarks do not follow the
    picture: one motion explains most of a change that stands out.

    changed: how far the step stands out by what it changes of the pictures without detail.
    """
    if changed < LEAST_CHANGED or _is_followed(landmarks.shared(at, at + 1)):
        return proof
    motion = landmarks.large_motion(at, at + 1)
    sure = float(np.clip((motion.explains - LEAST_LARGE_PROOF) / (FULL_LARGE_PROOF - LEAST_LARGE_PROOF), 0, 1))
    farthest = (motion.reach + REACH_FLOOR) / REACH_FLOOR * LEAP_SHARE
    leap = 1 + max(0.0, min(changed, farthest) - 1) * sure
    return StepProof(None, leap) if proof is None else replace(proof, leap=max(proof.leap, leap))


def _leap(landmarks: Landmarks, at: int, paced: Sequence[int], alike: Sequence[int]) -> float:
    """How far a step moves the picture beyond what is usual."""
    across = landmarks.shared(at, at + 1)
    sure = float(np.clip((across.explains - LEAST_LEAP_PROOF) / (FULL_LEAP_PROOF - LEAST_LEAP_PROOF), 0, 1))
    is_found = across.count >= LEAST_LEAP or across.is_surely_one_place
    if not is_found or sure == 0 or LEAP_SHARE * (across.reach + REACH_FLOOR) <= REACH_FLOOR:
        return 1.0  # no neighbour makes it a leap
    found = {step: landmarks.shared(step, step + 1) for step in (*paced, *alike)}
    known = {step: each for step, each in found.items() if _is_known(each)}
    if not known or any(_passes(found[step]) for step in _beside(at, paced, known, alike) if abs(step - at) <= CLOSE):
        return 1.0
    reaches = {step: each.reach for step, each in known.items()}
    usual = _usual(reaches, at, paced, alike)
    speed, turn = (across.reach + REACH_FLOOR) / (usual + REACH_FLOOR), _turn(across, at, paced, alike, known)
    return 1 + max(0.0, max(speed, turn) * LEAP_SHARE - 1) * sure


def _turn(across: Shared, at: int, paced: Sequence[int], alike: Sequence[int], known: Mapping[int, Shared]) -> float:
    """How far a step differs from the motion beside it, over how far the motions of neighbouring steps differ: a pan
    becomes faster and faster, and a leap is alone. The motion of a few landmarks is not that exact."""
    sides = [sorted(step for step in known if step < at), sorted(step for step in known if step > at)]
    pairs = [pair for side in sides for pair in pairwise(side)]
    if len(pairs) < LEAST_TURNS or across.count < LEAST_LEAP:
        return 1.0
    turns = sorted(_apart(known[one], known[other]) for one, other in pairs)
    off = min(_apart(across, known[step]) for step in _beside(at, paced, known, alike) if step in known)
    return (off + REACH_FLOOR) / (turns[-2] + REACH_FLOOR)


def _apart(one: Shared, other: Shared) -> float:
    """How far apart two motions carry the corners of the picture, on average, in pixels of the small copy."""
    return float(np.linalg.norm(np.subtract(one.ways, other.ways), axis=1).mean())


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


def _is_known(step: Shared) -> bool:
    """Whether a step keeps enough landmarks to say how far it goes."""
    return step.count >= ENOUGH or _is_followed(step)


def _is_followed(step: Shared) -> bool:
    """Whether the picture follows the few landmarks that a step keeps."""
    return step.is_one_place or (step.count >= LEAST_LEAP and step.explains >= LEAST_LEAP_PROOF)


def _nearest_on_each_side(at: int, near: Sequence[int]) -> list[int]:
    before, after = [step for step in near if step < at], [step for step in near if step > at]
    return [*([max(before)] if before else []), *([min(after)] if after else [])]


def _sides(landmarks: Landmarks, at: int, near: Sequence[int], frames: int) -> list[_Side]:
    """The nearest moving step before and after one; or the step right beside it, if that one moves none or keeps too
    few landmarks."""
    found = []
    for here, steps in ((at - 1, [step for step in near if step < at]), (at + 1, [step for step in near if step > at])):
        nearest = min(steps, key=lambda step: abs(step - at), default=None)
        side = None if nearest is None else _side(landmarks, at, nearest, frames)
        if (side is None or side.kept < ENOUGH) and here != nearest and 0 <= here < frames - 1:
            side = _side(landmarks, at, here, frames)
        found += [] if side is None else [side]
    return found


def _side(landmarks: Landmarks, at: int, step: int, frames: int) -> _Side:
    shared = landmarks.shared(step, step + 1)
    if _is_known(shared):
        return _Side(shared, max(shared.count, ENOUGH))
    gaps = range(2, RETURNS + 2)
    pairs = ((at + 1 - gap, at + 1) if step < at else (at, at + gap) for gap in gaps)
    back = [landmarks.shared(*pair).count for pair in pairs if pair[0] >= 0 and pair[1] < frames]
    return _Side(shared, max([shared.count, *back]))
