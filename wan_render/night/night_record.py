"""night.json: what a night was asked for, what it made and what is left.

It is written when the night is scheduled, updated while it runs, and never deleted. A night that was killed has no
`ended`. Paths are relative to the record's folder, so that they are links of the page next to it. Times have an offset;
`zone` is the name of the night's time zone. New fields have defaults: records of older versions can be read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

from wan_render.printable import printable

NIGHT_RECORD, NIGHT_PAGE = "night.json", "index.html"
"""Files in a night's folder: its record, and the page that is made from it."""


class NightState(StrEnum):
    """The state of a night. STOPPED: by Ctrl-C, a signal or a cancel. A killed night stays in one of the first two."""

    WAITING = "waiting"
    RENDERING = "rendering"
    ENDED = "ended"
    STOPPED = "stopped"


class FilmState(StrEnum):
    """The state of a film of a night.

    WAITING, RENDERING: the night is not over. DONE: a complete new version. UNCHANGED: nothing had to be made. PARTIAL:
    a version with slates, with substitutes for circled takes, or without a deliverable or a sound. FAILED: no film was
    made. BROKEN: the storyboard has mistakes. NOT_STARTED: there was no time for any of its takes; the newest version
    is an older one.
    """

    WAITING = "waiting"
    RENDERING = "rendering"
    DONE = "done"
    UNCHANGED = "unchanged"
    PARTIAL = "partial"
    FAILED = "failed"
    BROKEN = "broken"
    NOT_STARTED = "not started"


@dataclass(frozen=True)
class AttemptEntry:
    """One attempt to render a take. error: "" if it succeeded. log: path of its log. devices: names; several render it
    together."""

    take: int
    devices: tuple[str, ...]
    start: datetime
    log: str
    end: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class ShotEntry:
    """A shot of a film after the night. Omitted shots have no entry.

    take:    number of the take in the film; None for a slate, a card or a still.
    key:     the key of that take; "" without one.
    slate:   why the shot is missing from the film; "" if it is in it.
    note:    what else is to be said about it: "take 2 is circled and not rendered yet; take 1 is shown".
    verdict: of the take in the film: `pass`, `flag`, `fail`; "" if it was not checked. checks: those that did not pass,
             in words.
    attempts: those of this night, in order.
    order:   number of an order at a service whose fate a person has to settle before it is rendered; None without one.
    """

    id: str
    take: int | None = None
    key: str = ""
    slate: str = ""
    note: str = ""
    verdict: str = ""
    checks: str = ""
    attempts: tuple[AttemptEntry, ...] = ()
    order: int | None = None


@dataclass(frozen=True)
class FilmEntry:
    """A film of a night.

    storyboard: absolute path. slug: "" if the file could not be read so far. message: what happened, in one sentence;
    for a broken film every mistake, one a line. lacks: what a partial film lacks besides shots, in sentences.
    version: the name of the newest version (`v003`); "" without one. Its folder, page, video and poster are paths; ""
    for those that do not exist. is_new: whether the night made it.
    takes: how many takes were to be rendered; rendered: how many were. hours_left: of devices, for what is missing.
    command: the line that renders this film alone; check_command: that checks it; cloud_command: that lists what was
    bought for it. spent: what its takes cost at services in its lifetime, in words.
    """

    storyboard: str
    slug: str = ""
    title: str = ""
    priority: int = 0
    state: FilmState = FilmState.WAITING
    message: str = ""
    lacks: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    version: str = ""
    folder: str = ""
    page: str = ""
    video: str = ""
    poster: str = ""
    is_new: bool = False
    frames: int = 0
    seconds: float = 0.0
    takes: int = 0
    rendered: int = 0
    hours_left: float = 0.0
    shots: tuple[ShotEntry, ...] = ()
    command: str = ""
    check_command: str = ""
    cloud_command: str = ""
    ended: datetime | None = None
    spent: str = ""


@dataclass(frozen=True)
class BusySpan:
    """A time in which a device rendered a take. end: None while it does. failed: whether the attempt failed."""

    start: datetime
    end: datetime | None
    film: str
    shot: str
    take: int
    failed: bool = False


@dataclass(frozen=True)
class DeviceEntry:
    """A device of a night. failures: errors of attempts on it, in order."""

    name: str
    label: str
    busy: tuple[BusySpan, ...] = ()
    failures: tuple[str, ...] = ()


@dataclass(frozen=True)
class CountedTwice:
    """Takes that several films of a night share. Each film counts them, so the night has so many fewer.

    hours_left: of devices, for those that are missing.
    """

    rendered: int = 0
    left: int = 0
    hours_left: float = 0.0


@dataclass(frozen=True)
class NightRecord:
    """A night. start, until: its window; until is None without an end. zone: name of the time zone. updated: when this
    was written. ended: None while it runs, and for ever if it was killed. messages: what concerns no film, such as GPU
    memory that another program held. gpu_hours: hours in which devices rendered. money: their price as text ("12.40"),
    "" if WAN_RENDER_GPU_HOUR_PRICE is not set. command: the line that starts such a night again. twice: what films
    share."""

    start: datetime
    until: datetime | None
    zone: str
    state: NightState
    updated: datetime
    ended: datetime | None = None
    films: tuple[FilmEntry, ...] = ()
    devices: tuple[DeviceEntry, ...] = ()
    messages: tuple[str, ...] = ()
    gpu_hours: float = 0.0
    money: str = ""
    backend: str = ""
    draft: bool = False
    command: str = ""
    wan_render: str = ""
    twice: CountedTwice = CountedTwice()
    version: Literal[1] = 1

    @property
    def hours_left(self) -> float:
        """Hours of devices for everything that is missing."""
        return max(0.0, sum(film.hours_left for film in self.films) - self.twice.hours_left)

    @property
    def rendered(self) -> int:
        """How many takes were rendered."""
        return sum(film.rendered for film in self.films) - self.twice.rendered

    @property
    def left(self) -> int:
        """How many takes are missing."""
        return sum(max(0, film.takes - film.rendered) for film in self.films) - self.twice.left

    def to_json(self) -> bytes:
        """The content of night.json."""
        return printable(_adapter().dump_json(self, indent=1).decode()).encode()

    def count(self, *states: FilmState) -> int:
        """How many films are in one of these states."""
        return sum(film.state in states for film in self.films)


def read_night(folder: Path) -> NightRecord:
    """The record in a night's folder. Raises ValueError or OSError if there is none."""
    return _adapter().validate_json((folder / NIGHT_RECORD).read_bytes())


@cache
def _adapter() -> TypeAdapter[NightRecord]:
    return TypeAdapter(NightRecord)
