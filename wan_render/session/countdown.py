"""How long a run will still take: as the plan expects at first, then more and more as it goes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wan_render.production import RenderOrder
from wan_render.render_values import Phase, Progress

_AFTER_STEPS = {Phase.DECODING: 0.95, Phase.WRITING: 0.98}
"""The share of a take that is done when these phases begin; its steps are what comes before. Only for the bars."""


@dataclass(frozen=True)
class Expected:
    """What a plan expects of a run, in seconds.

    takes: until the last take is rendered, on all devices. alone: of each take on one device, by its key. film: from
    then to the finished film.
    """

    takes: float = 0.0
    alone: Mapping[str, float] = field(default_factory=dict)
    film: float = 0.0


class Countdown:
    """Seconds left of something that was expected to take some time.

    Of the time that it will take in all, the share that is done counts as it was measured and the rest as expected: at
    the beginning that is the estimate, at the end what was measured.
    """

    def __init__(self, expected: float) -> None:
        self._expected = expected
        self._share = 0.0
        self._since: float | None = None

    def reached(self, share: float) -> None:
        """So much is done, from 0 to 1. The first time that something is, measuring begins: loading a model comes
        before, and says nothing of how fast the rest goes."""
        if share > 0 and self._since is None:
            self._since = time.monotonic()
        self._share = min(share, 1.0)

    @property
    def seconds(self) -> float:
        """From now to the end."""
        elapsed = 0.0 if self._since is None else time.monotonic() - self._since
        rest = 1 - self._share
        return rest * (elapsed + rest * self._expected)


class NightCountdown:
    """Of all takes of a run and its film; of each take as well."""

    def __init__(self, orders: Sequence[RenderOrder], expected: Expected) -> None:
        usual = max(expected.takes / max(len(orders), 1), 1.0)
        self._weights = {order.take.key: expected.alone.get(order.take.key) or usual for order in orders}
        self._shares = dict.fromkeys(self._weights, 0.0)
        self._takes = Countdown(expected.takes)
        self._film = expected.film
        self.each = {key: Countdown(seconds) for key, seconds in self._weights.items()}

    def hear(self, order: RenderOrder, progress: Progress) -> None:
        """How far a take is."""
        if progress.phase is Phase.STEP and progress.total:
            self._reached(order, _AFTER_STEPS[Phase.DECODING] * progress.done / progress.total)
        elif progress.phase in _AFTER_STEPS:
            self._reached(order, _AFTER_STEPS[progress.phase])

    def ended(self, order: RenderOrder) -> None:
        """A take is there, or given up."""
        self._reached(order, 1.0)

    @property
    def seconds(self) -> float:
        """From now to the finished film."""
        return self._takes.seconds + self._film

    def _reached(self, order: RenderOrder, share: float) -> None:
        key = order.take.key
        self._shares[key] = share
        self.each[key].reached(share)
        done = sum(self._weights[each] * share for each, share in self._shares.items())
        self._takes.reached(done / sum(self._weights.values()))
