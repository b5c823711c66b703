"""Blur: fine edges that are softer than those of the keyframes, while coarse ones are as steep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wan_render.quality.small_frames import Detail, Floats

SHARE = 0.2
"""A clip is as sharp as the frame below which this share of its frames are. Few blurred frames are a fast motion."""

LEAST_EDGE = 0.001
"""Steepness that counts as none, samples 0 to 1, per pixel."""

LEAST_COARSE = 0.35
"""A frame whose coarse edges are below this share of the keyframes' shows too little to be called blurred."""

FAINT_EDGE = 0.008
"""Keyframes whose sharpest edges are softer have nothing that a blur could take: 2 of 255 a pixel."""


def sharpness_measure(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> tuple[float, int] | None:
    """How steep fine edges are in terms of the softer keyframe, or without keyframes of the clip's sharpest frames; and
    the softest frame. None if the keyframes are soft.

    If coarse edges are softer as well, the frame shows something else, or in less light: then fine edges are expected
    to be softer by as much.
    """
    if keyframes and min(each.edge for each in keyframes) < FAINT_EDGE:
        return None
    fine = _ratios([each.edge for each in detail], [each.edge for each in keyframes])
    coarse = _ratios([each.coarse_edge for each in detail], [each.coarse_edge for each in keyframes])
    ratios = np.where(coarse < LEAST_COARSE, 1.0, fine / np.minimum(coarse, 1))
    return float(np.sort(ratios)[min(len(ratios) - 1, int(SHARE * len(ratios)))]), int(ratios.argmin())


def _ratios(edges: Sequence[float], references: Sequence[float]) -> Floats:
    usual = min(references) if references else float(np.quantile(edges, 0.9))
    return (np.array(edges) + LEAST_EDGE) / (usual + LEAST_EDGE)
