"""How each shot meets the next one of the film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from wan_render.authored import PREVIOUS, Time, Transition
from wan_render.plan.clock import nearest_frame
from wan_render.plan.film_plan import PlannedJoint, PlannedShot
from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Inherited, Level, Setting
from wan_render.plan.roles import ShotRole


@dataclass(frozen=True)
class Rates:
    """film: frames per second of the film; told: what frames and timecodes of the storyboard count."""

    film: Fraction
    told: Fraction


@dataclass(frozen=True)
class ShotInCut:
    """A shot of the film and how it comes to its pictures: all that joints are worked out from."""

    inherited: Inherited
    role: ShotRole


def joints(meetings: Sequence[ShotInCut], rates: Rates, findings: Findings) -> tuple[PlannedJoint | None, ...]:
    """The joint of each shot to its next; None for the last one."""
    between = tuple(_joint(this, following, rates, findings) for this, following in pairwise(meetings))
    _warn_of_idle_transition(meetings[-1].inherited, findings)
    return (*between, None)


def check_room(
    shots: Sequence[PlannedShot], transitions: Sequence[Setting[Transition] | None], findings: Findings
) -> None:
    """Every shot must be as long as the dissolves and fades at its two ends."""
    into = 0
    for shot, following, told in zip(shots, shots[1:], transitions, strict=False):
        out, into_next = _reach(shot.joint)
        if told is not None and (_room(shot) < into + out or _room(following) < into_next):
            shorter = shot if _room(shot) < into + out else following
            found = f"the {told.value.kind} takes {shot.joint.frames if shot.joint else 0} frames"
            allowed = f"{shorter.id} has {_room(shorter)} frames for all of its joints"
            findings.error(told.place, found, allowed, "make the transition shorter or the shot longer")
        into = into_next


def _joint(this: ShotInCut, following: ShotInCut, rates: Rates, findings: Findings) -> PlannedJoint:
    told = this.inherited.transition
    if told is None:
        return PlannedJoint("continuous" if _continues(this, following) else "cut")
    transition = told.value
    if transition.kind == "continuous":
        _check_continuous(this, following, told, findings)
    if transition.kind in ("continuous", "cut"):
        return PlannedJoint(transition.kind)
    return PlannedJoint(transition.kind, _frames(told, rates, findings))


def _frames(told: Setting[Transition], rates: Rates, findings: Findings) -> int:
    length = told.value.length or Time()
    frames = nearest_frame(length.at(rates.told) * rates.film)
    if frames < 1:
        found = f"the {told.value.kind} is shorter than one frame of the film"
        findings.error(told.place, found, f"a frame is 1/{rates.film} s", "make it longer, or write cut")
    return max(1, frames)


def _shares_picture(this: ShotInCut, following: ShotInCut) -> bool:
    if this.role is not ShotRole.RENDER or following.role is not ShotRole.RENDER:
        return False
    begins = following.inherited.shot.from_
    return begins == PREVIOUS or (begins is not None and begins == this.inherited.shot.to)


def _is_trimmed(this: ShotInCut, following: ShotInCut) -> bool:
    """Whether the shared picture is cut off on either side."""
    into = following.inherited.shot.in_
    return this.inherited.shot.out is not None or (into is not None and (into.seconds != 0 or into.frames != 0))


def _continues(this: ShotInCut, following: ShotInCut) -> bool:
    return _shares_picture(this, following) and not _is_trimmed(this, following)


def _check_continuous(this: ShotInCut, following: ShotInCut, told: Setting[Transition], findings: Findings) -> None:
    ids = f"{this.inherited.id} and {following.inherited.id}"
    if not _shares_picture(this, following):
        allowed = "a continuous joint is between two rendered shots that share a keyframe"
        remedy = "leave it out: joints that can be continuous are"
        findings.error(told.place, f"{ids} share no picture", allowed, remedy)
    elif _is_trimmed(this, following):
        findings.error(told.place, f"`in` or `out` cuts off the picture that {ids} share", "", "write cut instead")


def _warn_of_idle_transition(last: Inherited, findings: Findings) -> None:
    told = last.transition
    if told is not None and told.level is Level.SHOT:
        findings.warn(told.place, f"{last.id} is the film's last shot: its transition does nothing")


def _reach(joint: PlannedJoint | None) -> tuple[int, int]:
    """Film frames that a joint takes of the shot before it and of the shot after it."""
    if joint is None:
        return 0, 0
    if joint.kind == "fade":
        return joint.frames - joint.frames // 2, joint.frames // 2
    return joint.frames, joint.frames


def _room(shot: PlannedShot) -> int:
    return shot.frames + shot.hold
