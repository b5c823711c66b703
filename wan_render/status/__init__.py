"""Compares a plan with the store: what is found, missing, stale or kept, and why; and the cost of the rest. Only
reads."""

from wan_render.status.film_status import (
    FilmStatus,
    ShotStatus,
    State,
    TakeStatus,
    painting_label,
    status,
    unreadable_words,
)
from wan_render.status.forecast import (
    deliverable_seconds,
    expected_bytes,
    expected_times,
    film_bytes,
    film_seconds,
    film_stage_seconds,
)
from wan_render.status.needed import with_needs
from wan_render.status.pins import pin_warnings
from wan_render.status.plan_json import plan_json
from wan_render.status.take_judgement import judged_take, judgement_of, measurements_of, reasons, with_judgements

__all__ = [
    "FilmStatus",
    "ShotStatus",
    "State",
    "TakeStatus",
    "deliverable_seconds",
    "expected_bytes",
    "expected_times",
    "film_bytes",
    "film_seconds",
    "film_stage_seconds",
    "judged_take",
    "judgement_of",
    "measurements_of",
    "painting_label",
    "pin_warnings",
    "plan_json",
    "reasons",
    "status",
    "unreadable_words",
    "with_judgements",
    "with_needs",
]
