"""Easing of stop-and-go: two shots that slow down towards the keyframe that they share pass it without a stop.

Near the joint, steps are shown for a shorter time if they are slower than the shots usually are. The rest of each shot
gets the time that this saves. So the keyframe, and both ends of each shot, stay at their frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wan_render.retime.motion_curve import Floats

EASE_SECONDS = 1.0
"""On each side of a joint, the time in which steps are eased."""

MOST_OF_SHOT = 1 / 3
"""The part of a shot that may be eased at one end."""

NEAR_SECONDS = 0.25
"""On each side of a joint, the time whose mean speed is the speed at the joint."""

LEAST_SPEED = 1.0
"""Percent of the picture's long side per second: what is slower hardly moves, and has no speed to keep."""

SLOW = 0.8
"""A joint is eased if the speed there is below this share of the usual one."""

MOST_FASTER, MOST_SLOWER = 8.0, 1.5
"""How much faster and slower than the rest of its shot a step near a joint may become."""

MOST_STRETCH = 1.3
"""How much longer the rest of a shot may be shown, to make up for its ends."""


@dataclass(frozen=True)
class ShotMotion:
    """The motion of a shot.

    speeds:  (steps,) of its source steps, in percent of the long side per second.
    lengths: (steps,) how much of each step is shown, 0 to 1.
    flows:   (steps, rows, columns, 2) coarse flow of each step.
    window:  how many steps at each end may be eased.
    """

    speeds: Floats
    lengths: Floats
    flows: Floats
    window: int

    @property
    def usual(self) -> float:
        """The median speed between the two windows."""
        return float(np.median(self.speeds[self.window : len(self.speeds) - self.window]))


@dataclass(frozen=True)
class JointMotion:
    """The motion at a joint, in terms of the usual speed of both shots. speed: at the joint, 0 to about 1. change: the
    largest change of speed from one film frame to the next near it."""

    speed: float
    change: float


def eased_steps(steps: int, rate: float) -> int:
    """How many steps at one end of a shot may be eased. rate: steps per second."""
    return int(min(EASE_SECONDS * rate, MOST_OF_SHOT * steps))


def usual_speed(one: ShotMotion, other: ShotMotion) -> float:
    """The speed with which two shots should pass their joint: the geometric mean of theirs."""
    return float(np.sqrt(one.usual * other.usual))


def joint_motion(before: Floats, after: Floats, usual: float, rate: float) -> JointMotion:
    """before, after: speeds of the film's steps towards the joint and from it on, in the order of the film.

    usual: the speed with which both shots should pass it. rate: film frames per second.
    """
    near = max(1, round(NEAR_SECONDS * rate))
    whole = np.concatenate([before, after])
    at_joint = np.concatenate([before[-near:], after[:near]])
    return JointMotion(float(at_joint.mean() / usual), float(np.abs(np.diff(whole)).max() / usual))


def turns_back(one: ShotMotion, other: ShotMotion) -> bool:
    """Whether the motion after a joint goes against that before it. Then it has to stop in between."""
    before = one.flows[len(one.flows) - one.window :].sum(axis=0)
    after = other.flows[: other.window].sum(axis=0)
    return float((before * after).sum()) < 0


def easing_weights(motion: ShotMotion, at_begin: float | None, at_end: float | None) -> Floats:
    """(steps,) for how long each step is shown, in terms of the steps that are not near an eased joint.

    at_begin, at_end: the speed with which the shot should pass the joint at that end; None if that end is not eased.
    """
    weights = np.ones(len(motion.speeds))
    from_joint = (np.arange(motion.window) + 0.5) / motion.window
    for goal, steps in ((at_begin, np.arange(motion.window)), (at_end, len(weights) - 1 - np.arange(motion.window))):
        if goal is not None:
            wanted = goal ** (1 - from_joint) * motion.usual**from_joint
            weights[steps] = np.clip(motion.speeds[steps] / wanted, 1 / MOST_FASTER, MOST_SLOWER)
    return _limited(weights, motion.lengths)


def stretch(weights: Floats, lengths: Floats) -> float:
    """How much longer than evenly the steps of weight 1 are shown. Both arguments: (steps,)."""
    return float(lengths.sum() / (lengths * weights).sum())


def _limited(weights: Floats, lengths: Floats) -> Floats:
    """Nearer to 1, if the rest of the shot would be stretched too much."""
    saved = float((lengths * (1 - weights)).sum())
    most = (1 - 1 / MOST_STRETCH) * float(lengths.sum())
    return weights if saved <= most else 1 - (1 - weights) * most / saved
