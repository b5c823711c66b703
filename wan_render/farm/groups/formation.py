"""How many devices the next take gets, so that the night ends soonest. Pure: numbers in, a number out.

A take alone on each device wastes nothing, so it is the rule; only what comes last leaves devices idle that could have
helped. The rest of a night is played through by list scheduling: the first few takes alone, the others in groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

JOINING_SECONDS = 5.0
"""What it costs to form a group: finding each other, and buffers for what is exchanged. In a benchmark two H200s took
0.25 s and four 0.8 (docs/benchmarks.md); what else the farm does for it comes on top, and was not measured."""

LOADING_SECONDS = 40.0
"""What it costs where a helper has another model or none: on an H200 the 14B took 20 s from the page cache, and the
helper's own model is gone afterwards."""

MARGIN = 0.03
"""So much of the rest of the night a group has to save: estimates are rough, and one device is simpler."""

WAVES = 2
"""Where more takes than so many for each device could begin, the next one goes alone: the end is not near."""

HORIZON = 4
"""So many takes for each device are looked at: enough to tell, and a decision costs milliseconds."""


@dataclass(frozen=True)
class Coming:
    """A take that is still to come.

    seconds: what it takes, by the number of devices that may render it.
    after:   seconds from now until what it needs is there, as far as that is rendered already.
    needs:   places in the list of the takes that it also needs.
    """

    seconds: Mapping[int, float]
    after: float = 0.0
    needs: tuple[int, ...] = ()

    def size(self, most: int) -> int:
        """The largest number of devices up to `most`; its smallest where that is larger."""
        return max((size for size in self.seconds if size <= most), default=min(self.seconds))


@dataclass(frozen=True)
class Formation:
    """devices: how many the next take gets. seconds: until the last take ends then, by the estimate."""

    devices: int
    seconds: float


def formation(coming: Sequence[Coming], free: Sequence[float], joining: float = JOINING_SECONDS) -> Formation:
    """Decide for the first of the takes still to come, of which each comes after those that it needs.

    free: seconds from now until each usable device is free. `joining` seconds are spent by every group.
    A smaller group goes before an equally quick larger one.
    """
    near, smallest = coming[: HORIZON * len(free)], coming[0].size(1)
    if _beginnings(coming) > WAVES * len(free) or coming[0].size(len(free)) == smallest:
        return Formation(smallest, _end(near, [1] * len(near), free, joining))
    plans = [Formation(near[0].size(sizes[0]), _end(near, sizes, free, joining)) for sizes in _plans(near, len(free))]
    alone = min((plan for plan in plans if plan.devices == smallest), key=_seconds)
    grouped = min((plan for plan in plans if plan.devices > smallest), key=_seconds, default=alone)
    return grouped if grouped.seconds < alone.seconds * (1 - MARGIN) else alone


def simulated_end(coming: Sequence[Coming], free: Sequence[float], joining: float = JOINING_SECONDS) -> float:
    """Seconds until the last take ends, where each gets what `formation` decides when it can begin."""

    def most(at: int, begin: float, simulation: _Simulation, waiting: Mapping[int, Coming]) -> int:
        return _decided(at, begin, simulation, waiting, joining)

    return _simulated(coming, free, joining, most)


def _seconds(plan: Formation) -> float:
    return plan.seconds


def _beginnings(coming: Sequence[Coming]) -> int:
    """How many takes wait for no other that is still to come."""
    return sum(not take.needs for take in coming)


def _plans(coming: Sequence[Coming], devices: int) -> Iterator[list[int]]:
    """The most devices for each take: all alone, then the first few alone and the rest in groups of one size."""
    count = len(coming)
    yield [1] * count
    sizes = {size for take in coming for size in take.seconds if 1 < size <= devices}
    for size in sorted(sizes):
        for alone in range(count):
            yield [1] * alone + [size] * (count - alone)


@dataclass
class _Simulation:
    """A night that is played through. free: when each device is; ends: when takes have ended, by their place."""

    free: list[float]
    ends: dict[int, float] = field(default_factory=dict)

    def ready(self, take: Coming) -> float | None:
        """When all that it needs is there; None as long as that is not known."""
        if any(need not in self.ends for need in take.needs):
            return None
        return max([take.after, *(self.ends[need] for need in take.needs)])


_Most = Callable[[int, float, _Simulation, Mapping[int, Coming]], int]
"""The most devices for a take, by its place; when it can begin, the night until then, and what waits, with it."""


def _end(coming: Sequence[Coming], sizes: Sequence[int], free: Sequence[float], joining: float) -> float:
    """When the last take ends, with at most so many devices for each."""
    return _simulated(coming, free, joining, lambda at, _begin, _play, _waiting: sizes[at])


def _simulated(coming: Sequence[Coming], free: Sequence[float], joining: float, most: _Most) -> float:
    """When the last take ends. Whenever a device is free the first take that is ready gets it, and, for a group, those
    that are free next; until then they wait for each other."""
    simulation, waiting = _Simulation(sorted(free)), dict(enumerate(coming))
    while waiting:
        begins = (
            (max(ready, simulation.free[0]), at)
            for at, take in waiting.items()
            if (ready := simulation.ready(take)) is not None
        )
        asked, at = min(begins)
        size = waiting[at].size(most(at, asked, simulation, waiting))
        take = waiting.pop(at)
        devices = min(size, len(simulation.free))
        begin = max(asked, simulation.free[devices - 1]) + (joining if devices > 1 else 0.0)
        simulation.ends[at] = begin + take.seconds[size]
        simulation.free = sorted([simulation.ends[at]] * devices + simulation.free[devices:])
    return max(simulation.ends.values())


def _decided(at: int, begin: float, simulation: _Simulation, waiting: Mapping[int, Coming], joining: float) -> int:
    """How many devices `formation` gives to a take that can begin now, while the others wait."""
    if len(waiting[at].seconds) == 1:
        return waiting[at].size(1)
    rest = [at, *(place for place in waiting if place != at)]
    places = {place: index for index, place in enumerate(rest)}
    left = [_seen_from(begin, waiting[place], simulation, places) for place in rest]
    return formation(left, [max(0.0, free - begin) for free in simulation.free], joining).devices


def _seen_from(now: float, take: Coming, simulation: _Simulation, places: Mapping[int, int]) -> Coming:
    """A take as it stands later in the night: some of what it needs is there, or has begun."""
    after = max([take.after, *(simulation.ends[need] for need in take.needs if need in simulation.ends)])
    needs = tuple(places[need] for need in take.needs if need in places)
    return Coming(take.seconds, max(0.0, after - now), needs)
