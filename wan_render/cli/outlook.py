"""What is said of a film before it is rendered, in the terminal and by a flow."""

from __future__ import annotations

from wan_render.cli.wording import counted, gigabytes, lasting
from wan_render.errors import Problem
from wan_render.model import Document
from wan_render.plan import FilmPlan
from wan_render.production import lettering_warnings
from wan_render.status import FilmStatus, pin_warnings


def film_warnings(plan: FilmPlan, document: Document, found: FilmStatus) -> tuple[Problem, ...]:
    """What would otherwise be noticed in the finished film; `plan` is that of `document`, `found` what it found."""
    return (*plan.warnings, *lettering_warnings(plan, document), *pin_warnings(found))


def outlook(before: FilmStatus, orders: int, devices: int) -> str:
    """How much there is to render, how long it takes and what it needs on the disk, of a run with so many orders."""
    if not orders:
        return "every take is there"
    there = f" ({len(before.to_render)} missing in all)" if len(before.to_render) != orders else ""
    seconds = before.seconds * orders / max(len(before.to_render), 1) / min(devices, orders)
    return (
        f"{counted(orders, 'take')} to render on {counted(devices, 'device')}{there}: "
        f"about {lasting(seconds)}, then {lasting(before.film_seconds)} for the film, {gigabytes(before.bytes)}"
    )
