"""What of a film's text the font cannot draw, said before the film is made: it would come out as boxes, silently."""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.errors import Problem
from wan_render.media.text import missing_glyphs
from wan_render.plan import CardText, FilmPlan


def lettering_warnings(plan: FilmPlan) -> tuple[Problem, ...]:
    """One for each title, card and shot id with characters that the font lacks."""
    lacking = ((where, missing_glyphs(text)) for where, text in _texts(plan))
    return tuple(
        Problem(
            where,
            f"the font has no glyph for {' '.join(missing)}",
            "Latin, Greek, Cyrillic, Chinese, Japanese and Korean text",
            "write it otherwise: it would be drawn as a box",
        )
        for where, missing in lacking
        if missing
    )


def _texts(plan: FilmPlan) -> Iterator[tuple[str, str]]:
    for title in (*plan.opening, *plan.closing):
        yield f"title '{title.text}'", title.text
    for shot in plan.shots:
        yield f"shot {shot.id}", shot.id
        if isinstance(shot.content, CardText):
            yield f"card of shot {shot.id}", shot.content.text
