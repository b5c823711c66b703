"""How many devices may render a take together, whatever else the run holds."""

from __future__ import annotations

from wan_render.production.render_order import RenderOrder

MOST_UNASKED = 4
"""The most devices in a group that no storyboard asks for. Larger ones were never timed (docs/benchmarks.md)."""


def sizes_of(order: RenderOrder, devices: int, groups: str) -> tuple[int, ...]:
    """The group sizes to choose from for an order, given this many identical devices. If there are several, the farm
    takes the one that ends the run soonest. groups: see MachineSettings."""
    if devices < 2 or groups == "off" or (groups == "asked" and order.gpus is None):
        return (1,)
    possible = [size for size in possible_sizes(order) if size <= devices] or [1]
    if order.gpus is None:
        return tuple(size for size in possible if size <= MOST_UNASKED)
    return (max(size for size in possible if size <= order.gpus),)


def possible_sizes(order: RenderOrder) -> tuple[int, ...]:
    """The group sizes that the backend supports for an order. A take that is joined from others needs one device."""
    return (1,) if order.take.through else order.backend.group_sizes(order.take, order.card)
