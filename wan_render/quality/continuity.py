"""Jumps and cuts: steps that do not follow from their neighbours, with the clip's own motion as the measure.

A step stands out if its content is new (Steps.broken and .apart) while that of its neighbours is not. A camera that
moves fast has large steps everywhere, and a step that optical flow explains is no cut. A lamp changes .apart, but not
.broken; noise on the keyframe's frame changes .broken, but not .apart.

The steps that stand out most need a proof by landmarks: then both must agree. What has none must stand out more. The
pictures without detail (large_motion) find what noise hides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wan_render.quality.fades import NOISELESS, fading_steps
from wan_render.quality.flashes import plain_flashes
from wan_render.quality.landmarks import Landmarks
from wan_render.quality.large_motion import LargeChanges, large_changes
from wan_render.quality.loss import is_loss
from wan_render.quality.quiet_steps import quieted
from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import softened
from wan_render.quality.step_neighbours import LEAST_UNLIKE, StepNeighbours, as_strong, step_neighbours
from wan_render.quality.step_proofs import (
    FULL_LEAP_PROOF,
    LEAST_LEAP,
    StepProof,
    step_proof,
    with_large_leap,
)
from wan_render.quality.tracking import Steps, pictures_apart
from wan_render.render_values import Pixels

END_STEPS = 8
"""How many steps from an end a jump is late: two latents of Wan, of four frames each."""

FAST, TOO_FAST = 20.0, 40.0
"""Steps.moved, in pixels of the small copy, from which on new content is less and less a cut, if the steps on both
sides move like that: a whip pan has nothing in common with its fastest moment."""

JUMP_APART, CUT_APART = 0.2, 0.35
"""Steps.apart of content that is clearly new: in a jump, and in a cut."""

LEAST_LARGE, LARGE_APART = 0.4, 0.7
"""Pictures without detail that are so far apart begin to show something else, and surely do."""

LARGE_FLOOR, LEAP_FLOOR = 6 / 255, 0.03
"""LargeChanges.light that is usual, and LargeChanges.apart."""

NEW_PART = 0.15
"""Steps.new of a step that changes much of the picture. A ball on a plain ground changes less."""

NEW_CONTENT = 0.2
"""Steps.broken of content that is clearly new. A lamp in a part of the picture makes less."""

SMALL_APART, SMALL_PART = 0.02, 0.05
"""Steps.apart that is usual where small things move on a plain ground, and Steps.new_inside of a jump of theirs."""

UNFOLLOWED = 3.0
"""A jump of small things counts for at most so many times what Steps.broken stands out: smoke stands out by 0.3, and
discs that jump by 0.5."""

UNHURRIED, HURRIED = 6.0, 12.0
"""Steps.moved from which on, in the step or beside it, that is less and less a jump of small things: all of the picture
moves, and a whip pan has one fastest step."""

LEAP = 0.5
"""A step that is longer than its neighbours is a leap if it changes the picture more than they do by this share."""

LEAST_EXPLAINED, EXPLAINED = 0.25, 0.5
"""And if the flow explains this share of the change: from the first on in part, from the second on altogether. In a
plain picture any length explains nothing."""

ALONE, NOT_ALONE = 0.4, 0.6
"""Steps.unlike beside a step, in terms of its own, up to which flow alone tells how far it went, and from which on it
does not."""

CLAIMS, LEAST_CLAIM = 4, 2.0
"""So many steps are proven, those that stand out most, and at least so far."""

CHANGED, LEAST_MOVED = 1.3, 1.0
"""What a step near an end has that landmarks look at, in terms of the middle of its neighbours; and Steps.moved that is
usual."""

UNPROVEN = 0.75
"""A step that landmarks say nothing of stands out by this share."""

DOUBT = 2.0
"""So far a step stands out that landmarks deny: it is flagged, and does not fail."""


@dataclass(frozen=True)
class ContinuityMeasures:
    """How far the most outstanding step stands out from its neighbours (1: not at all), and the frame after it."""

    jump: float
    jump_at: int
    cut: float
    cut_at: int


def continuity_measures(steps: Steps, small: Pixels) -> ContinuityMeasures:
    """Jumps are looked for near the ends, cuts everywhere. small: (frames, height, width, 3) uint8 RGB."""
    count = len(steps.broken)
    steps = replace(steps, apart=_apart_without_noise(steps.apart, small))
    near = step_neighbours(steps.unlike, steps.back, steps.spread)
    steady, landmarks = 1 - fading_steps(small), Landmarks(small)
    jumps, cuts = _outstanding_steps(steps, small, near, steady, landmarks)
    cuts = np.maximum(cuts, plain_flashes(steps, small))
    small_jumps = 1 + (_small_jumps(steps, near) - 1) * steady
    jumps = np.maximum(jumps, _not_followed(small_jumps, count, steps.unlike, near, landmarks))
    jumps[END_STEPS : max(END_STEPS, count - END_STEPS)] = 0
    jump_at, cut_at = int(jumps.argmax()), int(cuts.argmax())
    return ContinuityMeasures(float(jumps[jump_at]), jump_at + 1, float(cuts[cut_at]), cut_at + 1)


def _outstanding_steps(
    steps: Steps, small: Pixels, near: Sequence[StepNeighbours], steady: Floats, landmarks: Landmarks
) -> tuple[Floats, Floats]:
    """How far each step stands out: as a jump, and as a cut. steady: 0 for a step of a fade."""
    travel = 1 + (_outstanding(steps.moved, 1.0, near) - 1) * _is_leap(steps, near) * steady
    content = 1 + (_new_content(steps, near, _outstanding) - 1) * _is_calm(steps.moved, near) * steady
    loose = 1 + (_new_content(steps, near, _above_the_middle) - 1) * steady
    claims = np.maximum(_where_new(np.maximum(content, loose), steps, JUMP_APART), travel)
    changes = large_changes(small)
    large = 1 + (_new_pictures(changes, near) - 1) * steady
    leaps = 1 + (_outstanding(changes.apart, LEAP_FLOOR, near) - 1) * steady
    known = _proofs(_asked(np.maximum(claims, large), steps, changes, near), steps.unlike, near, landmarks)
    proofs = {at: with_large_leap(landmarks, at, proof, float(leaps[at])) for at, proof in known.items()}
    is_silent = any(proof is None or proof.lost is None for proof in proofs.values())
    quiet = quieted(steps, small) if is_silent else steps
    calm = 1 + (_new_content(quiet, near, _outstanding) - 1) * _is_calm(steps.moved, near) * steady
    lone_travel = 1 + (travel - 1) * _is_alone(steps.unlike)

    def proven(enough: float) -> Floats:
        claimed = _where_new(content, steps, enough)
        unproven = np.maximum(np.maximum(claimed, lone_travel), _where_new(calm, quiet, enough))
        new = np.maximum(_where_new(loose, steps, CUT_APART), large)
        strict = np.max([claimed, travel, large], axis=0)
        return _proven(strict, np.maximum(unproven, large), new, proofs)

    return proven(JUMP_APART), proven(CUT_APART)


def _apart_without_noise(apart: Floats, small: Pixels) -> Floats:
    """Steps.apart, at both ends without what a strong blur takes: there a VAE loses most, and the frame beside the end
    may have no noise."""
    found = apart.copy()
    for at in (0, len(apart) - 1):
        one, other = (softened(small[frame], NOISELESS) for frame in (at, at + 1))
        found[at] = min(apart[at], pictures_apart(one, other)) * (1 - is_loss(small[at], small[at + 1]))
    return found


def _proofs(
    claims: Floats, unlike: Floats, near: Sequence[StepNeighbours], landmarks: Landmarks
) -> dict[int, StepProof | None]:
    """Of the steps that stand out most."""
    most = [int(at) for at in np.argsort(-claims, kind="stable")[:CLAIMS] if claims[at] >= LEAST_CLAIM]
    return {
        at: step_proof(
            landmarks, at, len(near) + 1, near[at].near, near[at].paced, as_strong(unlike, at), near[at].beside
        )
        for at in most
    }


def _new_pictures(changes: LargeChanges, near: Sequence[StepNeighbours]) -> Floats:
    """How far each step stands out by what it changes of the picture without detail. Light alone leaves the picture as
    it is."""
    share = np.clip((changes.apart - LEAST_LARGE) / (LARGE_APART - LEAST_LARGE), 0, 1)
    return np.asarray(1 + (_outstanding(changes.light, LARGE_FLOOR, near) - 1) * share)


def _asked(claims: Floats, steps: Steps, changes: LargeChanges, near: Sequence[StepNeighbours]) -> Floats:
    """The claims, and what changes or moves most near an end."""
    late = ((steps.unlike, LEAST_UNLIKE), (steps.moved, LEAST_MOVED), (changes.apart, LEAP_FLOOR))
    return np.asarray(np.max([claims, *(_late_changes(values, floor, near) for values, floor in late)], axis=0))


def _late_changes(values: Floats, floor: float, near: Sequence[StepNeighbours]) -> Floats:
    """LEAST_CLAIM for the step in each END_STEPS that has most beyond what is usual: flow may explain a change as
    motion, and only landmarks tell how far that went."""
    changed, found = _above_the_middle(values, floor, near), np.zeros(len(near))
    for part in (slice(0, END_STEPS), slice(max(0, len(near) - END_STEPS), len(near))):
        at = part.start + int(changed[part].argmax())
        found[at] = LEAST_CLAIM if changed[at] >= CHANGED else 0.0
    return found


def _proven(strict: Floats, unproven: Floats, new: Floats, proofs: Mapping[int, StepProof | None]) -> Floats:
    """How far each step stands out. strict: by flow. unproven: by flow, also without noise, if landmarks say nothing.
    new: by its content, if landmarks agree."""
    found = np.minimum(1 + (strict - 1) * UNPROVEN, LEAST_CLAIM)
    for at, proof in proofs.items():
        if proof is None or proof.lost is None:
            found[at] = max(1 + (unproven[at] - 1) * UNPROVEN, 1.0 if proof is None else proof.leap)
        else:
            content = min(new[at], strict[at]) if proof.passes else new[at]
            proven = max(min(content, proof.lost), proof.leap)
            found[at] = max(proven, min(strict[at], DOUBT))
    return found


def _new_content(steps: Steps, near: Sequence[StepNeighbours], measured: _Measured) -> Floats:
    """How far the content of each step is new."""
    return np.asarray(np.sqrt(measured(steps.broken, 0.05, near) * measured(steps.apart, 0.05, near)))


def _small_jumps(steps: Steps, near: Sequence[StepNeighbours]) -> Floats:
    """How far each step stands out whose flow fails all at once in a part of the picture: small things on a plain
    ground, which have no landmarks, or one thing that grows. The first and the last step may be the loss of an end."""
    broken, apart = _outstanding(steps.broken, 0.05, near), _outstanding(steps.apart, SMALL_APART, near)
    found = np.minimum(np.sqrt(broken * apart), 1 + UNFOLLOWED * (broken - 1))
    found[[0, -1]] = 1
    fastest = np.array([max(steps.moved[[at, *each.beside]]) for at, each in enumerate(near)])
    unhurried = np.clip((HURRIED - fastest) / (HURRIED - UNHURRIED), 0, 1)
    return np.asarray(1 + (found - 1) * np.clip(steps.new_inside / SMALL_PART, 0, 1) * unhurried)


def _not_followed(
    claims: Floats, count: int, unlike: Floats, near: Sequence[StepNeighbours], landmarks: Landmarks
) -> Floats:
    """The claims near an end, but at most DOUBT where landmarks follow the whole picture, as far as it usually moves:
    flow lost a wall of bricks, and landmarks did not."""
    found = claims.copy()
    for at in np.flatnonzero(claims > DOUBT).tolist():
        if END_STEPS <= at < count - END_STEPS:
            continue
        step, each = landmarks.shared(at, at + 1), near[at]
        if step.count >= LEAST_LEAP and step.explains >= FULL_LEAP_PROOF:
            proof = step_proof(landmarks, at, count + 1, each.near, each.paced, as_strong(unlike, at))
            found[at] = DOUBT if proof is None or proof.leap <= 1 else found[at]
    return found


def _is_calm(moved: Floats, near: Sequence[StepNeighbours]) -> Floats:
    """0 to 1: 0 between two steps that are too fast."""
    slower = np.array([min(moved[each.beside]) if len(each.beside) > 1 else 0.0 for each in near])
    return np.clip((TOO_FAST - slower) / (TOO_FAST - FAST), 0, 1)


def _is_leap(steps: Steps, near: Sequence[StepNeighbours]) -> Floats:
    """0 to 1: how far a step changes the picture, and its motion explains that."""
    changed = (_outstanding(steps.unlike, 0.06, near) - 1) / LEAP
    explained = 1 - steps.broken / np.maximum(steps.unlike, LEAST_UNLIKE)
    share = (explained - LEAST_EXPLAINED) / (EXPLAINED - LEAST_EXPLAINED)
    return np.clip(changed, 0, 1) * np.clip(share, 0, 1)


def _is_alone(unlike: Floats) -> Floats:
    """0 to 1: 0 for a step beside another one that changes the picture about as much. Flow may take a curtain's folds
    for each other, and then it goes too far in one of the two."""
    padded = np.pad(unlike, 1)
    most = np.maximum(padded[:-2], padded[2:])
    share = (NOT_ALONE - most / np.maximum(unlike, LEAST_UNLIKE)) / (NOT_ALONE - ALONE)
    return np.asarray(np.clip(share, 0, 1))


def _where_new(content: Floats, steps: Steps, enough: float) -> Floats:
    """content, but nearer to 1 where the pictures are less apart, less broken or less new than a jump or a cut makes
    them."""
    parts = (steps.apart / enough, steps.broken / NEW_CONTENT, steps.new / NEW_PART)
    share = np.clip(np.min(parts, axis=0), 0, 1) ** 2
    return np.asarray(1 + (content - 1) * share)


_Measured = Callable[[Floats, float, Sequence[StepNeighbours]], Floats]


def _outstanding(values: Floats, floor: float, near: Sequence[StepNeighbours]) -> Floats:
    """Each value over what is usual near it. floor: a value that is usual."""
    usual = np.array([neighbours.usual(values) for neighbours in near])
    return np.asarray((values + floor) / (usual + floor))


def _above_the_middle(values: Floats, floor: float, near: Sequence[StepNeighbours]) -> Floats:
    """The same in terms of the middle of what is near."""
    middle = np.array([neighbours.middle(values) for neighbours in near])
    return np.asarray((values + floor) / (middle + floor))
