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

OPEN_MARGIN = 0.68
"""Without a last keyframe what is sharpest may go, such as letters or whiskers: then a frame is that much softer before
it is blurred. Three clean clips without a last keyframe had 0.38, 0.50 and 0.59 before this."""

FAST, LEAST_SLOW = 6.0, 0.3
"""Frames of faster steps, in pixels of the small copy, are blurred by their motion and do not count; nor do frames that
flow does not explain. If less than this share of the frames is left, so many count, the slowest ones: others can be as
soft as it takes, and say nothing."""

SHARP, PROOFS, PACE = 0.85, 2, 1.75
"""A motion that leaves so many frames this sharp blurs nothing: then frames that are up to so many times as fast as
these count as well."""

NEAR = 12.0
"""How far the picture moves, in pixels of the small copy, between a keyframe and frames that show the same as it does.
They must be as sharp as that keyframe; others as the softer one."""

FLOW_FAILS = 0.45
"""Steps.broken from which on the flow explains nothing."""

LEAST_EDGE = 0.001
"""Steepness that counts as none, samples 0 to 1, per pixel."""

LEAST_COARSE = 0.35
"""A frame whose coarse edges are below this share of the keyframes' shows too little to be called blurred."""

MIDDLE_LOSS = 1.2
"""A blur takes up to that much of middle edges. Fog takes as much of them as of fine ones, and a cloud is coarse."""

FAINT_EDGE = 0.02
"""Keyframes whose sharpest edges are softer have nothing that a blur could take: 5 of 255 a pixel. Of 360 clips, those
with a fault of sharpness have 0.029 and more."""


def sharpness_measure(
    detail: Sequence[Detail], keyframes: Sequence[Detail], steps: Steps, *, is_held: bool
) -> tuple[float, int] | None:
    """How steep fine edges are in terms of the keyframe that shows the same, elsewhere of the softer one, or without
    keyframes of the clip's sharpest frames; and the softest frame. None if the keyframes are soft.

    If coarser edges are softer as well, the frame shows something else, or in less light: then fine edges are expected
    to be softer by as much. Thin lines, such as letters, lose most: of edges that are in the keyframes, less sharp ones
    must agree. And frames beside each other must: a camera that shakes blurs some between sharp ones. is_held: the clip
    ends on a keyframe.
    """
    references = np.array([each.edges for each in keyframes])
    shown = references[:, 0].min(axis=0) >= FAINT_EDGE if keyframes else np.array([False, True])
    if not shown[-1]:
        return None
    fine, middle, coarse = _ratios(np.array([each.edges for each in detail]), references, steps).transpose(1, 0, 2)
    expected = np.minimum(1, np.minimum(coarse, MIDDLE_LOSS * middle))
    ratios = np.where(coarse < LEAST_COARSE, 1.0, fine / expected)[:, shown].max(axis=1)
    ratios = np.where(_are_fast(steps, ratios), np.inf, -lasting_values(-ratios))
    slow = np.sort(ratios[np.isfinite(ratios)])
    share, margin = (SHARE, 1.0) if is_held else (SHARE_OPEN, OPEN_MARGIN)
    return float(slow[min(len(slow) - 1, int(share * len(slow)))]) / margin, int(ratios.argmin())


def _are_fast(steps: Steps, ratios: Floats) -> Floats:
    """Which frames do not count. ratios: how sharp each frame is."""
    moved, is_lost = _of_frames(steps.moved), _of_frames(steps.broken).max(axis=0) > FLOW_FAILS
    fastest, speed = moved.max(axis=0), moved.mean(axis=0)
    proven = np.sort(speed[(ratios >= SHARP) & ~is_lost])
    harmless = PACE * float(proven[-PROOFS]) if len(proven) >= PROOFS else 0.0
    fast = np.asarray(is_lost | ((fastest > FAST) & (speed > harmless)))
    if fast.mean() <= 1 - LEAST_SLOW:
        return fast
    slowest = np.argsort(fastest, kind="stable")[: int(np.ceil(LEAST_SLOW * len(fast)))]
    return np.isin(np.arange(len(fast)), slowest, invert=True)


def _of_frames(values: Floats) -> Floats:
    """(2, frames): of each frame the value of the step to it, and of the step from it."""
    return np.stack([np.concatenate([values[:1], values]), np.concatenate([values, values[-1:]])])


def _ratios(edges: Floats, references: Floats, steps: Steps) -> Floats:
    """The edges of each frame in terms of those of its reference: (frames, scales, shares), as Detail.edges.

    references: the same of the keyframes.
    """
    usual = np.array([references.min(axis=0) if len(references) else np.quantile(edges, 0.9, axis=0)] * len(edges))
    if len(references) > 1:
        for reference, shows_it in zip(references, _near_ends(steps), strict=True):
            usual[shows_it] = reference
    return np.asarray((edges + LEAST_EDGE) / (usual + LEAST_EDGE))


def _near_ends(steps: Steps) -> tuple[Floats, Floats]:
    """Which frames show what the first frame shows, and which what the last one shows; none that shows both."""
    ways = np.where(steps.broken > FLOW_FAILS, np.inf, steps.moved)
    first, last = (np.concatenate([[0.0], np.cumsum(each)]) <= NEAR for each in (ways, ways[::-1]))
    return first & ~last[::-1], last[::-1] & ~first


def blocks_measure(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> tuple[float, int]:
    """How much more a frame consists of even blocks than the keyframes, or without any than the clip's other frames;
    and which frame: 1 is not at all. Blocks last: the two sides of something that passes may lie on one grid once."""
    blocks = lasting_values(blocks_of([each.profiles for each in detail]))
    usual = float(blocks_of([each.profiles for each in keyframes]).max()) if keyframes else float(blocks.min())
    return float(blocks.max()) / max(1.0, usual), int(blocks.argmax())
