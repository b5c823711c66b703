"""Where somebody speaks, and how far other sounds are ducked there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from wan_render.sound.sound_reader import Samples
from wan_render.sound.soundtrack import RATE

WINDOW = RATE // 100
"""Samples for which speech is one value: 10 ms."""

ATTACK, HOLD, RELEASE = 30, 40, 80
"""In windows. Music is down when the first word begins, stays down in pauses between words, and comes back slowly."""

_BELOW_LOUDEST = 10 ** (-30 / 20)
_NEVER_SPEECH = 10 ** (-60 / 20)

Depths = NDArray[np.float64]
"""For each window of the film: 0 for not ducked, 1 for ducked fully."""


class SpeechPresence:
    """Collects where speech is heard. length: of the film, in samples."""

    def __init__(self, length: int) -> None:
        self._speaks = np.zeros(-(-length // WINDOW), bool)

    def add(self, first: int, blocks: Iterator[Samples]) -> None:
        """Add one sound of speech that begins at sample `first` of the film, which is 0 or more."""
        window = first // WINDOW
        levels = _levels(first % WINDOW, blocks)
        if len(levels):
            threshold = max(levels.max() * _BELOW_LOUDEST, _NEVER_SPEECH)
            there = self._speaks[window : window + len(levels)]
            there |= (levels > threshold)[: len(there)]

    def depths(self) -> Depths:
        """How far other sounds are ducked."""
        at = np.arange(len(self._speaks), dtype=np.float64)
        last = np.maximum.accumulate(np.where(self._speaks, at, -np.inf))
        following = np.minimum.accumulate(np.where(self._speaks, at, np.inf)[::-1])[::-1]
        depth = np.maximum(1 - (at - last - HOLD) / RELEASE, 1 - (following - at) / ATTACK).clip(0, 1)
        smooth: Depths = depth * depth * (3 - 2 * depth)
        return smooth


def ducking(depths: Depths, duck: float, first: int, count: int) -> NDArray[np.float32]:
    """The gain of samples [first, first + count) of the film for a sound with this `duck`, in dB; (count, 1)."""
    at = np.arange(first, first + count, dtype=np.float64) / WINDOW - 0.5
    depth = np.interp(at, np.arange(len(depths)), depths)
    gain: NDArray[np.float32] = (10 ** (duck * depth / 20)).astype(np.float32)[:, None]
    return gain


def _levels(offset: int, blocks: Iterator[Samples]) -> Depths:
    """The level (root mean square) of each window, of the louder side."""
    energies: list[Depths] = []
    rest: Samples = np.zeros((offset, 2), np.float32)
    for block in blocks:
        whole = np.concatenate((rest, block))
        full = len(whole) // WINDOW
        energies.append(_energy(whole[: full * WINDOW]))
        rest = whole[full * WINDOW :]
    if len(rest):
        energies.append(_energy(np.concatenate((rest, np.zeros((WINDOW - len(rest), 2), np.float32)))))
    levels: Depths = np.sqrt(np.concatenate(energies)) if energies else np.zeros(0)
    return levels


def _energy(samples: Samples) -> Depths:
    squares = (samples.astype(np.float64) ** 2).reshape(-1, WINDOW, 2)
    energy: Depths = squares.mean(axis=1).max(axis=1)
    return energy
