"""How long a farm is expected to render, before it begins. It uses the farm's own rules for groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from wan_render.farm.groups.possible_sizes import sizes_of
from wan_render.farm.groups.simulation import SimulatedRun
from wan_render.farm.held_devices import make_of
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device


@dataclass(frozen=True)
class KnownTimes:
    """Seconds of takes, by key: alone on one device, and together by so many."""

    alone: Mapping[str, float]
    together: Mapping[str, Mapping[int, float]] = field(default_factory=dict)


def expected_seconds(orders: Sequence[RenderOrder], devices: Sequence[Device], groups: str, known: KnownTimes) -> float:
    """Seconds until the last order is rendered, if these devices begin now and nothing fails. Different devices count
    as equally fast. An order that no device can render counts as if all could.

    groups: see MachineSettings. known: for other takes the backend's estimates are used.
    """
    able = {order: order.able(devices) or tuple(devices) for order in orders}
    runs = {some: [order for order in orders if set(able[order]) <= set(some)] for some in able.values()}
    return max((_seconds(those, some, groups, known) for some, those in runs.items()), default=0.0)


def _seconds(orders: Sequence[RenderOrder], devices: Sequence[Device], groups: str, known: KnownTimes) -> float:
    """Seconds for orders that only these devices can render."""
    equal = max(Counter(map(make_of, devices)).values())
    # If the devices differ, a farm forms only the groups that a storyboard asks for.
    allowed = "asked" if groups == "auto" and equal < len(devices) else groups
    simulated = SimulatedRun(devices[0].kind, alone=known.alone, together=known.together)
    simulated.expect(orders)
    return simulated.total_seconds(len(devices), lambda order: sizes_of(order, equal, allowed))
