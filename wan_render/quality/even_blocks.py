"""Even blocks, as a broken decoder leaves them: the lines of some grid are steeper than what is between them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from wan_render.quality.samples import Floats
from wan_render.render_values import Pixels

GRIDS = (4, 5, 6, 7, 8, 10, 12, 16, 20, 24, 32)
"""Sizes of blocks, in pixels."""

LEAST_STEP = 0.002
"""Difference of neighbouring pixels that counts as none, samples 0 to 1."""

StepProfiles = tuple[Floats, Floats]
"""The mean step between neighbouring pixels, samples 0 to 1: for each pair of columns, and for each pair of rows."""


def step_profiles(grey: Pixels) -> StepProfiles:
    """grey: (height, width) uint8."""
    across, down = cv2.absdiff(grey[:, 1:], grey[:, :-1]), cv2.absdiff(grey[1:], grey[:-1])
    columns, rows = (
        cv2.reduce(steps, axis, cv2.REDUCE_SUM, dtype=cv2.CV_32F).ravel() / (255 * steps.shape[axis])
        for axis, steps in enumerate((across, down))
    )
    return columns, rows


def blocks_of(profiles: Sequence[StepProfiles]) -> Floats:
    """How much steeper pictures of one size are on the lines of some even grid than between them: (pictures,), about 1.

    profiles: of each picture.
    """
    found = np.full(len(profiles), -np.inf)
    for profile in (np.stack(each) for each in zip(*profiles, strict=True)):
        for size in GRIDS:
            if profile.shape[1] >= 2 * size:
                found = np.maximum(found, _on_grid(profile, size))
    return np.where(np.isinf(found), 1.0, found)


def _on_grid(profiles: Floats, size: int) -> Floats:
    """The mean step on the lines of a grid, over the largest between them. The largest step of each is left out: the
    side of a door is one line, and a grid has many."""
    pictures, length = profiles.shape
    lines = profiles[:, : length // size * size].reshape(pictures, -1, size)
    steps = np.sort((lines.sum(axis=1) - lines.max(axis=1)) / (lines.shape[1] - 1), axis=1)
    return np.asarray(steps[:, -1] / (steps[:, -2] + LEAST_STEP))
