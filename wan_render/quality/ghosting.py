"""Double exposures: frames between two unlike keyframes that a blend of both explains."""

from __future__ import annotations

import numpy as np

from wan_render.quality.ends import likeness
from wan_render.quality.small_frames import shrunk
from wan_render.render_values import Pixels

ALIKE = 0.6
"""Keyframes that are at least so alike have no ghosts: what is between them looks like both."""


def ghost(small: Pixels, first: Pixels, last: Pixels) -> tuple[float, int] | None:
    """The share of a frame that a blend of the keyframes explains, the largest of all frames, and where.

    None if the keyframes are alike. small: (frames, height, width, 3) uint8 RGB; first, last: in full size.
    """
    one, other = (shrunk(keyframe) for keyframe in (first, last))
    if likeness(one, other) >= ALIKE:
        return None
    start, end = (picture.astype(np.float32) / 255 for picture in (one, other))
    way = end - start
    length = float((way * way).sum())
    best = (0.0, 0)
    for at, frame in enumerate(small):
        gone = frame.astype(np.float32) / 255 - start
        part = float((gone * way).sum()) / length
        if 0.25 <= part <= 0.75:
            rest = gone - part * way
            best = max(best, (1 - float((rest * rest).sum()) / (part * (1 - part) * length), at))
    return best
