"""How long a farm is expected to render, said before it begins: by the rules that it decides by about groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from wan_render.farm.groups.possible_sizes import sizes_of
from wan_render.farm.groups.simulation import SimulatedRun
from wan_render.farm.held_devices import make_of
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device


def expected_seconds(
    orders: Sequence[RenderOrder], devices: Sequence[Device], groups: str, alone: Mapping[str, float]
) -> float:
    """Seconds until the last order is rendered, where these devices begin now and nothing fails. Unlike devices count
    as equally fast; what none of them can render, as if all could.

    groups: see MachineSettings. alone: seconds of each take on one device, by its key.
    """
    able = {order: order.able(devices) or tuple(devices) for order in orders}
    runs = {some: [order for order in orders if set(able[order]) <= set(some)] for some in able.values()}
    return max((_seconds(those, some, groups, alone) for some, those in runs.items()), default=0.0)


def _seconds(
    orders: Sequence[RenderOrder], devices: Sequence[Device], groups: str, alone: Mapping[str, float]
) -> float:
    """Of orders that can be rendered on no others."""
    equal = max(Counter(map(make_of, devices)).values())
    # Of unlike devices a farm forms no group that nobody asked for.
    allowed = "asked" if groups == "auto" and equal < len(devices) else groups
    simulated = SimulatedRun(devices[0].kind, alone=alone)
    simulated.expect(orders)
    return simulated.total_seconds(len(devices), lambda order: sizes_of(order, equal, allowed))
