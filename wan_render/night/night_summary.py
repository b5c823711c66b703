"""A night in a few lines, for the terminal and for notifications."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from wan_render.night.night_record import NIGHT_PAGE, NIGHT_RECORD, FilmEntry, FilmState, NightRecord
from wan_render.printable import path_name
from wan_render.session.wording import counted, lasting

_ORDER = (
    FilmState.DONE,
    FilmState.UNCHANGED,
    FilmState.PARTIAL,
    FilmState.NOT_STARTED,
    FilmState.FAILED,
    FilmState.BROKEN,
)


def summary(night: NightRecord, folder: Path) -> Iterator[str]:
    """At most five lines: how the films ended, what was rendered, what is left and how to go on, and the page."""
    yield f"night: {films_in_words(night)}"
    price = f", {night.money}" if night.money else ""
    if night.rendered or night.gpu_hours:
        yield f"rendered: {counted(night.rendered, 'take')} in {hours(night.gpu_hours)} of devices{price}"
    if left := left_in_words(night):
        yield f"left: {left}"
    if night.count(FilmState.DONE, FilmState.UNCHANGED) < len(night.films):
        yield f"to go on: {night.command}"
    page = folder / NIGHT_PAGE
    yield f"page: {path_name(page)}" if page.exists() else f"record: {path_name(folder / NIGHT_RECORD)}"


def film_line(film: FilmEntry) -> str:
    """How a film ended, in one line; for a broken one, its mistakes in more."""
    name = film.slug or path_name(Path(film.storyboard))
    match film.state:
        case FilmState.DONE:
            return f"{name}: done: {film.version}, {film.seconds:.2f} s"
        case FilmState.UNCHANGED:
            return f"{name}: unchanged: {film.version}"
        case FilmState.PARTIAL:
            return f"{name}: partial: {film.version}, {_missing(film)}"
        case _:
            return f"{name}: {film.state}: {film.message}"


def hours(count: float) -> str:
    """Hours as text: `40 s`, `12 min`, `2 h 45 min`."""
    return lasting(count * 3600)


def _missing(film: FilmEntry) -> str:
    slates = [shot for shot in film.shots if shot.slate]
    notes = [shot for shot in film.shots if shot.note and not shot.slate]
    said = [f"{counted(len(slates), 'slate')}: {slates[0].id}: {slates[0].slate}"] if slates else []
    said += [f"{shot.id}: {shot.note}" for shot in notes[:1]]
    said += film.lacks
    return "; ".join(said)


def left_in_words(night: NightRecord) -> str:
    """`3 takes of rain, harbour, about 2 h 10 min of devices`; "" if nothing is left."""
    left = [film for film in night.films if film.takes > film.rendered]
    names = ", ".join(film.slug for film in left)
    return f"{counted(night.left, 'take')} of {names}, about {hours(night.hours_left)} of devices" if left else ""


def films_in_words(night: NightRecord) -> str:
    """`5 films: 3 done, 1 partial, 1 broken`."""
    counts = [(night.count(state), state) for state in _ORDER]
    return f"{counted(len(night.films), 'film')}: " + ", ".join(f"{count} {state}" for count, state in counts if count)
