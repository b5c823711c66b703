"""What things are called when they are handed over."""

from __future__ import annotations

from wan_render.plan import FilmPlan, PlannedShot


def delivered_name(plan: FilmPlan, shot: PlannedShot, number: int) -> str:
    """`<slug>_sc1_sh020_t02`: film, scene, shot, take; without a suffix."""
    return f"{plan.slug}_sc{shot.scene}_sh{shot.name}_t{number:02d}"
