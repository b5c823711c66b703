"""Storyboard + models → FilmPlan of takes. Pure: no torch, no device, nothing written.

A plan is complete: every take has its key, every shot its length, before a device is touched.
"""

from __future__ import annotations

from wan_render.plan.film import (
    CardText,
    Content,
    FilmPlan,
    Joint,
    NotYet,
    PlannedShot,
    PlannedTake,
    PlannedTitle,
    Rendered,
    StillPicture,
)

__all__ = [
    "CardText",
    "Content",
    "FilmPlan",
    "Joint",
    "NotYet",
    "PlannedShot",
    "PlannedTake",
    "PlannedTitle",
    "Rendered",
    "StillPicture",
]
