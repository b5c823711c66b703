"""Late jumps of the takes of a cut: where the checks found one, and the weights that even it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from wan_render.cut import ClipSource, Cut
from wan_render.media.clip import read_frames
from wan_render.production.motion_report import RepairedJump
from wan_render.production.moving_shots import MovingShot, continues
from wan_render.quality.continuity import END_STEPS
from wan_render.quality.verdicts import QcVerdict, judge
from wan_render.retime.interpolator import is_jump
from wan_render.retime.late_jump import EvenedSteps, evened_steps, evening_weights, usual_step
from wan_render.retime.motion_curve import Floats
from wan_render.retime.pace import SourcePart
from wan_render.status import measurements_of
from wan_render.store import Store


@dataclass(frozen=True)
class LateJump:
    """A jump that the checks found near the end of a take. at: the shot's place in the cut. frame: of the take, from 0;
    the first one after the jump."""

    at: int
    frame: int


@dataclass(frozen=True)
class JumpRepair:
    """steps: those of the shot's part of its take that are evened. weights: (steps of the part,) how long each is
    shown. usual: the usual speed there."""

    steps: EvenedSteps
    weights: Floats
    usual: float


def late_jumps(cut: Cut, store: Store) -> Iterator[LateJump]:
    """The late jumps that the film shows, of takes that were checked, in the order of the cut."""
    for at, event in enumerate(cut.events):
        found = measurements_of(store, event.source.key) if isinstance(event.source, ClipSource) else None
        jump = None if found is None else judge(found).checks["jump"]
        if found is None or jump is None or jump.frame is None or jump.verdict in (None, QcVerdict.PASS):
            continue
        part = SourcePart.of(event, cut.rate, continues=continues(cut, at))
        is_shown = part.begin <= jump.frame - 1 and jump.frame <= part.end
        if is_shown and jump.frame >= found.frames - END_STEPS:
            yield LateJump(at, jump.frame)


def jump_repair(jump: LateJump, shot: MovingShot) -> JumpRepair | str:
    """How a jump is repaired; or why it is not, in words."""
    whole = np.flatnonzero(shot.motion.lengths == 1)
    leap = jump.frame - 1 - shot.part.first
    left, right = read_frames(shot.clip.video, jump.frame - 1, 2)
    if is_jump(left, right):
        return f"what is seen before and after frame {jump.frame} of the take is not the same"
    first, end = int(whole[0]), int(whole[-1]) + 1
    speeds = shot.motion.speeds[first:end]
    found = evened_steps(speeds, leap - first)
    if found is None:
        return f"at frame {jump.frame} of the take the picture changes, but does not leap"
    weights = np.ones(len(shot.motion.speeds))
    weights[first:end] = evening_weights(speeds, found)
    usual = usual_step(speeds, found.first, found.end)
    return JumpRepair(replace(found, first=found.first + first, end=found.end + first), weights, usual)


def repaired_jump(
    jump: LateJump, shot: MovingShot, repair: JumpRepair | str, pace: tuple[Fraction, ...] | None
) -> RepairedJump:
    """What is said of it. pace: the places that the shot shows in the end."""
    name = shot.event.name
    if isinstance(repair, str):
        return RepairedJump(name, jump.at, left=repair)
    begin, end = shot.part.first + repair.steps.first, shot.part.first + repair.steps.end
    made = [at for at, place in enumerate(pace or ()) if begin < place < end and place.denominator > 1]
    if not made:
        return RepairedJump(name, jump.at, left="no frame of the film lies within the jump")
    return RepairedJump(name, jump.at, made[0], made[-1], repair.usual, repair.steps.leap)
