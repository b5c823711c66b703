"""Hues that turn: all colours of a picture go around the colour circle. Their median and their chroma hardly change."""

from __future__ import annotations

import numpy as np

from wan_render.quality.samples import Floats

BINS = 36
"""Of the colour circle."""

BETTER = 1.15
"""A turn explains the hues of a frame if they correlate with the first ones, turned, so much more than as they are."""


def hues_of(colours: Floats) -> Floats:
    """The chroma in each part of the colour circle, (BINS,). colours: (places, 2 or more), a and b of Lab."""
    angles = np.arctan2(colours[:, 1], colours[:, 0])
    bins = ((angles / (2 * np.pi) + 1) * BINS).astype(int) % BINS
    return np.bincount(bins, np.hypot(colours[:, 0], colours[:, 1]), BINS)


def turn_between(one: Floats, other: Floats) -> float:
    """By which angle, in radians, the colours of the same places, each (places, 2 or more), a and b of Lab, turned: the
    best one by least squares. Noise has no preferred one."""
    across = one[:, 0] @ other[:, 1] - one[:, 1] @ other[:, 0]
    return float(np.arctan2(across, one[:, 0] @ other[:, 0] + one[:, 1] @ other[:, 1]))


def turns_of_frames(hues: Floats) -> Floats:
    """By which angle, in radians, the hues of each frame turned beside those of the first one: (frames,). 0 where no
    turn explains them better than none.

    hues: (frames, BINS)
    """
    turned = np.stack([np.roll(hues[0], shift) for shift in range(BINS)])
    likeness = hues @ turned.T
    best = likeness.argmax(axis=1)
    angles = np.angle(np.exp(2j * np.pi * best / BINS))
    return np.where(likeness.max(axis=1) > BETTER * likeness[:, 0], angles, 0.0)
