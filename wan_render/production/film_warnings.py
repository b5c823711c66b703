"""What would otherwise be noticed in the finished film: said before it is made, and on its page."""

from __future__ import annotations

import json
from collections.abc import Sequence

from wan_render.errors import Problem
from wan_render.media.text import missing_glyphs
from wan_render.plan import FilmPlan
from wan_render.printable import path_name
from wan_render.production.run import Run
from wan_render.status import FilmStatus, pin_warnings

PLAN = "plan.json"
"""Beside a film: what was planned, as `plan --json` has it."""

MOST_NAMED = 5
"""Characters that a warning gives: a text in another script lacks all of its letters."""


def film_warnings(plan: FilmPlan, found: FilmStatus) -> tuple[Problem, ...]:
    """Of planning, of lettering, and of pins by what `found` found."""
    return (*plan.warnings, *lettering_warnings(plan), *pin_warnings(found))


def warnings_of(run: Run) -> tuple[str, ...]:
    """What a run warns of, in sentences. What the newest version of the film was made with all the same, and its page
    says, is only counted: twelve warnings that come every night hide the thirteenth."""
    told, version = _told(run)
    found = film_warnings(run.plan, run.before)
    new = [str(problem) for problem in found if problem not in told]
    old = len(found) - len(new)
    if old:
        warnings = "1 warning" if old == 1 else f"{old} warnings"
        new.append(f"{warnings} as when {version} was made: `wan-render plan {path_name(run.plan.file)}` prints all")
    return (*new, *map(str, run.confined))


def _told(run: Run) -> tuple[frozenset[Problem], str]:
    """The warnings in the newest version's plan.json, and that version's name."""
    film = run.store.films.latest(run.plan.slug)
    if film is None:
        return frozenset(), ""
    try:
        warnings = json.loads((film.folder / PLAN).read_bytes())["warnings"]
        return frozenset(Problem(**warning) for warning in warnings), film.name
    except (OSError, ValueError, KeyError, TypeError):  # an older or damaged one: all are told
        return frozenset(), ""


def lettering_warnings(plan: FilmPlan) -> tuple[Problem, ...]:
    """One for each title, card and shot id with characters that the font lacks: they would come out as boxes."""
    lacking = ((lettering.where, missing_glyphs(lettering.text)) for lettering in plan.lettering)
    return tuple(
        Problem(
            where,
            f"the font has no glyph for {_named(missing)}",
            "Latin, Greek, Cyrillic, Chinese, Japanese and Korean text",
            "write it otherwise: it would be drawn as a box, or in another font where this machine has one",
        )
        for where, missing in lacking
        if missing
    )


def _named(characters: Sequence[str]) -> str:
    """Each with its number, for whoever reads this where no font has it either."""
    named = [f"{character} (U+{ord(character):04X})" for character in characters[:MOST_NAMED]]
    more = len(characters) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")
