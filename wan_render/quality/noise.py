"""Noise: garbage instead of pictures, still or boiling.

Pictures have about as much energy in each octave of detail, or less in finer ones. Noise whose grain has some size has
four times as much in the octave of that size as in the next coarser one. Boiling noise also has no frame that follows
from the one before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from wan_render.quality.even_blocks import blocks_of
from wan_render.quality.samples import Floats
from wan_render.quality.small_frames import CHROMA, FINE, Detail
from wan_render.quality.tracking import Steps

PEAK = 2.4
"""Energy of an octave over that of the next coarser one. White noise has 4."""

ENERGY = 0.0058
"""Energy of an octave that noise exceeds, samples 0 to 1, squared. A VAE's loss of 22 dB has 0.0047 in the finest."""

MORE = 2.5
"""In terms of the keyframe that has more in that octave; LEAST_ENERGY counts as none."""

LEAST_ENERGY = 0.001

TINT_ENERGY, LEAST_TINT = 0.0013, 0.0003
"""Energy of an octave of colour that noise exceeds, and what counts as none. Clean clips have up to 0.0012."""

LASTS = 3
"""Frames in a row that noise lasts. One frame alone may show even texture, whose octaves depend on where it lies."""

BOILING, IN_A_ROW = 0.62, 3
"""Root of Steps.broken and .unlike, in so many steps in a row. The fastest pans have less, or are blurred."""

CONNECTED, PAN = 0.55, 20.0
"""Frames are connected below the first. A run of steps above it, between two that are faster than the second, in pixels
of the small copy, is a whip pan's fastest part."""

BOILING_ENERGY, BOILING_BLOCKS, BOILING_TINT = 0.005, 2.2, 0.0006
"""Of the finest octaves together: a fast pan is blurred and has less. Or blocks, in terms of the keyframes. Or an
octave of colour that no keyframe has: the loss of a VAE has as much, but follows from frame to frame."""

OTHER_TEXTURE = 1.6
"""Ratio of the energy of some octave to that of the keyframe that is most alike, at which boiling is noise altogether:
a waterfall boils as well, and the keyframe shows it."""

NEW = 0.9
"""The same root, where nothing at all follows, whatever the energy."""


def noise_measure(detail: Sequence[Detail], keyframes: Sequence[Detail], steps: Steps) -> tuple[float, int]:
    """How far a frame is noise, the largest of all frames, and which; 1 is the point where all of the above hold."""
    energy = np.array([each.energy for each in detail])
    references = np.array([each.energy for each in keyframes])
    grain = np.maximum(_grain(energy, references), _coloured(detail, keyframes) / TINT_ENERGY)
    for quarter in range(4 if keyframes else 0):  # what the worst one of any keyframe has is expected in each
        parts = np.array([each.quarters[quarter] for each in detail])
        grain = np.maximum(grain, _grain(parts, np.array([each.quarters.max(axis=0) for each in keyframes])))
    still = lasting_values(np.maximum(grain, _haze(detail, keyframes)))
    found = np.maximum(
        still, _boiling(_drawn(energy, detail, keyframes), steps) * _is_other_texture(energy, references)
    )
    return float(found.max()), int(found.argmax())


def _grain(energy: Floats, references: Floats) -> Floats:
    found = np.zeros(len(energy))
    for band in range(FINE):
        peak = energy[:, band] / (energy[:, band + 1] + LEAST_ENERGY / 2) / PEAK
        found = np.maximum(found, np.minimum(peak, energy[:, band] / ENERGY) * _is_more(energy, references, band))
    return found


def _coloured(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> Floats:
    """The most energy of an octave of colour, less what the keyframes have."""
    energy = np.array([each.tints for each in detail])
    usual = (
        np.max([each.tints for each in keyframes], axis=0) + LEAST_TINT if keyframes else np.full(CHROMA, LEAST_TINT)
    )
    return np.asarray((energy * np.clip(energy / usual / MORE, 0, 1)).max(axis=1))


def _haze(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> Floats:
    """Noise in the smoothest parts, where pictures have nothing. Without keyframes only the finest octaves say so: a
    picture may be full of coarser texture."""
    floors = np.array([each.floor for each in detail])
    references = np.array([each.floor for each in keyframes])
    found = np.zeros(len(floors))
    for band in range(FINE if keyframes else FINE // 2):
        found = np.maximum(found, floors[:, band] / ENERGY * _is_more(floors, references, band))
    return found


def lasting_values(values: Floats, frames: int = LASTS) -> Floats:
    """Of one value per frame: what all of so many frames in a row have, for the best such frames around each."""
    length = min(frames, len(values))
    least = np.lib.stride_tricks.sliding_window_view(values, length).min(axis=1)
    padded = np.pad(least, length - 1, constant_values=-np.inf)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, length).max(axis=1))


def _is_other_texture(energy: Floats, references: Floats) -> Floats:
    """0 to 1: how far the octaves of each frame are from those of the keyframe that is most alike."""
    if not len(references):
        return np.ones(len(energy))
    ratios = (energy[:, None] + LEAST_ENERGY) / (references[None] + LEAST_ENERGY)
    apart = np.abs(np.log(ratios)).max(axis=2).min(axis=1)
    return np.asarray(np.clip(apart / np.log(OTHER_TEXTURE), 0, 1))


def _is_more(energy: Floats, references: Floats, band: int) -> Floats:
    """0 to 1: how much more there is than in the keyframes."""
    if not len(references):
        return np.ones(len(energy))
    usual = float(references[:, band].max()) + LEAST_ENERGY
    return np.clip(energy[:, band] / usual / MORE, 0, 1)


def _gridded(detail: Sequence[Detail], keyframes: Sequence[Detail]) -> Floats:
    usual = blocks_of([each.profiles for each in keyframes])
    return np.asarray(blocks_of([each.profiles for each in detail]) / max([1.0, *usual]))


def _drawn(energy: Floats, detail: Sequence[Detail], keyframes: Sequence[Detail]) -> Floats:
    """How far each frame has what a blurred one has not: fine detail, blocks, or other colours."""
    fine = energy[:, :FINE].sum(axis=1) / BOILING_ENERGY
    colours = _coloured(detail, keyframes) / BOILING_TINT
    return np.asarray(np.max([fine, _gridded(detail, keyframes) / BOILING_BLOCKS, colours], axis=0))


def _boiling(drawn: Floats, steps: Steps) -> Floats:
    found = np.zeros(len(drawn))
    new = np.sqrt(np.clip(steps.broken, 0, None) * np.clip(steps.unlike, 0, None))
    new[_fastest_part(new, steps.moved)] = 0
    for at in range(len(new) - IN_A_ROW + 1):
        inner = slice(at + 1, at + IN_A_ROW)
        found[inner] = np.maximum(found[inner], new[at : at + IN_A_ROW].min())
    return np.asarray(np.maximum(np.minimum(found / BOILING, drawn), found / NEW))


def _fastest_part(new: Floats, moved: Floats) -> Floats:
    """Which steps are that of a whip pan."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (new > CONNECTED).astype(int), [0]])))
    found = np.zeros(len(new), bool)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if start > 0 and end < len(new) and min(moved[start - 1], moved[end]) > PAN:
            found[start:end] = True
    return found
