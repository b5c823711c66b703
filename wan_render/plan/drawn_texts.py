"""The texts that are drawn into a film, and where each was written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wan_render.authored import Document, PathInFile
from wan_render.plan.film_plan import CardText, Lettering, PlannedShot, PlannedTitle


def lettering(
    opening: Sequence[PlannedTitle], shots: Sequence[PlannedShot], closing: Sequence[PlannedTitle], document: Document
) -> tuple[Lettering, ...]:
    """Titles, cards, and the ids of shots, which labels and slates show."""
    texts = (*_titles("open", opening), *_titles("close", closing), *_of_shots(shots))
    return tuple(Lettering(document.where(*place), text) for place, text in texts)


def _titles(key: str, titles: Sequence[PlannedTitle]) -> Iterator[tuple[PathInFile, str]]:
    for at, title in enumerate(titles):
        yield ("titles", key, at), title.text


def _of_shots(shots: Sequence[PlannedShot]) -> Iterator[tuple[PathInFile, str]]:
    for shot in shots:
        scene, at = shot.index
        yield ("scenes", scene, "shots", at, "shot"), shot.id
        if isinstance(shot.content, CardText):
            yield ("scenes", scene, "shots", at, "card"), shot.content.text
