"""Blocks, and blur: fine edges that are softer than those of the keyframes, while coarse ones are as steep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wan_render.quality.even_blocks import blocks_of
from wan_render.quality.noise import lasting_values
from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import Detail
from wan_render.quality.tracking import Steps

SHARE, SHARE_OPEN = 0.2, 0.5
"""A clip is as sharp as the frame below which this share of its frames are: between keyframes, and if its end is open,
where the focus may go elsewhere."""

OPEN_MARGIN = 0.75
"""Without a last keyframe what is sharpest may go, such as letters or whiskers: then a frame is that much softer before
it is blurred. Three clean clips without a last keyframe had 0.38, 0.50 and 0.59."""

FAST, LEAST_SLOW = 6.0, 0.3
"""Frames of faster steps, in pixels of the small copy, are blurred by their motion and do not count; nor do frames that
flow does not explain. If less than this share of the frames is left, so many count, the slowest ones: others can be as
soft as it takes, and say nothing."""

FLOW_FAILS = 0.45
"""Steps.broken from which on the flow explains nothing."""

LEAST_EDGE = 0.001
"""Steepness that counts as none, samples 0 to 1, per pixel."""

LEAST_COARSE = 0.35
"""A frame whose coarse edges are below this share of the keyframes' shows too little to be called blurred."""

FAINT_EDGE = 0.016
"""Keyframes whose sharpest edges are softer have nothing that a blur could take: 4 of 255 a pixel. Of 260 clips, those
with a fault of sharpness have 0.029 and more."""


def sharpness_measure(
    detail: Sequence[Detail], keyframes: Sequence[Detail], steps: Steps, *, is_held: bool
) -> tuple[float, int] | None:
    """How steep fine edges are in terms of the softer keyframe, or without keyframes of the clip's sharpest frames; and
    the softest frame. None if the keyframes are soft.

    If coarse edges are softer as well, the frame shows something else, or in less light: then fine edges are expected
    to be softer by as much. is_held: the clip ends on a keyframe.
    """
    if keyframes and min(each.edge for each in keyframes) < FAINT_EDGE:
        return None
    fine = _ratios([each.edge for each in detail], [each.edge for each in keyframes])
    coarse = _ratios([each.coarse_edge for each in detail], [each.coarse_edge for each in keyframes])
    ratios = np.where(coarse < LEAST_COARSE, 1.0, fine / np.minimum(coarse, 1))
    ratios = np.where(_are_fast(steps), np.inf, ratios)
    slow = np.sort(ratios[np.isfinite(ratios)])
    share, margin = (SHARE, 1.0) if is_held else (SHARE_OPEN, OPEN_MARGIN)
    return float(slow[min(len(slow) - 1, int(share * len(slow)))]) / margin, int(ratios.argmin())


def _are_fast(steps: Steps) -> Floats:
    """Which frames do not count."""
    fast = _of_frames((steps.moved > FAST) | (steps.broken > FLOW_FAILS))
    if fast.mean() <= 1 - LEAST_SLOW:
        return fast
    slowest = np.argsort(_of_frames(steps.moved), kind="stable")[: int(np.ceil(LEAST_SLOW * len(fast)))]
    return np.isin(np.arange(len(fast)), slowest, invert=True)


def _of_frames(values: Floats) -> Floats:
    """Of each frame: the larger value of the steps to it and from it."""
    return np.asarray(np.maximum(np.concatenate([values[:1], values]), np.concatenate([values, values[-1:]])))


def _ratios(edges: Sequence[float], references: Sequence[float]) -> Floats:
    usual = min(references) if references else float(np.quantile(edges, 0.9))
    return (np.array(edges) + LEAST_EDGE) / (usual + LEAST_EDGE)


def blocks_measure(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> tuple[float, int]:
    """How much more a frame consists of even blocks than the keyframes, or without any than the clip's other frames;
    and which frame: 1 is not at all. Blocks last: the two sides of something that passes may lie on one grid once."""
    blocks = lasting_values(blocks_of([each.profiles for each in detail]))
    usual = float(blocks_of([each.profiles for each in keyframes]).max()) if keyframes else float(blocks.min())
    return float(blocks.max()) / max(1.0, usual), int(blocks.argmax())
