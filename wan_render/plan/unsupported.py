"""Settings that the model of a shot cannot use (ModelCard.unsupported): mistakes where they are written for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wan_render.plan.findings import Findings
from wan_render.plan.inherit import Level, Setting, Settings
from wan_render.plan.model_choice import Modelled

_DEFAULTS = {
    "profile": ("exact", "draft"),
    "variant": ("auto",),
    "gpus": ("auto", 1),
    "loras": ((),),
    "negative": ("official", "none"),
}
"""Values that ask for nothing. A draft of such a model is its final take."""


def check_unsupported(settings: Settings, modelled: Modelled, findings: Findings) -> None:
    """Report what is written and has no effect: as a mistake at the level of the model or nearer to the shot, else as a
    warning, since it may be meant for other shots. What is written for the own model of a shot that a service renders
    instead is no mistake; see hosted_choices."""
    if modelled.is_moved:
        return
    card = modelled.card
    model = modelled.settings.model
    level = Level.NOWHERE if model is None else model.level
    for key, written in _written(settings, modelled):
        if key not in card.unsupported or written.value in _DEFAULTS.get(key, ()):
            continue
        found, why = f"{card.name} cannot use `{key}`", card.unsupported[key]
        if written.level >= level:
            findings.error(written.place, found, why, "delete it, or name another model")
        else:
            findings.warn_for(card.name, written.place, f"`{key}` is not used by a model of the film", why)


def _written(settings: Settings, modelled: Modelled) -> Iterator[tuple[str, Setting[Any]]]:
    own = modelled.settings
    numbers: tuple[tuple[str, Setting[Any] | None], ...]
    numbers = (("steps", own.steps), ("guidance", own.guidance), ("shift", own.shift))
    for key, setting in numbers:
        if setting is not None:
            yield key, setting
    for key in ("negative", "loras", "profile", "variant", "gpus"):
        if (written := settings.common(key)) is not None:
            yield key, written
