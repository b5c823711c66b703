"""The orders of a run that have not ended, and which of them begins next. One for the scheduler and for forecasts."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from wan_render.farm.ordering.devices_in_use import DevicesInUse
from wan_render.farm.ordering.estimates import Estimates
from wan_render.farm.ordering.loaded import loaded_by
from wan_render.farm.ordering.order_needs import OrderNeeds, TakePlace, needed_places, take_place
from wan_render.farm.ordering.policy import Moment, Policy
from wan_render.farm.ordering.ready_orders import Alike, ReadyOrder, ReadyOrders
from wan_render.farm.ordering.time_left import ABORT_RENDERING_SECONDS, ABORT_WRITING_SECONDS, Deadline, Margins
from wan_render.farm.ordering.waiting_work import WaitingWork, loaded_weights
from wan_render.production.failures import NIGHT_END, Outcome, OutOfTime
from wan_render.production.render_order import RenderOrder
from wan_render.store import Clip

LATE_SECONDS = 5.0
"""An order that was chosen in time may get its device this much later."""


@dataclass(frozen=True)
class Now:
    """A moment on two clocks, in seconds. wall: since the epoch; it may jump. steady: for durations."""

    wall: float
    steady: float


class Backlog:
    """Orders that have not ended. It knows no threads and no farm: whoever drives it says what happens.

    Two orders for the same take are rendered once; the second one gets the outcome of the first.
    """

    def __init__(
        self, devices: Sequence[str], estimates: Estimates, policy: Policy, deadline: Deadline | None = None
    ) -> None:
        self.policy, self.deadline = policy, deadline
        self.devices, self.margins = DevicesInUse(devices), Margins()
        self.estimates = estimates
        self._left: dict[RenderOrder, ReadyOrder] = {}
        self._needs = OrderNeeds()
        self._places = 0
        self._overdue_since = math.inf
        self._begun: set[RenderOrder] = set()
        self._rendering: dict[RenderOrder, float] = {}
        self._settled: dict[RenderOrder, Outcome | None] = {}
        self._lost: dict[TakePlace, Outcome] = {}
        self._to_give_out: deque[RenderOrder] = deque()
        self._ready, self._waiting = ReadyOrders(), WaitingWork()

    # What is left

    def add(self, orders: Sequence[RenderOrder]) -> None:
        """Add orders, each after those that it needs. Any other take that they need is in the store."""
        for order in orders:
            self._places += 1
            seconds = self.estimates.take(order)
            self._left[order] = ReadyOrder(order, _alike(order), self._places, seconds, seconds)
            self._lost.pop(take_place(order), None)
            self.margins.suppose(loaded_weights(loaded_by(order)), self.estimates.worst_ratio(order))
        if orders:
            self._index()

    def withdraw(self, orders: Collection[RenderOrder]) -> tuple[RenderOrder, ...]:
        """Remove orders that have not begun; returns them. They get no outcome."""
        removed = tuple(order for order in orders if order in self._left and order not in self._begun)
        for order in removed:
            del self._left[order]
        if removed:
            self._index()
        return removed

    @property
    def orders(self) -> tuple[RenderOrder, ...]:
        """All orders that have not ended, roughly in the order in which they will be rendered."""
        precedence = self.policy.precedence
        return tuple(sorted(self._left, key=lambda order: precedence(self._left[order])))

    @property
    def given(self) -> tuple[RenderOrder, ...]:
        """All orders that have not ended, in the given order."""
        return tuple(self._left)

    @property
    def placed(self) -> list[tuple[RenderOrder, tuple[str, ...], float]]:
        """The orders that are being rendered: on which devices, and since when, by the steady clock."""
        return [(order, names, self._rendering[order]) for order, names in self.devices.placed if order in self._left]

    @property
    def ready(self) -> tuple[RenderOrder, ...]:
        """The orders that can begin and have not begun."""
        return tuple(ready.order for ready in self._ready)

    def __len__(self) -> int:
        return len(self._left)

    def __contains__(self, order: RenderOrder) -> bool:
        return order in self._left

    def seconds(self, order: RenderOrder) -> float:
        """The estimate for an order that has not ended."""
        return self._left[order].seconds

    def out_of_time(self, order: RenderOrder, *, was_aborted: bool = False) -> OutOfTime:
        """The outcome of an order for which there is no time."""
        until = NIGHT_END if self.deadline is None else self.deadline.words
        return OutOfTime(self.seconds(order), until, was_aborted)

    def overdue(self, now: Now) -> tuple[RenderOrder, ...]:
        """The orders that have begun and have to be aborted: the night is over, and devices must be free."""
        if self.deadline is None or now.wall < self.deadline.until + ABORT_RENDERING_SECONDS:
            self._overdue_since = math.inf
            return ()
        self._overdue_since = min(self._overdue_since, now.steady)
        if now.steady - self._overdue_since >= ABORT_WRITING_SECONDS:
            return tuple(order for order in self._left if order in self._begun)
        return tuple(order for order, *_ in self.placed)

    # What happens

    def next(self, now: Now) -> RenderOrder | None:
        """The order that begins now; None if none can. If `settled` has it, it needs no device."""
        self._give_up_what_is_late(now)
        if self._to_give_out:
            return self._to_give_out.popleft()
        order = self.policy.choose(self._ready, self._moment(now)) if self._ready else None
        if order is not None:
            self.begin(order, now)
        return order

    def begin(self, order: RenderOrder, now: Now) -> None:
        """An order that can begin does: it waits for a device."""
        self._ready.remove(order)
        self._begun.add(order)
        self._rendering[order] = now.steady
        self.devices.begin(order)
        self._waiting.add(loaded_by(order), -self._left[order].seconds)

    @property
    def settled(self) -> Mapping[RenderOrder, Outcome | None]:
        """Orders that need no device: their outcome, or None if a take that they need has failed, or if no device can
        render them."""
        return self._settled

    def place(self, order: RenderOrder, names: Sequence[str], now: Now) -> bool:
        """The farm gives these devices to an order; whether there is still time for it."""
        before = {device.name: device.loaded for device in self.devices.unoccupied}
        self.devices.place(order, names)
        self._rendering[order] = now.steady
        if self.deadline is None or order not in self._left:
            return True
        left = self._left[order]
        loading = max((self.estimates.loading(order, before[name]) for name in names if name in before), default=0.0)
        return left.seconds + loading <= self._room(left.alike, now) + LATE_SECONDS

    def has_time(self, order: RenderOrder, now: Now) -> bool:
        """Whether an order that still waits for a device could end in time if it got one now."""
        left = self._left.get(order)
        return left is None or left.seconds <= self._room(left.alike, now) + LATE_SECONDS

    def leave(self, order: RenderOrder) -> None:
        """Its devices are free for the next order."""
        self._rendering.pop(order, None)
        self.devices.leave(order)

    def end(self, order: RenderOrder, outcome: Outcome) -> None:
        """An order has its outcome."""
        self.leave(order)
        if self._left.pop(order, None) is None:
            return
        self._begun.discard(order)
        self._settled.pop(order, None)
        released = self._needs.end(order)
        if released is None:
            return
        for twin in released.twins:
            self._settle(twin, outcome)
        if not isinstance(outcome, Clip):
            self._lost[take_place(order)] = outcome
        for needing in released.needing:
            if self._needs.leads(needing) and needing not in self._begun and self._needs.are_met(needing):
                self._offer(needing)

    def observe(self, order: RenderOrder, expected: float, actual: float) -> None:
        """One device took `actual` seconds of work for an order."""
        self.margins.observe(loaded_weights(loaded_by(order)), expected, actual)

    # Inside

    def _offer(self, order: RenderOrder) -> None:
        """What an order needs has ended. It can begin, unless some of that is missing."""
        left, lost = self._left[order], [self._lost[need] for need in needed_places(order) if need in self._lost]
        if not lost and not order.barred.issuperset(self.devices.names):
            self._ready.add(left)
        elif lost and all(isinstance(outcome, OutOfTime) for outcome in lost):
            self._settle(order, self.out_of_time(order))
        else:
            self._settle(order, None)

    def _settle(self, order: RenderOrder, outcome: Outcome | None) -> None:
        """It needs no device. If there is no time for it, there is none for what needs it."""
        self._settled[order] = outcome
        self._begun.add(order)
        self._to_give_out.append(order)
        if not self._needs.leads(order):
            return
        self._waiting.add(self._left[order].alike.loads, -self._left[order].seconds)
        if isinstance(outcome, OutOfTime):
            for needing in self._needs.needing(order):
                if needing not in self._begun:
                    self._settle(needing, self.out_of_time(needing))

    def _index(self) -> None:
        """Work out anew who waits for whom. Orders come after those that they need."""
        self._needs = OrderNeeds(self._left, self._begun)
        for order in reversed(self._left):
            self._left[order] = self._seen_from_its_end(self._left[order])
        self._ready, self._waiting = ReadyOrders(), WaitingWork()
        for order in self._needs.leading:
            if order in self._begun:
                continue
            self._waiting.add(self._left[order].alike.loads, self._left[order].seconds)
            if self._needs.are_met(order):
                self._offer(order)

    def _seen_from_its_end(self, left: ReadyOrder) -> ReadyOrder:
        """With what waits for it: its critical path, and for which films it is needed."""
        later = [self._left[order] for order in self._needs.needing(left.order)]
        same = [_alike(order) for order in (left.order, *self._needs.twins(left.order))]
        alikes = [*same, *(each.alike for each in later)]
        films = frozenset[str]().union(*(alike.films for alike in alikes))
        alike = replace(left.alike, films=films, spare=all(alike.spare for alike in alikes))
        return replace(left, alike=alike, tail=left.seconds + max((each.tail for each in later), default=0.0))

    def _moment(self, now: Now) -> Moment:
        """What the policy may consider."""
        begun = ((self._left[order].seconds, since) for order, since in self._rendering.items() if order in self._left)
        running = sum(max(0.0, seconds - (now.steady - since)) for seconds, since in begun)
        left = math.inf if self.deadline is None else self.deadline.until - now.wall
        holders = [loaded.weights for loaded in self.devices.loaded if loaded is not None]

        return Moment(
            devices=self.devices.names,
            rendering=tuple(self._rendering),
            idle=tuple(self.devices.idle),
            work_left=self._waiting.seconds + running,
            seconds_left=left,
            room=lambda alike: self._room(alike, now),
            loading=self.estimates.loading,
            pull=lambda loads: self._waiting.pull(loads, holders),
        )

    def _room(self, alike: Alike, now: Now) -> float:
        """The longest estimate of an order that may begin now, in seconds."""
        if self.deadline is None:
            return math.inf
        return self.margins.margin(loaded_weights(alike.loads)).room(self.deadline.seconds_left(alike.films, now.wall))

    def _give_up_what_is_late(self, now: Now) -> None:
        """End the orders for which there is no time left, so that their films can be finished."""
        if self.deadline is None:
            return
        for alike, kind in tuple(self._ready.kinds.items()):
            order = kind.longest.order
            loading = min(self.estimates.loading(order, loaded) for loaded in self.devices.loaded)
            room = self._room(alike, now) - loading
            while kind and (late := kind.longest).seconds > room:
                self._ready.remove(late.order)
                self._settle(late.order, self.out_of_time(late.order))


def _alike(order: RenderOrder) -> Alike:
    return Alike(frozenset((order.film,)), order.spare, loaded_by(order), order.barred)
