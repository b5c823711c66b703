"""How many devices the next take gets, so that the run ends soonest. Pure: numbers in, a number out.

One take per device wastes nothing, so that is the rule. Only the last takes of a run leave devices idle that could
help. The rest of a run is simulated by list scheduling: the first few takes on one device each, the others in groups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush

JOINING_SECONDS = 5.0
"""The cost of forming a group: connecting, and allocating buffers for exchanges. In a benchmark four H200s took 0.4 s,
and 1 s for the first group of a process (docs/benchmarks.md). The farm's own overhead was not measured."""

LOADING_SECONDS = 40.0
"""The cost if a helper has to load the model. On an H200 the 14B took 20 s from the page cache; afterwards the helper
has lost its own model."""

MARGIN = 0.03
"""The share of the remaining time that a group has to save. Estimates are rough, and one device is simpler."""

WAVES = 2
"""If more takes per device than this could begin, the next one gets one device: the end is not near."""

HORIZON = 4
"""How many takes per device are simulated. It is enough for a decision, which then costs milliseconds."""


@dataclass(frozen=True)
class Coming:
    """A take that has not begun.

    seconds: how long it takes, by the number of devices; the keys are the allowed numbers.
    after:   seconds from now until the takes that it needs and that are being rendered have ended.
    needs:   the indices of the other takes that it needs.
    """

    seconds: Mapping[int, float]
    after: float = 0.0
    needs: tuple[int, ...] = ()

    def size(self, most: int) -> int:
        """The largest allowed number of devices up to `most`, or the smallest allowed one if all are larger."""
        return max((size for size in self.seconds if size <= most), default=min(self.seconds))


@dataclass(frozen=True)
class Formation:
    """devices: how many the next take gets. seconds: the estimated time until the last take ends."""

    devices: int
    seconds: float


def formation(coming: Sequence[Coming], free: Sequence[float], joining: float = JOINING_SECONDS) -> Formation:
    """Decide for the first of the coming takes. Each comes after those that it needs.

    free:    seconds from now until each usable device is free.
    joining: seconds that forming a group costs.
    Of two equally quick groups the smaller one wins.
    """
    near, smallest = coming[: HORIZON * len(free)], coming[0].size(1)
    if _beginnings(coming) > WAVES * len(free) or coming[0].size(len(free)) == smallest:
        return Formation(smallest, _end(near, [1] * len(near), free, joining))
    plans = [Formation(near[0].size(sizes[0]), _end(near, sizes, free, joining)) for sizes in _plans(near, len(free))]
    alone = min((plan for plan in plans if plan.devices == smallest), key=_seconds)
    grouped = min((plan for plan in plans if plan.devices > smallest), key=_seconds, default=alone)
    return grouped if grouped.seconds < alone.seconds * (1 - MARGIN) else alone


def simulated_end(coming: Sequence[Coming], free: Sequence[float], joining: float = JOINING_SECONDS) -> float:
    """Seconds until the last take ends, if `formation` decides for each take when it can begin."""

    def most(at: int, begin: float, simulation: _Simulation, waiting: Mapping[int, Coming]) -> int:
        return _decided(at, begin, simulation, waiting, joining)

    return _simulated(coming, free, joining, most)


def _seconds(plan: Formation) -> float:
    return plan.seconds


def _beginnings(coming: Sequence[Coming]) -> int:
    """How many takes need none of the others."""
    return sum(not take.needs for take in coming)


def _plans(coming: Sequence[Coming], devices: int) -> Iterator[list[int]]:
    """Plans with the most devices for each take: one each; or one for the first few and a group for each other."""
    count = len(coming)
    yield [1] * count
    sizes = {size for take in coming for size in take.seconds if 1 < size <= devices}
    for size in sorted(sizes):
        for alone in range(count):
            yield [1] * alone + [size] * (count - alone)


class _Simulation:
    """A simulated run. free: when each device is free, ascending. ends: when takes have ended, by index."""

    def __init__(self, coming: Sequence[Coming], free: Sequence[float]) -> None:
        self.free, self.ends = sorted(free), dict[int, float]()
        self._coming = coming
        self._open = [len(take.needs) for take in coming]
        self._needing: dict[int, list[int]] = {}
        for at, take in enumerate(coming):
            for need in take.needs:
                self._needing.setdefault(need, []).append(at)
        self._ready: list[int] = []
        self._later = [(take.after, at) for at, take in enumerate(coming) if not take.needs]
        heapify(self._later)

    def next(self) -> tuple[float, int]:
        """The take that begins next, and when it asks for a device: the first in order of those that are ready when
        the first device is free, else the one that is ready first."""
        while self._later and self._later[0][0] <= self.free[0]:
            heappush(self._ready, heappop(self._later)[1])
        return (self.free[0], heappop(self._ready)) if self._ready else heappop(self._later)

    def end(self, at: int, seconds: float, devices: int) -> None:
        """A take ends at this time, on the devices that were free first."""
        self.ends[at] = seconds
        self.free = sorted([seconds] * devices + self.free[devices:])
        for needing in self._needing.get(at, ()):
            self._open[needing] -= 1
            if not self._open[needing]:
                take = self._coming[needing]
                heappush(self._later, (max([take.after, *(self.ends[need] for need in take.needs)]), needing))


_Most = Callable[[int, float, _Simulation, Mapping[int, Coming]], int]
"""The most devices for a take. Arguments: its index, when it can begin, the simulation so far, all waiting takes."""


def _end(coming: Sequence[Coming], sizes: Sequence[int], free: Sequence[float], joining: float) -> float:
    """When the last take ends, with at most `sizes` devices for each."""
    return _simulated(coming, free, joining, lambda at, _begin, _play, _waiting: sizes[at])


def _simulated(coming: Sequence[Coming], free: Sequence[float], joining: float, most: _Most) -> float:
    """When the last take ends. The first take that is ready gets the first free device. A group also gets the devices
    that are free next, and waits for them."""
    simulation, waiting = _Simulation(coming, free), dict(enumerate(coming))
    while waiting:
        asked, at = simulation.next()
        size = waiting[at].size(most(at, asked, simulation, waiting))
        take = waiting.pop(at)
        devices = min(size, len(simulation.free))
        begin = max(asked, simulation.free[devices - 1]) + (joining if devices > 1 else 0.0)
        simulation.end(at, begin + take.seconds[size], devices)
    return max(simulation.ends.values())


def _decided(at: int, begin: float, simulation: _Simulation, waiting: Mapping[int, Coming], joining: float) -> int:
    """How many devices `formation` gives to a take that can begin at `begin`, while the others wait."""
    if len(waiting[at].seconds) == 1:
        return waiting[at].size(1)
    rest = [at, *(place for place in waiting if place != at)]
    places = {place: index for index, place in enumerate(rest)}
    left = [_seen_from(begin, waiting[place], simulation, places) for place in rest]
    return formation(left, [max(0.0, free - begin) for free in simulation.free], joining).devices


def _seen_from(now: float, take: Coming, simulation: _Simulation, places: Mapping[int, int]) -> Coming:
    """A take at a later time of the run: some of the takes that it needs have begun or ended."""
    after = max([take.after, *(simulation.ends[need] for need in take.needs if need in simulation.ends)])
    needs = tuple(places[need] for need in take.needs if need in places)
    return Coming(take.seconds, max(0.0, after - now), needs)
