"""Which frames of two takes a bridge is made of. Pure.

A film shows `before` up to its last film frame, then `after`. A bridge replaces `frames` film frames on each side. Its
take has the model's rate and a length of the model, multiple·n + 1. It begins with frames of `before` that stay as they
are, and ends with such frames of `after`: from them the model sees where the motion comes from and where it goes.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from wan_render.plan.clock import nearest_frame

CONTEXT = 16
"""How many frames of each take a bridge keeps, if they are there: a second of motion."""

LEAST_CONTEXT = 4
"""The fewest: four frames are one latent frame of the model."""


@dataclass(frozen=True)
class BridgeModel:
    """How long a bridge may be. step: frames of the takes for each film frame. trained: the length that the model was
    trained for, which a bridge doesn't exceed. multiple: takes have multiple·n + 1 frames."""

    step: Fraction
    trained: int
    multiple: int

    @property
    def longest(self) -> int:
        """The most film frames that a bridge can replace on each side."""
        return ((self.trained - self.spare - 2 * LEAST_CONTEXT) / (2 * self.step)).__floor__()

    @property
    def spare(self) -> int:
        """How many frames a bridge may need besides, so that it begins on a film frame and has a legal length."""
        return self.step.numerator - 1 + self.multiple - 1


@dataclass(frozen=True)
class BridgeEnd:
    """A take at the joint. frames: its length. joint: the film frame of the take, from 0, where it meets the other one:
    the one after the last that the film shows of `before`, or the first that it shows of `after`."""

    frames: int
    joint: int


@dataclass(frozen=True)
class BridgeFrames:
    """The frames of a bridge, counted at the takes' rate.

    before, after: (first, frames): the frames of each take that it keeps. frames: of the whole bridge.
    first:  the film frame of its take, from 0, that the film shows first.
    moved:  by how many frames (at most half of one) the motion of `after` comes earlier in the bridge than in the film,
            which may cut between two frames of a take.
    """

    before: tuple[int, int]
    after: tuple[int, int]
    frames: int
    first: int
    moved: Fraction

    @property
    def rendered(self) -> int:
        """How many frames the model renders."""
        return self.frames - self.before[1] - self.after[1]


def bridge_frames(before: BridgeEnd, after: BridgeEnd, frames: int, model: BridgeModel) -> BridgeFrames:
    """The frames of a bridge that replaces `frames` film frames on each side, at most `model.longest`.

    Of a take that is too short, it keeps fewer than LEAST_CONTEXT frames, or even a negative number.
    """
    rendered_from = ((before.joint - frames) * model.step).__ceil__()
    kept_from = ((after.joint + frames) * model.step).__ceil__()
    apart = (before.joint - after.joint) * model.step
    rendered = kept_from + nearest_frame(apart) - rendered_from
    context = min(CONTEXT, (model.trained - model.spare - rendered) // 2)
    grid = model.step.numerator  # a frame of the take on which a film frame begins
    begin = max(0, (rendered_from - context) // grid * grid)
    kept_before = rendered_from - begin
    kept_after = min(after.frames - kept_from, context)
    kept_after += -(kept_before + rendered + kept_after - 1) % model.multiple
    if kept_from + kept_after > after.frames:
        kept_after -= model.multiple
    return BridgeFrames(
        before=(begin, kept_before),
        after=(kept_from, kept_after),
        frames=kept_before + rendered + kept_after,
        first=before.joint - frames - (begin / model.step).__floor__(),
        moved=apart - nearest_frame(apart),
    )
