"""How many devices takes will get in a simulated night, by the farm's own rules (see farm/dispatch.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from wan_render.farm.groups.expected_time import KnownTimes
from wan_render.farm.groups.formation import WAVES
from wan_render.farm.groups.possible_sizes import sizes_of
from wan_render.farm.groups.simulation import SimulatedRun
from wan_render.farm.held_devices import make_of
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device


class ForeseenGroups:
    """The groups of one simulated night. Times are seconds from its beginning.

    groups: see MachineSettings. known: for other takes the backend's estimates are used.
    """

    def __init__(self, devices: Sequence[Device], groups: str, known: KnownTimes) -> None:
        self._devices, self._groups, self._now = tuple(devices), groups, 0.0
        self._run = SimulatedRun(devices[0].kind, lambda: self._now, known.alone, known.together)

    def begins(self, order: RenderOrder, devices: int, now: float) -> None:
        """A take begins on this many devices."""
        self._now = now
        self._run.begins(order, devices)

    def ended(self, order: RenderOrder, now: float) -> None:
        """A take is rendered."""
        self._now = now
        self._run.rendered(order)
        self._run.done(order)
        self._run.ends(order)

    def share(self, order: RenderOrder, devices: int) -> float:
        """How long a take takes on this many devices, relative to one."""
        alone = self._run.estimate(order, 1)
        return self._run.estimate(order, devices) / alone if alone else 1.0

    def team(
        self,
        order: RenderOrder,
        ready: Sequence[RenderOrder],
        left: Sequence[RenderOrder],
        busy: Mapping[str, float],
        now: float,
    ) -> tuple[int, tuple[str, ...]]:
        """How many devices an order gets that begins now, and the names of those that it may get.

        ready: the other orders that can begin or wait. left: all that have not ended. busy: device → when it is free.
        """
        self._now = now
        able = order.able(self._devices)
        names = tuple(device.name for device in able)
        if sizes_of(order, len(able), self._groups) == (1,):
            return 1, names
        make, count = Counter(map(make_of, able)).most_common(1)[0]
        equal = tuple(device.name for device in able if make_of(device) == make)
        sizes = sizes_of(order, count, self._groups)
        if len(sizes) == 1:
            return sizes[0], equal if sizes[0] > 1 else names
        others = (each for each in ready if not each.take.through)
        if (
            count < len(able)
            or len(ready) >= WAVES * count
            or not all({device.name for device in each.able(self._devices)} <= set(equal) for each in others)
        ):
            return 1, names
        self._run.expect(left)
        free = [max(0.0, busy.get(name, 0.0) - self._now) for name in equal]
        return self._run.devices(order, ready, free, lambda each: sizes_of(each, count, self._groups)), equal
