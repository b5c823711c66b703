"""What is still to come in a night and how long it takes: what a farm knows when it decides about groups."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wan_render.farm.groups.formation import JOINING_SECONDS, LOADING_SECONDS, Coming, formation, simulated_end
from wan_render.production.render_order import RenderOrder

KEPT_SECONDS = 2.0
"""A decision stands so long, unless something begins or ends: whoever waits asks again and again."""

Sizes = Callable[[RenderOrder], Sequence[int]]
"""How many devices may render an order."""


@dataclass(frozen=True)
class _Running:
    """A take that is being rendered: since when, and how long the backend says that it takes."""

    since: float
    seconds: float


class SimulatedRun:
    """The orders of the night, of which some are being rendered. Not for several threads: the farm has a lock.

    Times are the backend's estimates, times what the take that ended last took of its own: so they need only be right
    in proportion. alone: what is known better of takes on one device, by their keys: seconds.
    """

    def __init__(
        self,
        device_kind: str,
        clock: Callable[[], float] = time.monotonic,
        alone: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self._kind, self._clock, self._alone = device_kind, clock, alone
        self._expected: dict[str, RenderOrder] = {}
        self._running: dict[str, _Running] = {}
        self._pace = 1.0
        self._decided: dict[str, tuple[float, int]] = {}

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        """These have no outcome yet, and no others; in the order of the night."""
        self._expected = {order.take.key: order for order in orders}
        self._decided.clear()

    def begins(self, order: RenderOrder, devices: int) -> None:
        """So many devices render it from now on."""
        self._running[order.take.key] = _Running(self._clock(), self._estimate(order, devices))
        self._decided.clear()

    def rendered(self, order: RenderOrder) -> None:
        """Its devices have done their part."""
        running = self._running[order.take.key]
        if running.seconds:
            self._pace = (self._clock() - running.since) / running.seconds
        self._running[order.take.key] = _Running(self._clock(), 0.0)
        self._decided.clear()

    def ends(self, order: RenderOrder) -> None:
        """Its attempt is over. Until it is expected no more, it is still to come."""
        self._running.pop(order.take.key, None)
        self._decided.clear()

    def done(self, order: RenderOrder) -> None:
        """It is there."""
        self._expected = {key: expected for key, expected in self._expected.items() if key != order.take.key}

    @property
    def open(self) -> tuple[RenderOrder, ...]:
        """What is still to come and not being rendered."""
        return tuple(order for key, order in self._expected.items() if key not in self._running)

    def is_ready(self, order: RenderOrder) -> bool:
        """Whether it waits for no other that is still to come: somebody asks for it, or is about to."""
        return self._expected.keys().isdisjoint(order.needs)

    def left(self, key: str) -> float:
        """Seconds until a take is rendered; one that is late takes as long again as it is late."""
        running = self._running.get(key)
        if running is None or not running.seconds:
            return 0.0
        return abs(running.seconds * self._pace - (self._clock() - running.since))

    def devices(
        self,
        order: RenderOrder,
        waiting: Sequence[RenderOrder],
        free: Sequence[float],
        sizes: Sizes,
        *,
        helpers_load: bool = False,
    ) -> int:
        """How many devices an order gets that can begin now, as `waiting` can, too. free: seconds until each is.
        helpers_load: whether some of them would have to load the model first, while others have it."""
        decided = self._decided.get(order.take.key)
        if decided is None or self._clock() >= decided[0]:
            joining = JOINING_SECONDS + (LOADING_SECONDS if helpers_load else 0.0)
            found = formation(self._coming(order, waiting, sizes), free, joining)
            decided = self._decided[order.take.key] = self._clock() + KEPT_SECONDS, found.devices
        return decided[1]

    def total_seconds(self, devices: int, sizes: Sizes) -> float:
        """Seconds until the last of the orders is rendered, where all begins now and so many devices are free."""
        orders = tuple(self._expected.values())
        return simulated_end(self._coming(orders[0], (), sizes), [0.0] * devices) if orders else 0.0

    def remaining_seconds(self, devices: int) -> float:
        """Seconds until the last order is rendered, where each takes one of so many devices."""
        running = max(map(self.left, self._running), default=0.0)
        return running + (self.total_seconds(devices, lambda _: (1,)) if self.open else 0.0)

    def _coming(self, order: RenderOrder, waiting: Sequence[RenderOrder], sizes: Sizes) -> list[Coming]:
        """This one, then those that can begin as well, then the rest as it will be asked for."""
        first = {each.take.key: each for each in (order, *waiting)}
        coming = {key: each for key, each in (first | self._expected).items() if key not in self._running}
        places = {key: place for place, key in enumerate(coming)}
        return [
            Coming(
                {size: self._pace * self._estimate(each, size) for size in sizes(each)},
                max((self.left(need) for need in each.needs), default=0.0),
                tuple(places[need] for need in each.needs if places.get(need, place) < place),
            )
            for place, each in enumerate(coming.values())
        ]

    def _estimate(self, order: RenderOrder, devices: int) -> float:
        """Seconds, as the backend has it; a take that is joined from others takes next to nothing."""
        alone = self._alone.get(order.take.key)
        if order.take.through:
            return alone or 0.0
        seconds = order.backend.expected_seconds(order.take, self._kind, devices)
        return seconds if alone is None else alone * seconds / order.backend.expected_seconds(order.take, self._kind)
