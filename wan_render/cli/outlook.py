"""What is said of a film before it is rendered, in the terminal and by a flow."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.cli.wording import counted, gigabytes, lasting
from wan_render.status import FilmStatus
from wan_render.take import Take


def amount(found: FilmStatus, takes: Sequence[Take]) -> str:
    """`12 takes (6 of them parts of others)`: a table of shots shows the other six."""
    shown = {take.key for shot in found.shots for take in shot.takes} | {each.key for each in found.paintings.values()}
    parts = sum(take.key not in shown for take in takes)
    return counted(len(takes), "take") + (f" ({parts} of them parts of others)" if parts else "")


def outlook(before: FilmStatus, takes: Sequence[Take], devices: int) -> str:
    """How much there is to render, how long it takes and what it needs on the disk, of a run on these takes."""
    if not takes:
        return "every take is there"
    there = f" ({len(before.to_render)} missing in all)" if len(before.to_render) != len(takes) else ""
    share = len(takes) / max(len(before.to_render), 1)
    seconds = before.seconds * share / min(devices, len(takes))
    space = gigabytes(round(before.bytes * share))
    return (
        f"{amount(before, takes)} to render on {counted(devices, 'device')}{there}: "
        f"about {lasting(seconds)}, then {lasting(before.film_seconds)} for the film, {space}"
    )
