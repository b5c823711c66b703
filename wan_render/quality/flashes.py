"""Flashes: plain frames, white ones for example, after which the picture is back."""

from __future__ import annotations

import numpy as np

from wan_render.quality.fades import NOISELESS
from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import softened
from wan_render.quality.step_neighbours import PLAIN_SHARE
from wan_render.quality.tracking import RETURNS, Steps, pictures_apart
from wan_render.render_values import Pixels

LEAST_APART = 0.35
"""How unlike (tracking.pictures_apart) a plain frame is to the picture before it, and to the one after it. A picture in
the dark is plain as well, but not unlike."""

BACK = 0.6
"""The picture is back if it differs from what it was by less than this share of what the plain frame does."""

MOST = 10.0


def plain_flashes(steps: Steps, small: Pixels) -> Floats:
    """How much more contrast is around a flash than in it, up to MOST, for the step into it; 1 elsewhere.

    small: (frames, height, width, 3) uint8 RGB.
    """
    spread, found = steps.spread, np.ones(len(small) - 1)
    for length in range(1, RETURNS + 1):
        for before in range(len(small) - length - 1):
            after = before + length + 1
            outside, inside = min(spread[before], spread[after]), float(spread[before + 1 : after].max())
            if inside < PLAIN_SHARE * outside and _is_back(small, before, after):
                found[before] = max(found[before], min(MOST, outside / max(inside, outside / MOST)))
    return found


def _is_back(small: Pixels, before: int, after: int) -> bool:
    one, first, last, other = (softened(small[frame], NOISELESS) for frame in (before, before + 1, after - 1, after))
    changed = min(pictures_apart(one, first), pictures_apart(last, other))
    return changed >= LEAST_APART and pictures_apart(one, other) < BACK * changed
