"""A limiter of true peaks: it lowers the gain smoothly around every peak that would be too high.

It knows the future. The gain needed at each sample follows from the signal at four times its rate (ITU-R BS.1770,
annex 2). Its minimum over a window, averaged over a window of the same length, is never above what is needed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wan_render.sound.sound_reader import Samples
from wan_render.sound.soundtrack import RATE

REACH = RATE // 100
"""Samples before and after a peak for which the gain is lower than the signal needs there: 10 ms."""

_OVERSAMPLING, _TAPS = 4, 24

Gains = NDArray[np.float64]


def _interpolation(phase: int) -> Gains:
    """The filter for the signal between two samples, at `phase` quarters of the way: a windowed sinc."""
    offsets = phase / _OVERSAMPLING - np.arange(_TAPS // 2, -_TAPS // 2, -1)
    filter_: Gains = np.sinc(offsets) * np.cos(np.pi * offsets / (_TAPS + 1)) ** 2
    return filter_


_BETWEEN = tuple(_interpolation(phase) for phase in range(1, _OVERSAMPLING))


class Limiter:
    """Limits samples block by block. What it gives back is as long as what it got, but `delay` samples later.

    peak: the highest true peak, in dBTP.
    """

    delay = 2 * REACH + _TAPS

    def __init__(self, peak: float) -> None:
        self._ceiling = 10 ** (peak / 20)
        self._kept = np.zeros((2 * self.delay, 2), np.float32)

    def limited(self, samples: Samples) -> Samples:
        """The next samples, limited: those from `delay` samples ago on."""
        whole = np.concatenate((self._kept, samples))
        gains = _smoothed(_needed(whole, self._ceiling))
        out = whole[self.delay : self.delay + len(samples)]
        gain = gains[self.delay : self.delay + len(samples), None]
        self._kept = whole[-2 * self.delay :]
        return (out * gain).astype(np.float32)


def _needed(samples: Samples, ceiling: float) -> Gains:
    """The gain at each sample with which neither it nor the signal just before it exceeds the ceiling; at most 1."""
    peaks = np.abs(samples).max(axis=1).astype(np.float64)
    for channel in (0, 1):
        signal = samples[:, channel].astype(np.float64)
        for between in _BETWEEN:
            np.maximum(peaks, np.abs(np.convolve(signal, between, mode="same")), out=peaks)
    needed: Gains = np.minimum(1.0, ceiling / np.maximum(peaks, ceiling))
    return needed


def _smoothed(needed: Gains) -> Gains:
    """A gain that changes slowly. It is nowhere above `needed`, except near both ends."""
    lowest = _minimum(needed, REACH)
    if lowest.min() == 1.0:
        return lowest
    return _average(_average(lowest, REACH // 2), REACH // 2)


def _average(values: Gains, reach: int) -> Gains:
    """The mean of each value and `reach` values on both sides; the first and last value go on beyond the ends."""
    padded = np.concatenate((np.full(reach + 1, values[0]), values, np.full(reach, values[-1])))
    sums = np.cumsum(padded)
    mean: Gains = (sums[2 * reach + 1 :] - sums[: -2 * reach - 1]) / (2 * reach + 1)
    return mean


def _minimum(values: Gains, reach: int) -> Gains:
    """The minimum of each value and `reach` values on both sides. Each step at most doubles the window."""
    window = 2 * reach + 1
    lowest = np.concatenate((np.ones(reach), values, np.ones(reach)))
    covered = 1
    while covered < window:
        step = min(covered, window - covered)
        lowest = np.minimum(lowest[:-step], lowest[step:])
        covered += step
    return lowest
