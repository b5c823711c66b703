"""Storyboard + models → FilmPlan of takes. Pure: uses no torch and no device, writes nothing.

A plan is complete: every take has its key and every shot its length before a device is used.
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
from wan_render.plan.film_take import JudgedTake, TakeChecks, film_take
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
    "JudgedTake",
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
    "TakeChecks",
    "VariantChoice",
    "film_take",
    "make_plan",
    "take_seed",
]
