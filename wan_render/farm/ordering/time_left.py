"""Whether there is time for a take before a night ends."""

from __future__ import annotations

import math
from bisect import insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from wan_render.farm.ordering.loaded import Weights
from wan_render.production.failures import NIGHT_END

GUESSED_RATIO = 1 / 0.7
"""By which factor a take may exceed an estimate of which nothing is known: it may be 30 % too low."""

PRIOR_TAKES = 16
"""How many takes of a run weigh as much as what was known of the estimates before. With fewer, one slow take after
three quick ones overran a window by 53 s in benchmarks.nights."""

OVERRUN_SECONDS = 30.0
"""A take may end this much after the end in the worst case, but not as a rule."""

ABORT_RENDERING_SECONDS = 45.0
"""How long after the end a take may still be rendered. Then it is aborted, so that its devices are free."""

ABORT_WRITING_SECONDS = 10.0
"""How much longer a take that is rendered may be written, by the steady clock: a clock that is set, or a laptop that
has slept, loses no rendered take. Nothing of a night runs on for more than a minute."""

USUAL = 0.97
"""The share of takes that must end in time."""


@dataclass(frozen=True)
class Deadline:
    """When the takes of a run have to be written.

    until:   wall clock time, in seconds since the epoch. words: the same in words: `07:00`.
    reserve: film → seconds before that which are needed to finish the film.
    """

    until: float
    reserve: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    words: str = NIGHT_END

    def seconds_left(self, films: Iterable[str], now: float) -> float:
        """Seconds for a take that these films wait for. now: wall clock time."""
        return self.until - max((self.reserve.get(film, 0.0) for film in films), default=0.0) - now


@dataclass(frozen=True)
class Margin:
    """By which factors takes may exceed their estimates: usual for 97 % of them, worst for all but outliers."""

    usual: float
    worst: float

    def room(self, seconds_left: float) -> float:
        """The longest estimate, in seconds, of work that may begin now."""
        return min(seconds_left / self.usual, (seconds_left + OVERRUN_SECONDS) / self.worst)


class Margins:
    """Margins learnt from the takes of a run, for each model. Not thread-safe."""

    def __init__(self) -> None:
        self._ratios: defaultdict[Weights | None, list[float]] = defaultdict(list)
        self._priors: dict[Weights | None, float] = {}
        self._margins: dict[Weights | None, Margin] = {}

    def copy(self) -> Margins:
        """The same, to be changed on its own."""
        copied = Margins()
        copied._priors |= self._priors
        for weights, ratios in self._ratios.items():
            copied._ratios[weights] = list(ratios)
        return copied

    def suppose(self, weights: Weights | None, ratio: float) -> None:
        """A take of this model may exceed its estimate by this factor. Of several the largest counts."""
        self._priors[weights] = max(ratio, self._priors.get(weights, 0.0))
        self._margins.pop(weights, None)

    def observe(self, weights: Weights | None, expected: float, actual: float) -> None:
        """A take took `actual` seconds of work. Estimates of less than a second say nothing."""
        if expected >= 1.0 and actual > 0.0:
            insort(self._ratios[weights], actual / expected)
            self._margins.pop(weights, None)

    def margin(self, weights: Weights | None) -> Margin:
        """The margin of a model's takes."""
        if (found := self._margins.get(weights)) is None:
            prior = self._priors.get(weights, GUESSED_RATIO)
            found = self._margins[weights] = margin_of(self._ratios.get(weights, ()), prior)
        return found


def margin_of(ratios: Sequence[float], prior: float = GUESSED_RATIO) -> Margin:
    """The margin that observed ratios give: actual / expected seconds, ascending. prior: expected before any.

    The usual one is a quantile of them. The worst one lies beyond the largest: with few takes the largest one yet to
    come is likely larger. If the prior is larger still, both lie between: a few quick takes do not prove it wrong, but
    one slow take does.
    """
    count = len(ratios)
    if not count:
        return Margin(prior, prior)
    weight = PRIOR_TAKES / (PRIOR_TAKES + count)
    quantile, largest = ratios[math.ceil(USUAL * count) - 1], ratios[-1]
    beyond = largest + 2 * (largest - ratios[count // 2]) / (count + 1)
    return Margin(*(ratio + weight * max(0.0, prior - ratio) for ratio in (quantile, beyond)))
