"""The expected time of one take, and of several together, with how far off it may be.

Times of equal takes are log-normal: their logarithms scatter evenly. A standard deviation `s` of the logarithm means
that 80 % of the takes need between seconds * exp(-1.28 s) and seconds * exp(1.28 s).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, hypot, sqrt

TENTH = 1.2816
"""Standard deviations from the median of a normal distribution to its 10th and 90th percentiles."""


@dataclass(frozen=True)
class TakeTime:
    """The expected time of a take on one device with the model loaded, until it is written.

    seconds:    the median.
    is_guessed: whether nothing was measured on such a device. Then it is the backend's estimate.
    noise:      how much equal takes differ: standard deviation of the logarithm, independent for each take.
    doubt:      how far the median itself may be off: the same, but shared by all takes of such a kind.
    samples:    how many takes of the same kind were measured; the number of those with other steps, frames, sizes or
                models does not count.
    loading:    seconds that the model needs to load before, on a device that has not loaded it yet; 0 if unknown.
    writing:    the part of `seconds` in which the device can already render the next take.
    together:   the same seconds for groups of devices, by their number, if they were measured.
    """

    seconds: float
    is_guessed: bool
    noise: float = 0.0
    doubt: float = 0.0
    samples: int = 0
    loading: float = 0.0
    writing: float = 0.0
    together: Mapping[int, float] = field(default_factory=dict)

    @property
    def low(self) -> float:
        """One take of ten is quicker."""
        return self.seconds * exp(-TENTH * hypot(self.noise, self.doubt))

    @property
    def high(self) -> float:
        """One take of ten is slower."""
        return self.seconds * exp(TENTH * hypot(self.noise, self.doubt))


@dataclass(frozen=True)
class Spread:
    """How far off the time of several takes may be, relative to the time. noise: for each take on its own. doubt: for
    all in one direction. Both are standard deviations of the logarithm."""

    noise: float = 0.0
    doubt: float = 0.0

    def around(self, seconds: float, known: float = 0.0) -> tuple[float, float]:
        """The range of 80 % around an expected time. known: the share of the run that is done and measured, 0 to 1;
        the doubt about the rest shrinks with it."""
        width = TENTH * hypot(self.noise, self.doubt * (1 - known))
        return seconds * exp(-width), seconds * exp(width)


EXACT = Spread()
"""Nothing may be off."""


def spread(times: Iterable[TakeTime], devices: int = 1) -> Spread:
    """How far off the time of these takes may be on so many devices. Each device renders its share of them, and the
    independent errors of its takes partly cancel out."""
    known = tuple(times)
    total = sum(time.seconds for time in known)
    if not total:
        return EXACT
    noise = sqrt(devices * sum((time.seconds * time.noise) ** 2 for time in known)) / total
    doubt = sum(time.seconds * time.doubt for time in known) / total
    largest = max((time.noise for time in known), default=0.0)
    return Spread(min(noise, largest), doubt)
