"""Storyboard + models → FilmPlan of takes. Pure: no torch, no device, nothing written.

A plan is complete: every take has its key, every shot its length, before a device is touched.
"""

from __future__ import annotations

from wan_render.plan.film_plan import (
    CardText,
    Content,
    FilmPlan,
    Lettering,
    NotYet,
    PlannedJoint,
    PlannedShot,
    PlannedTake,
    PlannedTitle,
    Rendered,
    StillPicture,
)
from wan_render.plan.loras import AppliedLora
from wan_render.plan.make import make_plan
from wan_render.plan.previous import PinnedClip, PinnedClips
from wan_render.plan.seeds import DEFAULT_SEED, take_seed
from wan_render.plan.variants import VariantChoice

__all__ = [
    "DEFAULT_SEED",
    "AppliedLora",
    "CardText",
    "Content",
    "FilmPlan",
    "Lettering",
    "NotYet",
    "PinnedClip",
    "PinnedClips",
    "PlannedJoint",
    "PlannedShot",
    "PlannedTake",
    "PlannedTitle",
    "Rendered",
    "StillPicture",
    "VariantChoice",
    "make_plan",
    "take_seed",
]
