"""A run, simulated: what will be rendered when, and for what there is no time. It uses the scheduler's own choices."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from wan_render.farm.groups.formation import JOINING_SECONDS
from wan_render.farm.ordering.backlog import Backlog, Now
from wan_render.farm.ordering.devices_in_use import IdleDevice, best_suited
from wan_render.farm.ordering.estimates import Estimates
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.farm.ordering.policy import Policy
from wan_render.farm.ordering.time_left import Deadline, Margins
from wan_render.production.failures import OutOfTime
from wan_render.production.render_order import RenderOrder
from wan_render.store import TOGETHER, Clip


@dataclass(frozen=True)
class SimulatedTake:
    """A take of a simulated run. Times are seconds from its beginning. begin: when its device starts to load what it
    needs, for `loading` seconds. device: the names of several that render it together are joined by TOGETHER."""

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
    """An order that is being rendered when a simulation begins, and on which devices. seconds: until it has ended."""

    order: RenderOrder
    devices: tuple[str, ...]
    seconds: float


class Groups(Protocol):
    """How many devices takes get (farm.groups.foreseen_groups). Times are seconds from the beginning."""

    def team(
        self,
        order: RenderOrder,
        ready: Sequence[RenderOrder],
        left: Sequence[RenderOrder],
        busy: Mapping[str, float],
        now: float,
    ) -> tuple[int, tuple[str, ...]]:
        """How many devices an order gets that begins now, and the names of those that it may get."""

    def share(self, order: RenderOrder, devices: int) -> float:
        """How long a take takes on this many devices, relative to one."""

    def begins(self, order: RenderOrder, devices: int, now: float) -> None:
        """A take begins on this many devices."""

    def ended(self, order: RenderOrder, now: float) -> None:
        """A take is rendered."""


@dataclass(frozen=True)
class Conditions:
    """Under which a run is simulated.

    devices:   their names.
    groups:    which takes several devices render together; None if each renders one take at a time.
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
    groups: Groups | None = None


def simulate_night(orders: Sequence[RenderOrder], conditions: Conditions) -> SimulatedNight:
    """Simulate a run of these orders, each after those that it needs. 1,000 takes on 8 devices take less than 1 s."""
    return _Simulation(orders, conditions).run()


def rest_of(backlog: Backlog, now: Now, pace: Callable[[RenderOrder], float] = lambda _: 1.0) -> Rest:
    """What is left of a run that goes on; `simulate_night` foretells its end. A take that is late by some time is
    expected to need that time again."""
    rendering = []
    for order, names, since in backlog.placed:
        expected = backlog.seconds(order) * pace(order)
        rendering.append(Rendering(order, names, abs(expected - (now.steady - since))))
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
        self._busy: dict[str, float] = {}
        self._backlog.add([*(each.order for each in conditions.rendering), *orders])
        self._backlog.devices.load(conditions.loaded)
        for each in conditions.rendering:
            self._backlog.begin(each.order, self._now(0.0))
            self._place(each.order, each.devices, 0.0, each.seconds)

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
            if best_suited(order, idle) is None:
                continue
            size, among = self._team(order, seconds)
            team: list[IdleDevice] = []
            while len(team) < size and (found := best_suited(order, [each for each in idle if each.name in among])):
                team.append(found)
                idle.remove(found)
            if len(team) < size:
                return  # what is idle is kept for it, and those that came later wait
            self._waiting.remove(order)
            self._begin_take(order, team, seconds)

    def _team(self, order: RenderOrder, seconds: float) -> tuple[int, Collection[str]]:
        """How many devices an order gets, and among which."""
        groups = self._conditions.groups
        if groups is None:
            return 1, self._conditions.devices
        ready = [*(each for each in self._waiting if each is not order), *self._backlog.ready]
        return groups.team(order, ready, self._backlog.orders, self._busy, seconds)

    def _begin_take(self, order: RenderOrder, team: Sequence[IdleDevice], seconds: float) -> None:
        loading = max(self._conditions.estimates.loading(order, device.loaded) for device in team)
        actual = self._backlog.seconds(order) * self._conditions.pace(order)
        groups = self._conditions.groups
        if groups is not None and len(team) > 1:
            actual = JOINING_SECONDS + actual * groups.share(order, len(team))
        self._place(order, [device.name for device in team], seconds, seconds + loading + actual, loading)

    def _place(self, order: RenderOrder, names: Sequence[str], begin: float, end: float, loading: float = 0.0) -> None:
        self._backlog.place(order, names, self._now(begin))
        if self._conditions.groups is not None:
            self._conditions.groups.begins(order, len(names), begin)
        self._busy |= dict.fromkeys(names, end)
        take = SimulatedTake(order, TOGETHER.join(names), begin, loading, end)
        heappush(self._ends, (end, len(self._takes) + len(self._ends), take))

    def _end_next(self) -> float:
        """End the take that ends first; returns when."""
        end, _, take = heappop(self._ends)
        self._takes.append(take)
        order, actual = take.order, end - take.begin - take.loading
        if self._conditions.groups is not None:
            self._conditions.groups.ended(order, end)
        is_alone = TOGETHER not in take.device
        if is_alone and (take.begin or take.loading):  # others were begun before the simulation
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
        self._backlog.end(order, outcome or OutOfTime(self._backlog.seconds(order)))

    def _now(self, seconds: float) -> Now:
        return Now(self._conditions.now + seconds, seconds)


def clip_of(order: RenderOrder) -> Clip:
    """A clip that nobody opens."""
    return Clip(order.take.key, Path(), order.take.frames, order.take.size, order.take.rate)
