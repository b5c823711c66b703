"""The orders that can begin, indexed so that a choice among thousands takes microseconds. Not thread-safe."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.production.render_order import RenderOrder


@dataclass(frozen=True)
class Alike:
    """What a policy distinguishes orders by, besides their length. Orders of one kind differ in nothing else.

    films: the films that wait for it.
    spare: whether it is neither the take that a film shows nor one that such a take needs.
    loads: what a device has to have loaded; None if nothing.
    """

    films: frozenset[str]
    spare: bool
    loads: LoadedModel | None
    barred: frozenset[str]


@dataclass(frozen=True)
class ReadyOrder:
    """An order that can begin.

    place:   its place in the order in which the orders were given.
    seconds: its estimate on one device.
    tail:    seconds until the last order that needs it has ended, if each begins at once: its critical path.
    """

    order: RenderOrder
    alike: Alike
    place: int
    seconds: float
    tail: float


class AlikeOrders:
    """The ready orders of one kind; at least one."""

    def __init__(self) -> None:
        self._by_place: list[tuple[int, ReadyOrder]] = []
        self._by_seconds: list[tuple[float, int, ReadyOrder]] = []
        self._by_tail: list[tuple[float, int, ReadyOrder]] = []

    def add(self, ready: ReadyOrder) -> None:
        """Add an order. Places are unique, so no two orders are ever compared."""
        insort(self._by_place, (ready.place, ready))
        insort(self._by_seconds, (ready.seconds, -ready.place, ready))
        insort(self._by_tail, (ready.tail, -ready.place, ready))

    def remove(self, ready: ReadyOrder) -> None:
        """Remove an order that was added."""
        del self._by_place[bisect_left(self._by_place, (ready.place,))]
        del self._by_seconds[bisect_left(self._by_seconds, (ready.seconds, -ready.place))]
        del self._by_tail[bisect_left(self._by_tail, (ready.tail, -ready.place))]

    def __len__(self) -> int:
        return len(self._by_place)

    @property
    def longest(self) -> ReadyOrder:
        """The one with the longest estimate."""
        return self._by_seconds[-1][-1]

    @property
    def tail(self) -> float:
        """The longest critical path."""
        return self._by_tail[-1][0]

    def first(self, room: float) -> ReadyOrder | None:
        """The first one, in the given order, whose estimate is at most `room` seconds."""
        return next((ready for _, ready in self._by_place if ready.seconds <= room), None)

    def longest_within(self, room: float) -> ReadyOrder | None:
        """The one with the longest estimate of at most `room` seconds. Of equally long ones the first."""
        at = bisect_right(self._by_seconds, (room, 1))
        return self._by_seconds[at - 1][-1] if at else None

    def most_critical(self, room: float) -> ReadyOrder | None:
        """The one with the longest critical path, of those whose estimate is at most `room` seconds."""
        return next((ready for _, _, ready in reversed(self._by_tail) if ready.seconds <= room), None)


class ReadyOrders:
    """All orders that can begin, by kind."""

    def __init__(self) -> None:
        self._kinds: dict[Alike, AlikeOrders] = {}
        self._ready: dict[RenderOrder, ReadyOrder] = {}

    def add(self, ready: ReadyOrder) -> None:
        """Add an order."""
        self._ready[ready.order] = ready
        self._kinds.setdefault(ready.alike, AlikeOrders()).add(ready)

    def remove(self, order: RenderOrder) -> None:
        """Remove an order that was added."""
        ready = self._ready.pop(order)
        kind = self._kinds[ready.alike]
        kind.remove(ready)
        if not kind:
            del self._kinds[ready.alike]

    def __contains__(self, order: RenderOrder) -> bool:
        return order in self._ready

    def __iter__(self) -> Iterator[ReadyOrder]:
        """In the order in which they were given."""
        return iter(sorted(self._ready.values(), key=lambda ready: ready.place))

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def kinds(self) -> Mapping[Alike, AlikeOrders]:
        """The orders of each kind."""
        return self._kinds
