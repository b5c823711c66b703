"""Blur: edges that are softer than those of the keyframes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wan_render.quality.small_frames import Detail, Floats

SHARE = 0.2
"""A clip is as sharp as the frame below which this share of its frames are. Few blurred frames are a fast motion."""

LEAST_EDGE, LEAST_CONTRAST = 0.001, 0.01
"""Steepness and contrast that count as none, samples 0 to 1."""

FAINT_EDGE = 0.008
"""Keyframes whose sharpest edges are softer have nothing that a blur could take: 2 of 255 a pixel."""


def sharpness_measure(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> tuple[float, int] | None:
    """How steep the edges are in terms of the softer keyframe, or without keyframes of the clip's sharpest frames, and
    the softest frame. None if the keyframes are soft.

    The larger of two ratios: of the edges as they are, and over the picture's contrast, so that a lamp that is switched
    off is no blur.
    """
    if keyframes and min(each.edge for each in keyframes) < FAINT_EDGE:
        return None
    ratios = np.maximum(*(_ratio(_edges(detail, by), _edges(keyframes, by)) for by in (False, True)))
    at = int(ratios.argmin())
    return float(np.sort(ratios)[min(len(ratios) - 1, int(SHARE * len(ratios)))]), at


def _edges(detail: Sequence[Detail], over_contrast: bool) -> Floats:  # noqa: FBT001 - private, named at its one call
    return np.array([each.edge / (each.contrast + LEAST_CONTRAST if over_contrast else 1) for each in detail])


def _ratio(edges: Floats, references: Floats) -> Floats:
    usual = float(references.min() if len(references) else np.quantile(edges, 0.9))
    return np.asarray((edges + LEAST_EDGE) / (usual + LEAST_EDGE))
