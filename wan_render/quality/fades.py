"""The faint end of a fade from black or white, or to it: no content is new there, it only becomes visible."""

from __future__ import annotations

import numpy as np

from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import contrast_of, softened
from wan_render.render_values import Pixels

NOISELESS = 4.0
"""Blur in pixels of the small copy that leaves no noise of a VAE."""

AWAY, FAINT_SHARE = 2, 0.5
"""Both frames of a step have less than this share of the contrast of the frame so many frames before or after them. A
cut to black or from it has a frame of full contrast beside the plain one."""


def fading_steps(small: Pixels) -> Floats:
    """1 for each step that is the faint end of a fade, else 0: (frames - 1,).

    small: (frames, height, width, 3) uint8 RGB.
    """
    contrast = np.array([contrast_of(softened(frame, NOISELESS)) for frame in small])
    strongest = np.maximum(contrast[:-1], contrast[1:])
    beyond = np.pad(contrast, AWAY)
    count = len(strongest)
    far = np.maximum(beyond[:count], beyond[1 + 2 * AWAY : 1 + 2 * AWAY + count])
    return np.asarray(strongest < FAINT_SHARE * far, float)
