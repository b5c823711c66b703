"""What would otherwise be noticed in the finished film: said before it is made, and on its page."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.errors import Problem
from wan_render.media.text import missing_glyphs
from wan_render.plan import FilmPlan
from wan_render.status import FilmStatus, pin_warnings

MOST_NAMED = 5
"""Characters that a warning gives: a text in another script lacks all of its letters."""


def film_warnings(plan: FilmPlan, found: FilmStatus) -> tuple[Problem, ...]:
    """Of planning, of lettering, and of pins by what `found` found."""
    return (*plan.warnings, *lettering_warnings(plan), *pin_warnings(found))


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
