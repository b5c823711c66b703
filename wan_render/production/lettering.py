"""What of a film's text the font cannot draw, said before the film is made: it would come out as boxes, silently."""

from __future__ import annotations

from collections.abc import Iterator

from wan_render.errors import Problem
from wan_render.media.text import missing_glyphs
from wan_render.model import Document, PathInFile
from wan_render.plan import CardText, FilmPlan


def lettering_warnings(plan: FilmPlan, document: Document) -> tuple[Problem, ...]:
    """One for each title, card and shot id with characters that the font lacks; `plan` is that of `document`."""
    lacking = ((document.where(*place), missing_glyphs(text)) for place, text in _texts(plan))
    return tuple(
        Problem(
            where,
            f"the font has no glyph for {' '.join(missing)}",
            "Latin, Greek, Cyrillic, Chinese, Japanese and Korean text",
            "write it otherwise: it would be drawn as a box, or in another font where this machine has one",
        )
        for where, missing in lacking
        if missing
    )


def _texts(plan: FilmPlan) -> Iterator[tuple[PathInFile, str]]:
    for key, titles in (("open", plan.opening), ("close", plan.closing)):
        for at, title in enumerate(titles):
            yield ("titles", key, at), title.text
    for shot in plan.shots:
        scene, at = shot.index
        yield ("scenes", scene, "shots", at, "shot"), shot.id
        if isinstance(shot.content, CardText):
            yield ("scenes", scene, "shots", at, "card"), shot.content.text
