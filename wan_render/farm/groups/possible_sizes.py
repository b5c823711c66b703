"""How many devices may render a take together, before anything is known of this night."""

from __future__ import annotations

from wan_render.production.render_order import RenderOrder

MOST_UNASKED = 4
"""Devices of a group that nobody asked for: larger ones were never timed (docs/benchmarks.md)."""


def sizes_of(order: RenderOrder, devices: int, groups: str) -> tuple[int, ...]:
    """Of so many equal devices: several numbers where it is to be chosen, by how soon the night ends; else one.
    groups: see MachineSettings."""
    if devices < 2 or groups == "off" or (groups == "asked" and order.gpus is None):
        return (1,)
    possible = [size for size in possible_sizes(order) if size <= devices] or [1]
    if order.gpus is None:
        return tuple(size for size in possible if size <= MOST_UNASKED)
    return (max(size for size in possible if size <= order.gpus),)


def possible_sizes(order: RenderOrder) -> tuple[int, ...]:
    """How many devices can render it; what is joined from other takes needs no more than one."""
    return (1,) if order.take.through else order.backend.group_sizes(order.take, order.card)
