"""A farm and clocks in simulated time, for the real scheduler with its threads.

Time stands still while any thread does something. It moves on when every attempt waits for simulated time and the
scheduler waits for something to happen. So nothing sleeps, and a night takes as long as its threads need to switch.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from benchmarks.nights.random_night import RandomNight
from wan_render.errors import OverrunError, Problem, Stopped
from wan_render.farm.farm_contract import Begins, at_any_time
from wan_render.farm.ordering.backlog import Now
from wan_render.farm.ordering.devices_in_use import DevicesInUse, best_suited
from wan_render.farm.ordering.policy import Moment, Policy
from wan_render.farm.ordering.ready_orders import ReadyOrder, ReadyOrders
from wan_render.farm.ordering.simulated_night import SimulatedTake, clip_of
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.store import Clip

PATIENCE_SECONDS = 30.0
"""Real seconds after which a simulation that makes no progress is a defect."""


@dataclass
class _Parked:
    """An attempt that waits: for a device, or until a simulated time."""

    order: RenderOrder
    device: Device | None = None
    loading: float = 0.0
    until: float = math.inf
    is_free_to_go: bool = False
    is_aborted: bool = False


@dataclass
class SimulatedFarm:
    """A Farm, and the Clocks of its scheduler. abort_at: when takes that are not finished are aborted, in seconds.
    takes: those that were rendered."""

    night: RandomNight
    abort_at: float = math.inf
    takes: list[SimulatedTake] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.devices = tuple(Device(name, "simulated", 0) for name in self.night.devices)
        self._use = DevicesInUse(self.night.devices)
        self._seconds = 0.0
        self._changed = threading.Condition()
        self._issued: dict[RenderOrder, int] = {}
        self._parked: dict[RenderOrder, _Parked] = {}
        self._ended = 0
        self._is_stopped = False

    # The clocks

    def now(self) -> Now:
        """See Clocks.now."""
        return Now(self._seconds, self._seconds)

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        """See Clocks.wait. Nothing can begin: let time pass until something happens."""
        changed.release()
        try:
            self._let_time_pass(seconds)
        finally:
            changed.acquire()

    def _let_time_pass(self, seconds: float | None) -> None:
        with self._changed:
            self._until_all_wait()
            placed = [parked for parked in self._without_device() if self._place(parked)]
            if placed:
                self._until_all_wait()
                return
            first = min(
                self._parked.values(), key=lambda parked: (parked.until, self._issued[parked.order]), default=None
            )
            if first is not None and self._seconds < self.abort_at < first.until < math.inf:
                self._seconds = self.abort_at
            elif first is not None and first.until < math.inf:
                self._seconds = first.until
                self._release(first)
                self._until_all_wait()
            elif seconds is not None:
                self._seconds += seconds

    def _until_all_wait(self) -> None:
        def all_wait() -> bool:
            return self._is_stopped or len(self._parked) == len(self._issued) - self._ended

        if not self._changed.wait_for(all_wait, PATIENCE_SECONDS):
            raise RuntimeError("the simulation makes no progress")

    def _without_device(self) -> list[_Parked]:
        return sorted((parked for parked in self._parked.values() if parked.device is None), key=self._turn)

    def _turn(self, parked: _Parked) -> tuple[float, int]:
        return parked.until, self._issued[parked.order]

    def _place(self, parked: _Parked) -> bool:
        """Give a device to an attempt, if one is idle."""
        found = best_suited(parked.order, self._use.unoccupied)
        if found is None:
            return False
        parked.device = next(device for device in self.devices if device.name == found.name)
        parked.loading = self.night.estimates.loading(parked.order, found.loaded)
        self._use.place(parked.order, (found.name,))
        self._release(parked)
        return True

    def _release(self, parked: _Parked) -> None:
        del self._parked[parked.order]
        parked.is_free_to_go = True
        self._changed.notify_all()

    # The farm

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        """See Farm.expect."""

    def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
        """See Farm.render."""
        placed = self._wait(_Parked(order))
        device, loading, begin = placed.device, placed.loading, self._seconds
        assert device is not None
        try:
            begins((device,))
            listen(Progress(Phase.LOADING))
            if loading:
                self._wait(_Parked(order, device, until=begin + loading))
            listen(Progress(Phase.STEP, 1, 1))
            self._wait(_Parked(order, device, until=begin + loading + self.night.seconds[order.take.key]))
        finally:
            with self._changed:
                self._use.leave(order)
        listen(Progress(Phase.WRITING))
        self.takes.append(SimulatedTake(order, device.name, begin, loading, self._seconds))
        return clip_of(order)

    def _wait(self, parked: _Parked) -> _Parked:
        with self._changed:
            self._parked[parked.order] = parked
            self._changed.notify_all()
            self._changed.wait_for(lambda: parked.is_free_to_go or self._is_stopped)
            if parked.is_aborted:
                raise OverrunError(Problem(parked.order.shot, "was aborted"))
            if not parked.is_free_to_go:
                raise Stopped(Problem(parked.order.shot, "was stopped"))
            return parked

    def abort(self, orders: Collection[RenderOrder]) -> None:
        """See Farm.abort."""
        with self._changed:
            for parked in [self._parked[order] for order in orders if order in self._parked]:
                parked.is_aborted = True
                self._release(parked)

    def stop(self) -> None:
        """See Farm.stop."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None:
        """See Farm.close."""

    # What the scheduler does

    def issued(self, order: RenderOrder) -> None:
        """The scheduler has chosen an order."""
        with self._changed:
            self._issued.setdefault(order, len(self._issued))

    def finished(self, order: RenderOrder) -> None:
        """The caller of an attempt is done with an order."""
        with self._changed:
            if order in self._issued:
                self._ended += 1
            self._changed.notify_all()


@dataclass(frozen=True)
class Observed:
    """A policy whose choices a farm hears of."""

    policy: Policy
    hear: Callable[[RenderOrder], None]

    def choose(self, ready: ReadyOrders, at: Moment) -> RenderOrder | None:
        """See Policy.choose."""
        if (order := self.policy.choose(ready, at)) is not None:
            self.hear(order)
        return order

    def precedence(self, ready: ReadyOrder) -> tuple[float, ...]:
        """See Policy.precedence."""
        return self.policy.precedence(ready)
