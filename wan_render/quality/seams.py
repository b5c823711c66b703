"""The joint of two neighbours: how visible it is."""

from __future__ import annotations

from wan_render.quality.small_frames import frame_difference, shrunk
from wan_render.render_values import Pixels

LEAST_MOTION = 0.5 / 255
"""Of both shots, so that a joint between two stills is not infinitely visible: half a level of 8 bits."""


def seam_ratio(before: Pixels, after: Pixels, motion_before: float, motion_after: float) -> float:
    """The difference of two pictures over the larger motion of their shots. 1 is invisible.

    before: the last frame that the film shows of the previous shot, after: the first that it shows of the next, each
            (height, width, 3) uint8 RGB, of one size.
    motion_before, motion_after: Measurements.motion of both shots.
    """
    inside = max(motion_before, motion_after, LEAST_MOTION)
    return frame_difference(shrunk(before), shrunk(after)) / inside
