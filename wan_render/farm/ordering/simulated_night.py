"""A run, simulated: what will be rendered when, and for what there is no time. It uses the scheduler's own choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from types import MappingProxyType

from wan_render.farm.ordering.backlog import Backlog, Now
from wan_render.farm.ordering.devices_in_use import best_suited
from wan_render.farm.ordering.estimates import Estimates
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.farm.ordering.policy import Policy
from wan_render.farm.ordering.time_left import Deadline, Margins
from wan_render.production.failures import NotStarted
from wan_render.production.render_order import RenderOrder
from wan_render.store import Clip


@dataclass(frozen=True)
class SimulatedTake:
    """A take of a simulated run. Times are seconds from its beginning. begin: when its device starts to load what it
    needs, for `loading` seconds."""

    order: RenderOrder
    device: str
    begin: float
    loading: float
    end: float


@dataclass(frozen=True)
class SimulatedNight:
    """A simulated run.

    takes:       those that were rendered, in the order in which they ended.
    not_started: those for which there was no time, and those that need them.
    """

    takes: tuple[SimulatedTake, ...]
    not_started: tuple[RenderOrder, ...]

    @property
    def end(self) -> float:
        """Seconds until the last take is rendered."""
        return max((take.end for take in self.takes), default=0.0)

    @property
    def film_ends(self) -> Mapping[str, float]:
        """Film → seconds until the last of its takes is rendered, for films all of whose takes are."""
        ends: dict[str, float] = {}
        for take in self.takes:
            ends[take.order.film] = max(take.end, ends.get(take.order.film, 0.0))
        unfinished = {order.film for order in self.not_started}
        return {film: end for film, end in ends.items() if film not in unfinished}


@dataclass(frozen=True)
class Rendering:
    """An order that is being rendered when a simulation begins. seconds: until it has ended."""

    order: RenderOrder
    device: str
    seconds: float


@dataclass(frozen=True)
class Conditions:
    """Under which a run is simulated.

    devices:   their names. Each renders one take at a time: groups are not simulated, so a run may end earlier.
    deadline:  the wall clock shows `now`, in seconds since the epoch, when the simulation begins.
    pace:      by which factor an order takes longer than estimated.
    rendering: what is being rendered at the beginning. loaded: what idle devices have loaded by then.
    margins:   what the run has learnt so far; the simulation learns more.
    """

    devices: Sequence[str]
    estimates: Estimates
    policy: Policy
    deadline: Deadline | None = None
    now: float = 0.0
    pace: Callable[[RenderOrder], float] = lambda _: 1.0
    rendering: Sequence[Rendering] = ()
    loaded: Mapping[str, LoadedModel | None] = field(default_factory=lambda: MappingProxyType({}))
    margins: Margins | None = None


def simulate_night(orders: Sequence[RenderOrder], conditions: Conditions) -> SimulatedNight:
    """Simulate a run of these orders, each after those that it needs. 1,000 takes on 8 devices take less than 1 s."""
    return _Simulation(orders, conditions).run()


def rest_of(backlog: Backlog, now: Now, pace: Callable[[RenderOrder], float] = lambda _: 1.0) -> Rest:
    """What is left of a run that goes on; `simulate_night` foretells its end. A take that is late by some time is
    expected to need that time again."""
    rendering = []
    for order, device, since in backlog.placed:
        expected = backlog.seconds(order) * pace(order)
        rendering.append(Rendering(order, device, abs(expected - (now.steady - since))))
    conditions = Conditions(
        devices=backlog.devices.names,
        estimates=backlog.estimates,
        policy=backlog.policy,
        deadline=backlog.deadline,
        now=now.wall,
        pace=pace,
        rendering=rendering,
        loaded={device.name: device.loaded for device in backlog.devices.unoccupied},
        margins=backlog.margins.copy(),
    )
    placed = {each.order for each in rendering}
    return Rest(tuple(order for order in backlog.given if order not in placed), conditions)


@dataclass(frozen=True)
class Rest:
    """What is left of a run: the orders that have no device yet, and the conditions of the others."""

    orders: tuple[RenderOrder, ...]
    conditions: Conditions

    def simulate(self) -> SimulatedNight:
        """How it goes on."""
        return simulate_night(self.orders, self.conditions)


class _Simulation:
    """Orders begin, takes end, devices become idle. Seconds count from the beginning."""

    def __init__(self, orders: Sequence[RenderOrder], conditions: Conditions) -> None:
        self._conditions = conditions
        names, estimates = conditions.devices, conditions.estimates
        self._backlog = Backlog(names, estimates, conditions.policy, conditions.deadline)
        if conditions.margins is not None:
            self._backlog.margins = conditions.margins.copy()
        self._ends: list[tuple[float, int, SimulatedTake]] = []
        self._waiting: list[RenderOrder] = []
        self._takes: list[SimulatedTake] = []
        self._not_started: list[RenderOrder] = []
        self._backlog.add([*(each.order for each in conditions.rendering), *orders])
        self._backlog.devices.load(conditions.loaded)
        for each in conditions.rendering:
            self._backlog.begin(each.order, self._now(0.0))
            self._place(each.order, each.device, 0.0, each.seconds)

    def run(self) -> SimulatedNight:
        seconds = 0.0
        while self._backlog:
            self._begin(seconds)
            if self._ends:
                seconds = self._end_next()
            elif self._conditions.deadline is None:
                break  # no policy leaves orders waiting for nothing
            else:
                seconds = max(seconds, self._conditions.deadline.until - self._conditions.now)
                self._begin(seconds)
        return SimulatedNight(tuple(self._takes), tuple(self._not_started))

    def _begin(self, seconds: float) -> None:
        """Begin every order that can begin now."""
        now = self._now(seconds)
        while (order := self._backlog.next(now)) is not None:
            if order in self._backlog.settled:
                self._settle(order, seconds)
            else:
                self._waiting.append(order)
            self._place_waiting(seconds)
        self._place_waiting(seconds)

    def _place_waiting(self, seconds: float) -> None:
        """Give devices to the orders that have begun, first come first served."""
        for order in tuple(self._waiting):
            idle = self._backlog.devices.unoccupied
            if (device := best_suited(order, idle)) is not None:
                self._waiting.remove(order)
                loading = self._conditions.estimates.loading(order, device.loaded)
                actual = self._backlog.seconds(order) * self._conditions.pace(order)
                self._place(order, device.name, seconds, seconds + loading + actual, loading)

    def _place(self, order: RenderOrder, device: str, begin: float, end: float, loading: float = 0.0) -> None:
        self._backlog.place(order, (device,), self._now(begin))
        take = SimulatedTake(order, device, begin, loading, end)
        heappush(self._ends, (end, len(self._takes) + len(self._ends), take))

    def _end_next(self) -> float:
        """End the take that ends first; returns when."""
        end, _, take = heappop(self._ends)
        self._takes.append(take)
        order, actual = take.order, end - take.begin - take.loading
        if take.begin or take.loading:  # others were begun before the simulation
            self._backlog.observe(order, self._backlog.seconds(order), actual)
        self._backlog.end(order, clip_of(order))
        return end

    def _settle(self, order: RenderOrder, seconds: float) -> None:
        """An order that needs no device: its twin is rendered, or it cannot be."""
        outcome = self._backlog.settled[order]
        if isinstance(outcome, Clip):
            self._takes.append(SimulatedTake(order, "", seconds, 0.0, seconds))
        else:
            self._not_started.append(order)
        self._backlog.end(order, outcome or NotStarted(self._backlog.seconds(order)))

    def _now(self, seconds: float) -> Now:
        return Now(self._conditions.now + seconds, seconds)


def clip_of(order: RenderOrder) -> Clip:
    """A clip that nobody opens."""
    return Clip(order.take.key, Path(), order.take.frames, order.take.size, order.take.rate)
