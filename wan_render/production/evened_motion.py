"""Evens the motion of a film: late jumps of takes are repaired, and stop-and-go at continuous joints is eased.

Both only change at which moment of its take a shot is in each of its film frames (`Event.pace`). Retiming then makes
the frames in between, so a frame is interpolated once, whatever the rates are. No shot becomes longer or shorter, and
every keyframe stays at its frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from wan_render.cut import Cut
from wan_render.production.eased_joints import continuous_joints, judged_joint, passing_speeds
from wan_render.production.motion_report import NO_MOTION, EasedJoint, MotionReport
from wan_render.production.moving_shots import MovingShot, OnShots, moving_shots
from wan_render.production.repaired_jumps import JumpRepair, jump_repair, late_jumps, repaired_jump
from wan_render.retime.eased_joint import easing_weights, stretch
from wan_render.retime.pace import pace
from wan_render.store import Store


def evened_motion(cut: Cut, store: Store, progress: OnShots) -> tuple[Cut, MotionReport]:
    """The cut with a pace for every shot that is evened, if the film asks for it; and what that does.

    progress: called with the shots whose motion is measured, and their total. Raises MachineError for a take that is
    gone or cannot be read.
    """
    if cut.repair is None and cut.easing is None:
        return cut, NO_MOTION
    jumps = tuple(late_jumps(cut, store)) if cut.repair is not None else ()
    joints = tuple(continuous_joints(cut)) if cut.easing is not None else ()
    beside = [at for joint in joints if not joint.left for at in (joint.at, joint.at + 1)]
    moving = moving_shots(cut, [*(jump.at for jump in jumps), *beside], store, progress)
    joints = tuple(joint if joint.left else judged_joint(joint, moving, float(cut.rate)) for joint in joints)
    repairs = {jump.at: jump_repair(jump, moving[jump.at]) for jump in jumps}
    evened = {at: _evened(shot, repairs.get(at), passing_speeds(at, joints)) for at, shot in moving.items()}
    joints = tuple(joint if joint.left else _with_stretch(joint, evened) for joint in joints)
    repaired = tuple(repaired_jump(jump, moving[jump.at], repairs[jump.at], evened[jump.at].pace) for jump in jumps)
    paces = {at: shot.pace for at, shot in evened.items()}
    events = tuple(replace(event, pace=paces.get(at)) for at, event in enumerate(cut.events))
    return replace(cut, events=events), MotionReport(joints, repaired)


@dataclass(frozen=True)
class _EvenedShot:
    """pace: see Event. stretch: how much longer than before the steps are shown that are not near an eased joint."""

    pace: tuple[Fraction, ...] | None
    stretch: float


def _evened(
    shot: MovingShot, repair: JumpRepair | str | None, passing: tuple[float | None, float | None]
) -> _EvenedShot:
    """Both corrections as one. passing: the speeds at both ends, where they are eased."""
    weights = repair.weights if isinstance(repair, JumpRepair) else np.ones(len(shot.motion.speeds))
    repaired = replace(shot.motion, speeds=shot.motion.speeds / weights)
    weights = weights * easing_weights(repaired, *passing)
    return _EvenedShot(pace(shot.part, weights), stretch(weights, shot.part.lengths))


def _with_stretch(joint: EasedJoint, evened: Mapping[int, _EvenedShot]) -> EasedJoint:
    """The geometric mean of both shots', as that of their speeds."""
    return replace(joint, stretched=float(np.sqrt(evened[joint.at].stretch * evened[joint.at + 1].stretch)))
