"""The remaining time of a run: at first as the plan estimates, then increasingly as measured."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wan_render.estimates import EXACT, Spread
from wan_render.price import Price
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Phase, Progress
from wan_render.session.wording import ranged

_AFTER_STEPS = {Phase.DECODING: 0.95, Phase.WRITING: 0.98}
"""The share of a take that is done when these phases begin. The steps are before them. Only for progress bars."""


LEAST_GPU_HOURS = 0.01
"""Less is not worth a word."""


@dataclass(frozen=True)
class Expected:
    """Estimated duration of a run, in seconds.

    takes: until the last take is rendered, on all devices. alone: of each take on one device, by key. film: for the
    film after that. spread: how far off `takes` may be. gpu_hours: of all GPUs; 0 if none renders. price: of these.
    """

    takes: float = 0.0
    alone: Mapping[str, float] = field(default_factory=dict)
    film: float = 0.0
    spread: Spread = EXACT
    gpu_hours: float = 0.0
    price: Price | None = None

    @property
    def seconds(self) -> float:
        """Until the film is finished."""
        return self.takes + self.film

    @property
    def range(self) -> tuple[float, float]:
        """The quickest and the slowest of ten such runs, in seconds until the film is finished."""
        low, high = self.spread.around(self.takes)
        return low + self.film, high + self.film

    @property
    def cost(self) -> str:
        """`9.8 GPU-hours, about 24.50 EUR`; "" without GPUs."""
        if self.gpu_hours < LEAST_GPU_HOURS:
            return ""
        hours = f"{self.gpu_hours:.1f}" if self.gpu_hours >= 1 else f"{self.gpu_hours:.2f}"
        return f"{hours} GPU-hours" + (f", about {self.price}" if self.price is not None else "")


class Countdown:
    """Remaining seconds of something with an estimated duration.

    The total is a weighted mean of the measured and the estimated duration. The weight of the measured one is the share
    that is done.
    """

    def __init__(self, expected: float) -> None:
        self._expected = expected
        self._share = 0.0
        self._since: float | None = None

    def reached(self, share: float) -> None:
        """Set the share that is done, 0 to 1. Time is measured from the first share above 0 on, because loading a model
        says nothing about the speed of the rest."""
        if share > 0 and self._since is None:
            self._since = time.monotonic()
        self._share = min(share, 1.0)

    @property
    def share(self) -> float:
        """The share that is done, 0 to 1."""
        return self._share

    @property
    def seconds(self) -> float:
        """Seconds from now to the end."""
        elapsed = 0.0 if self._since is None else time.monotonic() - self._since
        rest = 1 - self._share
        return rest * (elapsed + rest * self._expected)


class RunCountdown:
    """Remaining seconds of a run with its film. each: countdowns of its takes, by key."""

    def __init__(self, orders: Sequence[RenderOrder], expected: Expected) -> None:
        self._usual = max(expected.takes / max(len(orders), 1), 1.0)
        self._weights = {order.take.key: expected.alone.get(order.take.key) or self._usual for order in orders}
        self._shares = dict.fromkeys(self._weights, 0.0)
        self._takes = Countdown(expected.takes)
        self._film, self._spread = expected.film, expected.spread
        self.each = {key: Countdown(seconds) for key, seconds in self._weights.items()}

    def add(self, order: RenderOrder) -> Countdown:
        """The countdown of a take, which may be new in the run, such as a retake."""
        key = order.take.key
        if key not in self._weights:
            self._weights[key], self._shares[key] = self._usual, 0.0
            self.each[key] = Countdown(self._usual)
        return self.each[key]

    def hear(self, order: RenderOrder, progress: Progress) -> None:
        """Update the progress of a take."""
        if progress.phase is Phase.STEP and progress.total:
            share = order.take.sampling.done_after(progress.done / progress.total)
            self._reached(order, _AFTER_STEPS[Phase.DECODING] * share)
        elif progress.phase in _AFTER_STEPS:
            self._reached(order, _AFTER_STEPS[progress.phase])

    def ended(self, order: RenderOrder) -> None:
        """A take is finished or has failed."""
        self._reached(order, 1.0)

    @property
    def seconds(self) -> float:
        """Seconds from now to the finished film."""
        return self._takes.seconds + self._film

    @property
    def in_words(self) -> str:
        """`2 h 10 min (1 h 50 to 2 h 30)`. The range tightens as takes are finished: the pace of the rest is known."""
        left = self._takes.seconds
        low, high = self._spread.around(left, self._takes.share)
        return ranged(left + self._film, low + self._film, high + self._film)

    def _reached(self, order: RenderOrder, share: float) -> None:
        self.add(order).reached(share)
        self._shares[order.take.key] = share
        done = sum(self._weights[each] * share for each, share in self._shares.items())
        self._takes.reached(done / sum(self._weights.values()))
