"""Whether there is time for a take before a night ends."""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from wan_render.farm.ordering.loaded import Weights

PRIOR_RATIO = 1.35
"""Until a night has shown how wrong its estimates are, a take may need 35 % more than estimated. A backend's first
estimate for a device that was never timed is a guess; the learnt ones are closer."""

PRIOR_TAKES = 4
"""How many takes the prior counts as. After 20 takes it weighs a sixth."""

OVERRUN_SECONDS = 30.0
"""A take may end this much after the end in the worst case, but not as a rule."""

USUAL = 0.97
"""The share of takes that must end in time."""


@dataclass(frozen=True)
class Deadline:
    """When the takes of a run have to be written.

    until:   wall clock time, in seconds since the epoch.
    reserve: film → seconds before that which are needed to finish the film.
    """

    until: float
    reserve: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def seconds_left(self, films: Iterable[str], now: float) -> float:
        """Seconds for a take that these films wait for. now: wall clock time."""
        return self.until - max((self.reserve.get(film, 0.0) for film in films), default=0.0) - now


@dataclass(frozen=True)
class Margin:
    """By which factors takes may exceed their estimates: usual for 97 % of them, worst for all but outliers."""

    usual: float = PRIOR_RATIO
    worst: float = PRIOR_RATIO

    def room(self, seconds_left: float) -> float:
        """The longest estimate, in seconds, of work that may begin now."""
        return min(seconds_left / self.usual, (seconds_left + OVERRUN_SECONDS) / self.worst)


class Margins:
    """Margins learnt from the takes of a run, for each model. Not thread-safe."""

    def __init__(self) -> None:
        self._ratios: defaultdict[Weights | None, list[float]] = defaultdict(list)
        self._margins: dict[Weights | None, Margin] = {}

    def copy(self) -> Margins:
        """The same, to be changed on its own."""
        copied = Margins()
        for weights, ratios in self._ratios.items():
            copied._ratios[weights] = list(ratios)
        return copied

    def observe(self, weights: Weights | None, expected: float, actual: float) -> None:
        """A take took `actual` seconds of work. Estimates of less than a second say nothing."""
        if expected >= 1.0 and actual > 0.0:
            insort(self._ratios[weights], actual / expected)
            self._margins.pop(weights, None)

    def margin(self, weights: Weights | None) -> Margin:
        """The margin of a model's takes."""
        if (found := self._margins.get(weights)) is None:
            found = self._margins[weights] = margin_of(self._ratios.get(weights, ()))
        return found


def margin_of(ratios: list[float] | tuple[float, ...]) -> Margin:
    """The margin that observed ratios (actual / expected seconds, ascending) give.

    The usual one is a quantile of the ratios and of PRIOR_TAKES more at the prior. The worst one lies beyond the
    largest ratio: with few takes the largest one yet to come is likely larger.
    """
    count = len(ratios)
    if not count:
        return Margin()
    pooled = sorted([*ratios, *[PRIOR_RATIO] * PRIOR_TAKES])
    weight = PRIOR_TAKES / (PRIOR_TAKES + count)
    middle, largest = ratios[count // 2], ratios[-1]
    beyond = largest + 2 * (largest - middle) / (count + 1)
    worst = max(beyond, weight * PRIOR_RATIO + (1 - weight) * beyond)
    quantile = pooled[min(math.ceil(USUAL * len(pooled)), len(pooled)) - 1]
    return Margin(min(quantile, worst), worst)
