"""Pins without a clip: the clip of `circle: 2@7f3a91` is not in the store, or does not fit any more."""

from __future__ import annotations

from wan_render.errors import Problem
from wan_render.plan import Rendered
from wan_render.status.film_status import FilmStatus, ShotStatus


def pin_warnings(status: FilmStatus) -> tuple[Problem, ...]:
    """A warning for each shot that will be a slate because of its pin. Nothing is rendered instead of a kept clip."""
    return tuple(_warning(shot) for shot in status.shots if _keeps_nothing(shot))


def _keeps_nothing(shot: ShotStatus) -> bool:
    return shot.planned is not None and isinstance(shot.planned.content, Rendered) and not shot.takes


def _warning(shot: ShotStatus) -> Problem:
    where = shot.planned.where if shot.planned is not None else shot.id
    return Problem(where, f"this shot will be a slate: {shot.why}", "", "delete the pin, or circle an existing take")
