"""Storyboard + models → FilmPlan of takes. Pure: uses no torch and no device, writes nothing.

A plan is complete: every take has its key and every shot its length before a device is used.
"""

from __future__ import annotations

from wan_render.plan.clock import nearest_frame
from wan_render.plan.cues import Cue, FilmSubtitles
from wan_render.plan.deliverable import FilmDeliverables, PlannedDeliverable
from wan_render.plan.extended_prompts import wants_prompts
from wan_render.plan.film_plan import (
    BRIDGE_SUFFIX,
    CardText,
    Content,
    FilmPlan,
    NotYet,
    PlannedJoint,
    PlannedPrompt,
    PlannedShot,
    PlannedSound,
    PlannedTake,
    PlannedTitle,
    Rendered,
    StillPicture,
)
from wan_render.plan.film_take import JudgedTake, TakeChecks, film_take
from wan_render.plan.loras import AppliedLora
from wan_render.plan.make import make_plan
from wan_render.plan.previous import PinnedClip
from wan_render.plan.sound_requests import AskedSound, has_sounds_from_words
from wan_render.plan.variants import VariantChoice

__all__ = [
    "BRIDGE_SUFFIX",
    "AppliedLora",
    "AskedSound",
    "CardText",
    "Content",
    "Cue",
    "FilmDeliverables",
    "FilmPlan",
    "FilmSubtitles",
    "JudgedTake",
    "NotYet",
    "PinnedClip",
    "PlannedDeliverable",
    "PlannedJoint",
    "PlannedPrompt",
    "PlannedShot",
    "PlannedSound",
    "PlannedTake",
    "PlannedTitle",
    "Rendered",
    "StillPicture",
    "TakeChecks",
    "VariantChoice",
    "film_take",
    "has_sounds_from_words",
    "make_plan",
    "nearest_frame",
    "wants_prompts",
]
