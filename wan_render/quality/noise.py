"""Noise: garbage instead of pictures, still or boiling.

Pictures have about as much energy in each octave of detail, or less in finer ones. Noise whose grain has some size has
four times as much in the octave of that size as in the next coarser one. Boiling noise also has no frame that follows
from the one before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wan_render.quality.small_frames import CHROMA, FINE, Detail, Floats
from wan_render.quality.tracking import Steps

PEAK = 2.4
"""Energy of an octave over that of the next coarser one. White noise has 4."""

ENERGY = 0.0065
"""Energy of an octave that noise exceeds, samples 0 to 1, squared. A VAE's loss of 22 dB has 0.0047 in the finest."""

MORE = 2.5
"""In terms of the keyframe that has more in that octave; LEAST_ENERGY counts as none."""

LEAST_ENERGY = 0.001

TINT_ENERGY, LEAST_TINT = 0.0018, 0.0003
"""Energy of an octave of colour that noise exceeds, and what counts as none."""

BOILING = 0.62
"""Root of Steps.broken and .unlike, in two steps in a row. The fastest pans have less, or are blurred."""

BOILING_ENERGY = 0.005
"""Of the finest octaves together: a fast pan is blurred and has less."""

NEW = 0.9
"""The same root, where nothing at all follows, whatever the energy."""


def noise_measure(detail: Sequence[Detail], keyframes: Sequence[Detail], steps: Steps) -> tuple[float, int]:
    """How far a frame is noise, the largest of all frames, and which; 1 is the point where all of the above hold."""
    energy = np.array([each.energy for each in detail])
    references = np.array([each.energy for each in keyframes])
    grain = np.maximum(_grain(energy, references), _coloured(detail, keyframes))
    found = np.maximum(np.maximum(grain, _haze(detail, keyframes)), _boiling(energy, steps))
    return float(found.max()), int(found.argmax())


def _grain(energy: Floats, references: Floats) -> Floats:
    found = np.zeros(len(energy))
    for band in range(FINE):
        peak = energy[:, band] / (energy[:, band + 1] + LEAST_ENERGY / 2) / PEAK
        found = np.maximum(found, np.minimum(peak, energy[:, band] / ENERGY) * _is_more(energy, references, band))
    return found


def _coloured(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> Floats:
    """Grain that changes colours only."""
    energy = np.array([each.tints for each in detail])
    usual = (
        np.max([each.tints for each in keyframes], axis=0) + LEAST_TINT if keyframes else np.full(CHROMA, LEAST_TINT)
    )
    return np.asarray((energy / TINT_ENERGY * np.clip(energy / usual / MORE, 0, 1)).max(axis=1))


def _haze(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> Floats:
    """Noise in the smoothest parts, where pictures have nothing. Without keyframes only the finest octaves say so: a
    picture may be full of coarser texture."""
    floors = np.array([each.floor for each in detail])
    references = np.array([each.floor for each in keyframes])
    found = np.zeros(len(floors))
    for band in range(FINE if keyframes else FINE // 2):
        found = np.maximum(found, floors[:, band] / ENERGY * _is_more(floors, references, band))
    return found


def _is_more(energy: Floats, references: Floats, band: int) -> Floats:
    """0 to 1: how much more there is than in the keyframes."""
    if not len(references):
        return np.ones(len(energy))
    usual = float(references[:, band].max()) + LEAST_ENERGY
    return np.clip(energy[:, band] / usual / MORE, 0, 1)


def _boiling(energy: Floats, steps: Steps) -> Floats:
    found = np.zeros(len(energy))
    new = np.sqrt(np.clip(steps.broken, 0, None) * np.clip(steps.unlike, 0, None))
    found[1:-1] = np.minimum(new[:-1], new[1:])
    fine = np.minimum(found / BOILING, energy[:, :FINE].sum(axis=1) / BOILING_ENERGY)
    return np.asarray(np.maximum(fine, found / NEW))
