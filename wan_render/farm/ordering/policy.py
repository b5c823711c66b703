"""Which of the orders that can begin does. Policies are inert values: no thread, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from wan_render.farm.ordering.devices_in_use import IdleDevice
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.farm.ordering.ready_orders import Alike, AlikeOrders, ReadyOrder, ReadyOrders
from wan_render.production.render_order import RenderOrder

NEAR_END = 4.0
"""The end is near when the work that is left occupies all devices for less than this many times the longest critical
path. From then on the longest takes come first, so that the devices finish together."""

CRITICAL = 0.7
"""A take is critical if its critical path is longer than this share of the time that all the work left needs on all
devices. Less than 1, because estimates are wrong. Of 0.5 to 1.0, this let the random nights of benchmarks.nights end
earliest."""


_Rank = tuple[float, ...]


@dataclass(frozen=True)
class Moment:
    """What a policy may consider besides the orders.

    devices:      the names of all devices.
    rendering:    the orders that have begun and have not left their devices.
    idle:         the devices that render nothing.
    work_left:    seconds of work that is left, on one device, including that of takes that are being rendered.
    seconds_left: until the deadline; infinite if there is none.
    room:         the longest estimate, in seconds, that an order of a kind may have, so that it ends in time.
    loading:      seconds to load what an order needs on a device that has loaded this.
    pull:         seconds of work that waits for these weights, for each device that has them.
    """

    devices: tuple[str, ...]
    rendering: tuple[RenderOrder, ...]
    idle: tuple[IdleDevice, ...]
    work_left: float
    seconds_left: float
    room: Callable[[Alike], float]
    loading: Callable[[RenderOrder, LoadedModel | None], float]
    pull: Callable[[LoadedModel | None], float]


class Policy(Protocol):
    """Chooses the order that begins next."""

    def choose(self, ready: ReadyOrders, at: Moment) -> RenderOrder | None:
        """One of the ready orders; None if none should begin now."""

    def precedence(self, ready: ReadyOrder) -> tuple[float, ...]:
        """Sorts orders roughly in the order in which they will begin, whatever is loaded. For forecasts."""


@dataclass(frozen=True)
class GivenOrder:
    """The first order that can begin, in the given order. Orders for different devices do not wait for each other."""

    def choose(self, ready: ReadyOrders, at: Moment) -> RenderOrder | None:
        """See Policy.choose."""
        rendering = Counter(order.barred for order in at.rendering)
        full = {barred for barred, count in rendering.items() if count >= _able(barred, at.devices)}
        for each in ready:
            if each.order.barred not in full and each.seconds <= at.room(each.alike):
                return each.order
        return None

    def precedence(self, ready: ReadyOrder) -> tuple[float, ...]:
        """See Policy.precedence."""
        return (ready.place,)


@dataclass(frozen=True)
class NightPolicy:
    """The order of a night of films.

    1. Films that were moved up, the last one first.
    2. Films of higher priority.
    3. What would delay the end of the night if it waited: takes with a critical path as long as all that is left.
    4. The takes that films show, and those that they need, before further takes.
    5. What has the least to load on a device that is idle.
    6. What fewer devices can render.
    7. Near the end the longest takes; before that the given order.

    priorities: film → its priority; 0 for films that are not listed.
    first:      films that were moved up, the last one first.
    """

    priorities: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    first: tuple[str, ...] = ()

    def choose(self, ready: ReadyOrders, at: Moment) -> RenderOrder | None:
        """See Policy.choose."""
        if not at.idle:
            return None
        share = at.work_left / len(at.devices)
        longest = max((kind.tail for kind in ready.kinds.values()), default=0.0)
        is_near_end = min(share, at.seconds_left) < NEAR_END * longest
        best: tuple[_Rank, _Rank, RenderOrder] | None = None
        for alike, kind in ready.kinds.items():
            is_critical = kind.tail > CRITICAL * share
            rank = (*self._of_film(alike), float(not is_critical), float(alike.spare))
            if best is not None and rank > best[0]:
                continue
            cost = _least_loading(alike, kind, at)
            found = (
                None
                if cost is None
                else _picked(kind, at.room(alike) - cost, is_critical=is_critical, is_near_end=is_near_end)
            )
            if cost is None or found is None:
                continue
            pull = -at.pull(alike.loads) if cost else 0.0
            by_length = -found.tail if is_near_end else 0.0
            further = (cost, -float(len(alike.barred)), pull, by_length, float(found.place))
            if best is None or (rank, further) < best[:2]:
                best = rank, further, found.order
        return None if best is None else best[2]

    def precedence(self, ready: ReadyOrder) -> tuple[float, ...]:
        """See Policy.precedence."""
        return (*self._of_film(ready.alike), float(ready.alike.spare), float(ready.place))

    def _of_film(self, alike: Alike) -> tuple[float, float]:
        """Of the films that wait for an order, the most important one counts."""
        moved = min((self.first.index(film) for film in alike.films if film in self.first), default=len(self.first))
        return float(moved), -float(max(self.priorities.get(film, 0) for film in alike.films))


def _picked(kind: AlikeOrders, room: float, *, is_critical: bool, is_near_end: bool) -> ReadyOrder | None:
    """The best order of a kind that fits."""
    if is_critical and (found := kind.most_critical(room)) is not None:
        return found
    return kind.longest_within(room) if is_near_end else kind.first(room)


def _least_loading(alike: Alike, kind: AlikeOrders, at: Moment) -> float | None:
    """Seconds of loading on the idle device that suits orders of this kind best. None if none can render them."""
    order = kind.longest.order
    loaded = {device.loaded for device in at.idle if device.name not in alike.barred}
    return min((at.loading(order, each) for each in loaded), default=None)


def _able(barred: frozenset[str], devices: tuple[str, ...]) -> int:
    """How many devices can render an order, at least 1. If none can, it begins anyway, and the farm raises the
    error."""
    return max(1, sum(name not in barred for name in devices))
