"""The texts that are drawn into a film, and where each was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wan_render.authored import Document, PathInFile
from wan_render.plan.cues import FilmSubtitles
from wan_render.plan.film_plan import CardText, Lettering, PlannedShot, PlannedTitle

SURELY_FITS = 24
"""A text of this many characters needs no look into fonts: as a subtitle it fits into two lines of any picture, and on
a card even if each is a line."""


def lettering(
    opening: Sequence[PlannedTitle],
    shots: Sequence[PlannedShot],
    closing: Sequence[PlannedTitle],
    subtitles: FilmSubtitles | None,
    document: Document,
) -> tuple[Lettering, ...]:
    """Titles, cards, and the ids of shots, which labels and slates show; burned-in subtitles."""
    texts = (*_titles("open", opening), *_titles("close", closing), *_of_shots(shots))
    burned = _of_subtitles(shots, document) if subtitles is not None and "burned" in subtitles.forms else ()
    return tuple(Lettering(document.where(*place), text) for place, text in (*texts, *burned))


def _of_subtitles(shots: Sequence[PlannedShot], document: Document) -> Iterator[tuple[PathInFile, str]]:
    for shot in shots:
        scene, at = shot.index
        written = document.storyboard.scenes[scene].shots[at]
        for key in ("subtitle", "dialogue"):
            for number, each in enumerate(getattr(written, key)):
                yield ("scenes", scene, "shots", at, key, number), each.text


def _titles(key: str, titles: Sequence[PlannedTitle]) -> Iterator[tuple[PathInFile, str]]:
    for at, title in enumerate(titles):
        yield ("titles", key, at), title.text


def _of_shots(shots: Sequence[PlannedShot]) -> Iterator[tuple[PathInFile, str]]:
    for shot in shots:
        scene, at = shot.index
        yield ("scenes", scene, "shots", at, "shot"), shot.id
        if isinstance(shot.content, CardText):
            yield ("scenes", scene, "shots", at, "card"), shot.content.text
