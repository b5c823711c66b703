"""What a farm knows when it decides about groups: the orders of the run that are left, and how long they take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from wan_render.farm.groups.formation import JOINING_SECONDS, LOADING_SECONDS, Coming, formation, simulated_end
from wan_render.production.render_order import RenderOrder

KEPT_SECONDS = 2.0
"""How long a decision is kept, unless a take begins or ends. Waiting requests ask several times a second."""

Sizes = Callable[[RenderOrder], Sequence[int]]
"""The group sizes to choose from for an order."""


@dataclass(frozen=True)
class _Running:
    """A take that is being rendered: when it began, and the backend's estimate in seconds."""

    since: float
    seconds: float


class SimulatedRun:
    """The orders of a run; some are being rendered. Not thread-safe: the farm holds a lock.

    Times are the backend's estimates, scaled by measured / estimated time of the take that was rendered last. So only
    their ratios have to be right. alone: better known seconds of takes on one device, by key.
    together: the same for groups, by key and number of devices.
    """

    def __init__(
        self,
        device_kind: str,
        clock: Callable[[], float] = time.monotonic,
        alone: Mapping[str, float] = MappingProxyType({}),
        together: Mapping[str, Mapping[int, float]] = MappingProxyType({}),
    ) -> None:
        self._kind, self._clock, self._alone, self._together = device_kind, clock, alone, together
        self._expected: dict[str, RenderOrder] = {}
        self._running: dict[str, _Running] = {}
        self._pace = 1.0
        self._decided: dict[str, tuple[float, int]] = {}

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        """These orders, and no others, have no outcome yet. They are in the order of the run."""
        self._expected = {order.take.key: order for order in orders}
        self._decided.clear()

    def begins(self, order: RenderOrder, devices: int) -> None:
        """An attempt on this many devices begins."""
        self._running[order.take.key] = _Running(self._clock(), self.estimate(order, devices))
        self._decided.clear()

    def rendered(self, order: RenderOrder) -> None:
        """Its frames are rendered; its devices are free."""
        running = self._running[order.take.key]
        if running.seconds:
            self._pace = (self._clock() - running.since) / running.seconds
        self._running[order.take.key] = _Running(self._clock(), 0.0)
        self._decided.clear()

    def ends(self, order: RenderOrder) -> None:
        """Its attempt has ended. Unless it is done, it is still to be rendered."""
        self._running.pop(order.take.key, None)
        self._decided.clear()

    def done(self, order: RenderOrder) -> None:
        """It is rendered and needs no further attempt."""
        self._expected = {key: expected for key, expected in self._expected.items() if key != order.take.key}

    @property
    def open(self) -> tuple[RenderOrder, ...]:
        """The expected orders that are not being rendered."""
        return tuple(order for key, order in self._expected.items() if key not in self._running)

    def is_ready(self, order: RenderOrder) -> bool:
        """Whether it needs no expected order, so that it can begin."""
        return self._expected.keys().isdisjoint(order.needs)

    def left(self, key: str) -> float:
        """Seconds until a take is rendered. One that is late by some time is expected to need that time again."""
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
        """How many devices an order gets.

        order, waiting: can begin now.
        free:           seconds until each device is free.
        helpers_load:   whether some devices would have to load the model while others have it.
        """
        decided = self._decided.get(order.take.key)
        if decided is None or self._clock() >= decided[0]:
            joining = JOINING_SECONDS + (LOADING_SECONDS if helpers_load else 0.0)
            found = formation(self._coming(order, waiting, sizes), free, joining)
            decided = self._decided[order.take.key] = self._clock() + KEPT_SECONDS, found.devices
        return decided[1]

    def total_seconds(self, devices: int, sizes: Sizes) -> float:
        """Seconds until the last order is rendered, if the run begins now on this many free devices."""
        orders = tuple(self._expected.values())
        return simulated_end(self._coming(orders[0], (), sizes), [0.0] * devices) if orders else 0.0

    def remaining_seconds(self, devices: int) -> float:
        """Seconds until the last order is rendered, if each gets one of this many devices."""
        running = max(map(self.left, self._running), default=0.0)
        return running + (self.total_seconds(devices, lambda _: (1,)) if self.open else 0.0)

    def _coming(self, order: RenderOrder, waiting: Sequence[RenderOrder], sizes: Sizes) -> list[Coming]:
        """This order, then the others that can begin, then the rest in the order of the run."""
        first = {each.take.key: each for each in (order, *waiting)}
        coming = {key: each for key, each in (first | self._expected).items() if key not in self._running}
        places = {key: place for place, key in enumerate(coming)}
        return [
            Coming(
                {size: self._pace * self.estimate(each, size) for size in sizes(each)},
                max((self.left(need) for need in each.needs), default=0.0),
                tuple(places[need] for need in each.needs if places.get(need, place) < place),
            )
            for place, each in enumerate(coming.values())
        ]

    def estimate(self, order: RenderOrder, devices: int) -> float:
        """The backend's estimate in seconds. A take that is joined from others takes almost no time."""
        alone = self._alone.get(order.take.key)
        if order.take.through:
            return alone or 0.0
        if devices in (known := self._together.get(order.take.key, {})):
            return known[devices]
        seconds = order.backend.expected_seconds(order.take, self._kind, devices)
        return seconds if alone is None else alone * seconds / order.backend.expected_seconds(order.take, self._kind)
