"""Shots that cannot be made. Each becomes a slate with the reason, and is reported before the film is rendered."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.plan.film_plan import NotYet, PlannedShot
from wan_render.plan.findings import Findings


def warn_of_slates(shots: Sequence[PlannedShot], findings: Findings) -> None:
    """One warning for each shot that will be a slate, before its film is rendered."""
    for shot in shots:
        if isinstance(shot.content, NotYet):
            scene, place = shot.index
            found = f"this shot will be a slate: {shot.content.reason}"
            findings.warn(("scenes", scene, "shots", place), found)
