"""What is said of a film before it is rendered, in the terminal and by a flow."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.cli.wording import counted, gigabytes, lasting
from wan_render.errors import Problem
from wan_render.model import Document
from wan_render.plan import FilmPlan
from wan_render.production import RenderOrder, lettering_warnings
from wan_render.render import Device
from wan_render.status import FilmStatus, pin_warnings
from wan_render.take import Take


def film_warnings(plan: FilmPlan, document: Document, found: FilmStatus) -> tuple[Problem, ...]:
    """What would otherwise be noticed in the finished film; `plan` is that of `document`, `found` what it found."""
    return (*plan.warnings, *lettering_warnings(plan, document), *pin_warnings(found))


def amount(found: FilmStatus, takes: Sequence[Take]) -> str:
    """`12 takes (6 of them parts of others)`: a table of shots shows the other six."""
    shown = {take.key for shot in found.shots for take in shot.takes} | {each.key for each in found.paintings.values()}
    parts = sum(take.key not in shown for take in takes)
    return counted(len(takes), "take") + (f" ({parts} of them parts of others)" if parts else "")


def outlook(before: FilmStatus, orders: Sequence[RenderOrder], devices: Sequence[Device]) -> str:
    """How much there is to render, how long it takes and what it needs on the disk, of a run on these orders; only
    devices that can render some of them count."""
    if not orders:
        return "every take is there"
    takes = [order.take for order in orders]
    able = [frozenset(device.name for device in devices) - order.barred for order in orders]
    there = f" ({len(before.to_render)} missing in all)" if len(before.to_render) != len(takes) else ""
    share = len(takes) / max(len(before.to_render), 1)
    seconds = before.seconds / max(len(before.to_render), 1) * _rounds(able)
    space = gigabytes(round(before.bytes * share))
    return (
        f"{amount(before, takes)} to render on {counted(len(frozenset().union(*able)), 'device')}{there}: "
        f"about {lasting(seconds)}, then {lasting(before.film_seconds)} for the film, {space}"
    )


def _rounds(able: Sequence[frozenset[str]]) -> float:
    """How many times as long as one take a run lasts at least, by the names of the devices that can render each of its
    takes: those that have no other devices than some share these."""
    return max(_share(sum(other <= some for other in able), len(some)) for some in set(able))


def _share(takes: int, devices: int) -> float:
    return takes / min(devices, takes)
