"""How fast a clip moves, step by step: the length of its optical flow."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.optical_flow import forward_flow, grey
from wan_render.render_values import Pixels

Floats = NDArray[Any]
"""Floating-point arrays."""

MEASURED = 320
"""The long side, in pixels, at which motion is measured."""

CELLS = (8, 8)
"""Columns and rows of the coarse flow, by which directions are compared."""


@dataclass(frozen=True)
class MotionCurve:
    """The steps of a clip; step k leads from frame k to frame k + 1.

    speeds: (steps,) root mean square length of the flow, in percent of the picture's long side.
    flows:  (steps, rows, columns, 2) the flow as means of parts of the picture, in the same unit.
    """

    speeds: Floats
    flows: Floats


def motion_curve(frames: Iterable[Pixels]) -> MotionCurve:
    """frames: each (height, width, 3) uint8 RGB, of one size, one at a time. No step for a single frame."""
    speeds, flows = list[float](), list[Floats]()
    before = None
    for frame in frames:
        small = grey(frame, MEASURED)
        if before is not None:
            flow = forward_flow(before, small) * (100 / max(small.shape))
            speeds.append(float(np.sqrt(np.square(flow).sum(axis=2).mean())))
            flows.append(cv2.resize(flow, CELLS, interpolation=cv2.INTER_AREA))
        before = small
    return MotionCurve(np.array(speeds), np.array(flows).reshape(-1, *CELLS[::-1], 2))
