"""Orders side by side, so that takes which wait for the few devices that can render them keep no other device idle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wan_render.production import RenderOrder
from wan_render.render_values import Device


@dataclass(frozen=True)
class Lane:
    """Orders for the same devices, of which there are so many, at least 1."""

    orders: frozenset[RenderOrder]
    devices: int


def lanes_of(orders: Sequence[RenderOrder], devices: Sequence[Device]) -> tuple[Lane, ...]:
    """Each order in one, in the order of each lane's first; a device may be of several."""
    found: dict[tuple[Device, ...], list[RenderOrder]] = {}
    for order in orders:
        found.setdefault(order.able(devices), []).append(order)
    return tuple(Lane(frozenset(those), max(1, len(able))) for able, those in found.items())
