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
    """Frames per second: of the film, and as the frames and timecodes of the storyboard count them."""

    film: Fraction
    written: Fraction


@dataclass(frozen=True)
class ShotInCut:
    """A shot of the film and its role: all that its joints depend on."""

    inherited: Inherited
    role: ShotRole


def joints(meetings: Sequence[ShotInCut], rates: Rates, findings: Findings) -> tuple[PlannedJoint | None, ...]:
    """The joint of each shot to the next one; None for the last shot."""
    between = tuple(_joint(this, following, rates, findings) for this, following in pairwise(meetings))
    _warn_of_idle_transition(meetings[-1].inherited, findings)
    return (*between, None)


def check_room(
    shots: Sequence[PlannedShot], transitions: Sequence[Setting[Transition] | None], findings: Findings
) -> None:
    """Check that every shot is long enough for the dissolves and fades at its two ends."""
    into = 0
    for shot, following, written in zip(shots, shots[1:], transitions, strict=False):
        out, into_next = _reach(shot.joint)
        if written is not None and (_room(shot) < into + out or _room(following) < into_next):
            shorter = shot if _room(shot) < into + out else following
            found = f"the {written.value.kind} takes {shot.joint.frames if shot.joint else 0} frames"
            allowed = f"{shorter.id} has {_room(shorter)} frames for all of its joints"
            findings.error(written.place, found, allowed, "make the transition shorter or the shot longer")
        into = into_next


def _joint(this: ShotInCut, following: ShotInCut, rates: Rates, findings: Findings) -> PlannedJoint:
    written = this.inherited.transition
    if written is None:
        return PlannedJoint("continuous" if _continues(this, following) else "cut")
    transition = written.value
    if transition.kind == "continuous":
        _check_continuous(this, following, written, findings)
    if transition.kind in ("continuous", "cut"):
        return PlannedJoint(transition.kind)
    if transition.kind == "bridge" and (reason := no_bridge(this, following)):
        _report_no_bridge(this, written, reason, findings)
        return PlannedJoint("cut")
    return PlannedJoint(transition.kind, _frames(written, rates, findings))


def _frames(written: Setting[Transition], rates: Rates, findings: Findings) -> int:
    length = written.value.length or Time()
    frames = nearest_frame(length.at(rates.written) * rates.film)
    if frames < 1:
        found = f"the {written.value.kind} is shorter than one frame of the film"
        findings.error(written.place, found, f"a frame is 1/{rates.film} s", "make it longer, or write cut")
    return max(1, frames)


def _shares_picture(this: ShotInCut, following: ShotInCut) -> bool:
    if ShotRole.RENDER not in (this.role, following.role):
        return False
    if this.role is ShotRole.CLIP:
        return _is_frame_of(this.inherited, following.inherited, following.inherited.shot.from_, "last")
    if following.role is ShotRole.CLIP:
        return _is_frame_of(following.inherited, this.inherited, this.inherited.shot.to, "first")
    if this.role is not ShotRole.RENDER or following.role is not ShotRole.RENDER:
        return False
    begins = following.inherited.shot.from_
    return begins == PREVIOUS or (begins is not None and begins == this.inherited.shot.to)


def _is_frame_of(clip: Inherited, rendered: Inherited, name: str | None, end: str) -> bool:
    """Whether a keyframe of a rendered shot is the first or last frame of a clip, fitted as the clip is."""
    keyframe = None if name is None else rendered.storyboard.keyframes.get(name)
    if keyframe is None or keyframe.clip is None or keyframe.clip != clip.shot.clip:
        return False
    is_end = keyframe.frame == end or (end == "first" and keyframe.frame == 0)
    return is_end and (keyframe.fit, keyframe.focus) == (clip.shot.fit, clip.shot.focus)


def _is_trimmed(this: ShotInCut, following: ShotInCut) -> bool:
    """Whether the shared keyframe is cut off on either side."""
    into = following.inherited.shot.in_
    duration = this.inherited.duration
    shortened = this.role is ShotRole.CLIP and duration is not None and duration.level is Level.SHOT
    return (
        shortened
        or this.inherited.shot.out is not None
        or (into is not None and (into.seconds != 0 or into.frames != 0))
    )


def _continues(this: ShotInCut, following: ShotInCut) -> bool:
    return _shares_picture(this, following) and not _is_trimmed(this, following)


def _check_continuous(this: ShotInCut, following: ShotInCut, written: Setting[Transition], findings: Findings) -> None:
    ids = f"{this.inherited.id} and {following.inherited.id}"
    if not _shares_picture(this, following):
        allowed = "a continuous joint is between two shots that share a keyframe; one of them may be a clip"
        remedy = "leave it out: joints are continuous by default if they can be"
        findings.error(written.place, f"{ids} share no keyframe", allowed, remedy)
    elif _is_trimmed(this, following):
        findings.error(written.place, f"`in` or `out` cuts off the keyframe that {ids} share", "", "write cut instead")


def no_bridge(this: ShotInCut, following: ShotInCut) -> str:
    """Why two shots cannot have a bridge between them; "" if they can."""
    for shot in (this, following):
        if shot.role is not ShotRole.RENDER:
            return f"{shot.inherited.id} is a {shot.role.value}"
    hold = this.inherited.shot.hold
    has_hold = hold is not None and (hold.seconds or hold.frames)
    return f"{this.inherited.id} has a hold, which freezes the frames before the bridge" if has_hold else ""


def _report_no_bridge(this: ShotInCut, written: Setting[Transition], reason: str, findings: Findings) -> None:
    """A mistake in a shot. Inherited by a shot that cannot have one, a bridge is a cut."""
    if written.level is not Level.SHOT:
        findings.note(written.place, f"{this.inherited.id} cuts to the next shot, without a bridge: {reason}")
        return
    allowed = "a bridge is between two shots that a model renders"
    findings.error(written.place, reason, allowed, "write another transition")


def _warn_of_idle_transition(last: Inherited, findings: Findings) -> None:
    written = last.transition
    if written is not None and written.level is Level.SHOT:
        findings.warn(written.place, f"{last.id} is the film's last shot: its transition is ignored")


def _reach(joint: PlannedJoint | None) -> tuple[int, int]:
    """Film frames that a joint uses of the shot before it and of the shot after it."""
    if joint is None:
        return 0, 0
    if joint.kind == "fade":
        return joint.frames - joint.frames // 2, joint.frames // 2
    return joint.frames, joint.frames


def _room(shot: PlannedShot) -> int:
    return shot.frames + shot.hold
