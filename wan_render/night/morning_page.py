"""The morning page: what a night made, what failed and why, and what to do next. It has no script.

It stands next to the night's record. While the night runs it shows what is known so far, and loads itself again.
"""

from __future__ import annotations

import os
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import quote
from zoneinfo import ZoneInfo

from markupsafe import Markup

from wan_render.night.device_chart import device_chart
from wan_render.night.flagged_frames import FramePair, flagged_frames
from wan_render.night.night_record import (
    NIGHT_PAGE,
    AttemptEntry,
    FilmEntry,
    FilmState,
    NightRecord,
    NightState,
    ShotEntry,
)
from wan_render.night.night_summary import films_in_words, hours, left_in_words
from wan_render.report.page_template import page_template, with_letters
from wan_render.store.disk import disk_errors, write_whole
from wan_render.take import short

_HERE = Path(__file__).parent
_WHOLE = (FilmState.DONE, FilmState.UNCHANGED)
_RUNNING = (NightState.WAITING, NightState.RENDERING)


@dataclass(frozen=True)
class Advice:
    """Something to type or to paste. why: what it does, in words. where: the storyboard for a line of YAML, or ""."""

    why: str
    text: str
    where: str = ""


@dataclass(frozen=True)
class ShotOfNight:
    """A shot that needs a look: it is missing, shows another take, was flagged, or had failed attempts."""

    shot: ShotEntry
    lines: tuple[Advice, ...]
    pairs: tuple[FramePair, ...]

    @property
    def failed(self) -> tuple[AttemptEntry, ...]:
        """The attempts that failed."""
        return tuple(attempt for attempt in self.shot.attempts if attempt.error)


@dataclass(frozen=True)
class FilmOfNight:
    """A film of the night, as the page shows it. number: its place on the page, from 1."""

    number: int
    film: FilmEntry
    shots: tuple[ShotOfNight, ...]
    lines: tuple[Advice, ...]

    @property
    def name(self) -> str:
        """The title. For a storyboard with mistakes its slug, or its folder and name: many are `storyboard.yaml`."""
        return self.film.title or self.film.slug or "/".join(Path(self.film.storyboard).parts[-2:])

    @property
    def anchor(self) -> str:
        """Its place on the page."""
        return f"film-{self.number}"

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing from it."""
        return self.film.state in _WHOLE

    @property
    def needs_a_look(self) -> bool:
        """Whether there is anything to do or to look at."""
        return bool(self.shots) or self.film.state not in (*_WHOLE, FilmState.WAITING, FilmState.RENDERING)

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How many of its shots have each verdict."""
        return Counter(shot.verdict for shot in self.film.shots if shot.verdict)


def write_morning_page(folder: Path, night: NightRecord) -> None:
    """Write the page of a night into its folder, in one step. Raises DiskError."""
    html = morning_page(folder, night)
    with disk_errors(folder):
        write_whole(folder / NIGHT_PAGE, html.encode())


def morning_page(folder: Path, night: NightRecord) -> str:
    """The page, as HTML. folder: where it will be; files that are no longer there get no link."""
    films = [_film(folder, number, film) for number, film in enumerate(night.films, 1)]
    style = Markup((_HERE / "morning.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    html = page_template(_HERE / "morning.html").render(
        night=night,
        films=films,
        to_look_at=[film for film in films if film.needs_a_look],
        is_running=night.state in _RUNNING,
        counts=films_in_words(night),
        left=left_in_words(night),
        takes=night.rendered,
        hours=hours,
        chart=device_chart(night),
        clock=_Clock(ZoneInfo(night.zone)),
        address=_Address(folder),
        style=style,
    )
    return with_letters(html)


@dataclass(frozen=True)
class _Clock:
    """Times in the night's zone."""

    zone: ZoneInfo

    def __call__(self, moment: datetime | None, form: str = "%H:%M") -> str:
        return "" if moment is None else moment.astimezone(self.zone).strftime(form)


@dataclass(frozen=True)
class _Address:
    """The address of a file, from the page; "" if it is not there."""

    folder: Path

    def __call__(self, path: str) -> str:
        return quote(os.fsencode(path)) if path and (self.folder / path).is_file() else ""


def _film(folder: Path, number: int, film: FilmEntry) -> FilmOfNight:
    shots = (
        ShotOfNight(shot, tuple(_shot_lines(film, shot)), tuple(flagged_frames(folder, film, place, shot)))
        for place, shot in enumerate(film.shots, 1)
    )
    return FilmOfNight(number, film, tuple(shot for shot in shots if _is_remarkable(shot)), tuple(_film_lines(film)))


def _is_remarkable(shot: ShotOfNight) -> bool:
    entry = shot.shot
    return bool(entry.slate or entry.note or shot.failed or shot.pairs or entry.verdict in ("flag", "fail"))


def _film_lines(film: FilmEntry) -> Iterator[Advice]:
    match film.state:
        case FilmState.BROKEN:
            yield Advice("after you have corrected it, check it", film.check_command)
        case FilmState.PARTIAL | FilmState.NOT_STARTED | FilmState.FAILED:
            yield Advice("the next night continues; or render it now", film.command)


def _shot_lines(film: FilmEntry, shot: ShotEntry) -> Iterator[Advice]:
    if shot.slate:
        yield from _render_lines(film, shot)
        yield Advice("or leave it out", "status: omit", film.storyboard)
    elif shot.verdict in ("flag", "fail") and shot.take is not None:
        yield Advice("if it is good, keep this very clip", f"circle: {shot.take}@{short(shot.key)}", film.storyboard)
        yield Advice("if it is bad, refuse it and render another", f"{film.command} --retake {shlex.quote(shot.id)}")


def _render_lines(film: FilmEntry, shot: ShotEntry) -> Iterator[Advice]:
    """How a slate becomes a shot. While an order is not settled, another run would end in the same slate."""
    if shot.order is None:
        yield Advice("try this shot again", f"{film.command} --only {shlex.quote(shot.id)}")
        return
    settle = f"{film.cloud_command} {shot.order} --task ID"
    yield Advice("look for its order in the service's console, and say which task it is", settle)
    yield Advice("or see what else can be said of it", film.cloud_command)
