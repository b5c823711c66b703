"""The continuous joints of a cut: which are eased, and why others are not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from wan_render.cut import ClipSource, Cut, Event, SlateSource
from wan_render.production.motion_report import EasedJoint
from wan_render.production.moving_shots import MovingShot
from wan_render.retime.eased_joint import LEAST_SPEED, SLOW, eased_steps, joint_motion, turns_back, usual_speed


def continuous_joints(cut: Cut) -> Iterator[EasedJoint]:
    """In the order of the cut. Those that cannot be eased say why."""
    for at, event in enumerate(cut.events):
        if event.joint is not None and event.joint.kind == "continuous":
            following = cut.events[at + 1]
            held = f"the last frame of {event.name} is held" if event.hold else ""
            yield EasedJoint(event.name, following.name, at, left=_other(event) or _other(following) or held)


def _other(event: Event) -> str:
    match event.source:
        case ClipSource():
            return ""
        case SlateSource():
            return f"{event.name} is a slate"
        case _:
            return f"{event.name} is a video file"


def judged_joint(joint: EasedJoint, moving: Mapping[int, MovingShot], rate: float) -> EasedJoint:
    """The joint with what was measured, and why it is not eased if the motion does not need it.

    moving: has both shots. rate: film frames per second.
    """
    one, other = moving[joint.at], moving[joint.at + 1]
    steps = min(eased_steps(shot.part.frames, rate) for shot in (one, other))
    if steps < 1 or min(one.motion.window, other.motion.window) < 1:
        return replace(joint, left="a shot is too short")
    for shot in (one, other):
        if shot.motion.usual < LEAST_SPEED:
            return replace(joint, left=f"{shot.event.name} hardly moves")
    usual = usual_speed(one.motion, other.motion)
    before = joint_motion(one.film_speeds()[-steps:], other.film_speeds()[:steps], usual, rate)
    found = replace(joint, steps=steps, usual=usual, before=before)
    if before.speed >= SLOW:
        return replace(found, left=f"the motion does not slow down (speed {before.speed:.2f} of the usual)")
    if turns_back(one.motion, other.motion):
        return replace(found, left="the motion turns back there")
    return found


def passing_speeds(at: int, joints: Sequence[EasedJoint]) -> tuple[float | None, float | None]:
    """The speeds with which a shot passes the joints at its begin and its end; None for one that is not eased."""
    eased = {joint.at: joint.usual for joint in joints if not joint.left}
    return eased.get(at - 1), eased.get(at)
