"""Which orders wait for which: for the takes that they need, or for another order of the same take."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from wan_render.production.render_order import RenderOrder

TakePlace = tuple[Path | None, str]
"""The store of a take, and its key."""


def take_place(order: RenderOrder) -> TakePlace:
    """Where an order's take will be."""
    return order.store, order.take.key


def needed_places(order: RenderOrder) -> list[TakePlace]:
    """The takes that an order needs."""
    return [(order.store, need) for need in order.needs]


@dataclass(frozen=True)
class Released:
    """What waited for an order that has ended. twins: other orders for its take. needing: orders that need its take,
    perhaps among others."""

    twins: tuple[RenderOrder, ...] = ()
    needing: tuple[RenderOrder, ...] = ()


class OrderNeeds:
    """Of the orders that have not ended, which wait for which. Of several orders for one take the first one leads: it
    is rendered. Not thread-safe.

    orders: each after those that it needs. begun: those that have begun; they wait for nothing.
    """

    def __init__(self, orders: Iterable[RenderOrder] = (), begun: Collection[RenderOrder] = ()) -> None:
        self._leading: dict[TakePlace, RenderOrder] = {}
        self._twins: dict[TakePlace, list[RenderOrder]] = {}
        self._needing: dict[TakePlace, list[RenderOrder]] = {}
        for order in orders:
            place = take_place(order)
            if self._leading.setdefault(place, order) is not order and order not in begun:
                self._twins.setdefault(place, []).append(order)
            for need in needed_places(order):
                self._needing.setdefault(need, []).append(order)

    @property
    def leading(self) -> tuple[RenderOrder, ...]:
        """The orders that are rendered, one for each take."""
        return tuple(self._leading.values())

    def leads(self, order: RenderOrder) -> bool:
        """Whether it is the order that is rendered for its take."""
        return self._leading.get(take_place(order)) is order

    def are_met(self, order: RenderOrder) -> bool:
        """Whether every take that it needs has ended."""
        return self._leading.keys().isdisjoint(needed_places(order))

    def twins(self, order: RenderOrder) -> tuple[RenderOrder, ...]:
        """The orders that get its outcome."""
        return tuple(self._twins.get(take_place(order), ()))

    def needing(self, order: RenderOrder) -> tuple[RenderOrder, ...]:
        """The orders that need its take."""
        return tuple(self._needing.get(take_place(order), ()))

    def end(self, order: RenderOrder) -> Released | None:
        """An order has ended; None if another one was rendered for its take."""
        if not self.leads(order):
            return None
        place = take_place(order)
        del self._leading[place]
        return Released(tuple(self._twins.pop(place, ())), tuple(self._needing.pop(place, ())))
