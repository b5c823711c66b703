"""What was done to the motion of a film: joints that were eased, and late jumps that were repaired, in figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from wan_render.cut import ClipSource, Cut
from wan_render.media.clip import read_frames
from wan_render.media.raster import FilmSources
from wan_render.printable import logger
from wan_render.render_values import Pixels
from wan_render.retime.eased_joint import JointMotion, joint_motion
from wan_render.retime.motion_curve import Floats, motion_curve

LOG = logger("wan_render.production")


@dataclass(frozen=True)
class EasedJoint:
    """A continuous joint.

    at:     the place of the shot before it in the cut.
    steps:  how many film steps on each side may have changed. usual: the speed of both shots, in percent of the long
            side per second.
    stretched: by how much both shots are slower away from the joint, since their lengths are unchanged.
    before: None if it was not measured. after: None until the film's frames are made.
    left:   why it stays as it is; "" if it was eased.
    """

    shot: str
    following: str
    at: int
    steps: int = 0
    usual: float = 0.0
    stretched: float = 1.0
    before: JointMotion | None = None
    after: JointMotion | None = None
    left: str = ""

    @property
    def in_words(self) -> str:
        """`speed 0.21 → 0.93 of the usual, largest change 0.30 → 0.11, the rest 1.07 times as long`; or why not."""
        if self.left:
            return f"not eased: {self.left}"
        before, after = self.before, self.after
        if before is None or after is None:
            return "eased"
        change = f"largest change {before.change:.2f} → {after.change:.2f}"
        rest = f"the rest {self.stretched:.2f} times as long"
        return f"speed {before.speed:.2f} → {after.speed:.2f} of the usual, {change}, {rest}"


@dataclass(frozen=True)
class RepairedJump:
    """A late jump.

    at:     the place of the shot in the cut. first, last: the film frames of the shot, from 0, that were made.
    usual:  the usual speed there, in percent of the long side per second.
    before: the largest step over the usual one. after: None until the film's frames are made.
    left:   why it stays as it is; "" if it was repaired.
    """

    shot: str
    at: int
    first: int = 0
    last: int = 0
    usual: float = 0.0
    before: float = 0.0
    after: float | None = None
    left: str = ""

    @property
    def in_words(self) -> str:
        """`frames 70 to 79 made: largest step 5.2 → 1.4 times the usual one`; why it was not repaired."""
        if self.left:
            return f"not repaired: {self.left}"
        figures = f"{self.before:.1f} → {self.after:.1f}" if self.after is not None else f"{self.before:.1f}"
        return f"frames {self.first} to {self.last} made: largest step {figures} times the usual one"


@dataclass(frozen=True)
class MotionReport:
    """All continuous joints of a film that is eased, and all late jumps of a film that is repaired."""

    joints: tuple[EasedJoint, ...] = ()
    jumps: tuple[RepairedJump, ...] = ()

    @property
    def tags(self) -> dict[str, str]:
        """The film's tags about it; empty if nothing was done."""
        eased = [joint for joint in self.joints if not joint.left]
        repaired = [jump for jump in self.jumps if not jump.left]
        found = {}
        if eased:
            before, after = (np.mean(list(_speeds(eased, name))) for name in ("before", "after"))
            which = f"{len(eased)} of {len(self.joints)} continuous joints"
            found["easing"] = f"{which}: speed {before:.2f} of the usual before, {after:.2f} after"
        if repaired:
            found["repair"] = "; ".join(f"{jump.shot} {jump.in_words}" for jump in repaired)
        return found

    def easing_of(self, shot: str) -> str:
        """What was done at the joint to the next shot, in words; "" for nothing."""
        return ", ".join(joint.in_words for joint in self.joints if joint.shot == shot)

    def repair_of(self, shot: str) -> str:
        """What was done about a late jump of a shot, in words; "" for nothing."""
        return ", ".join(jump.in_words for jump in self.jumps if jump.shot == shot)


NO_MOTION = MotionReport()
"""Of a film whose motion stays as it was rendered."""


def _speeds(joints: list[EasedJoint], name: str) -> Iterator[float]:
    return (found.speed for joint in joints if (found := getattr(joint, name)) is not None)


def measured_again(report: MotionReport, cut: Cut, sources: FilmSources) -> MotionReport:
    """The report with the figures of the frames that were made. cut: with clips at the film's rate. Raises MachineError
    if a clip cannot be read."""
    joints = tuple(joint if joint.left else _joint_again(joint, cut, sources) for joint in report.joints)
    jumps = tuple(jump if jump.left else _jump_again(jump, cut, sources) for jump in report.jumps)
    return MotionReport(joints, jumps)


def log_motion(report: MotionReport) -> None:
    """Log what was done, and warn of jumps that stay."""
    for joint in report.joints:
        LOG.info("joint of %s and %s: %s", joint.shot, joint.following, joint.in_words)
    for jump in report.jumps:
        say = LOG.warning if jump.left else LOG.info
        say("late jump of %s: %s", jump.shot, jump.in_words)


def _joint_again(joint: EasedJoint, cut: Cut, sources: FilmSources) -> EasedJoint:
    one = cut.events[joint.at]
    speeds = _film_speeds(cut, sources, joint.at, one.frames - joint.steps, 2 * joint.steps)
    before, after = speeds[: joint.steps], speeds[joint.steps :]
    return replace(joint, after=joint_motion(before, after, joint.usual / joint.stretched, float(cut.rate)))


def _jump_again(jump: RepairedJump, cut: Cut, sources: FilmSources) -> RepairedJump:
    first = max(0, jump.first - 1)
    speeds = _film_speeds(cut, sources, jump.at, first, jump.last + 1 - first)
    return replace(jump, after=float(speeds.max() / jump.usual))


def _film_speeds(cut: Cut, sources: FilmSources, at: int, first: int, steps: int) -> Floats:
    """(steps,) or fewer at the end of the film: the speeds of the film's steps from frame `first` of an event on."""
    return motion_curve(_film_frames(cut, sources, at, first, steps + 1)).speeds * float(cut.rate)


def _film_frames(cut: Cut, sources: FilmSources, at: int, first: int, count: int) -> Iterator[Pixels]:
    """Frames of an event, and then of the one that continues it."""
    event = cut.events[at]
    if not isinstance(event.source, ClipSource):
        return
    here = min(count, event.frames - first)
    yield from read_frames(sources.clip(event.source.key), event.first + first, here)
    if here < count and event.joint is not None and event.joint.kind == "continuous":
        following = cut.events[at + 1]
        yield from _film_frames(cut, sources, at + 1, 0, min(count - here, following.frames))
