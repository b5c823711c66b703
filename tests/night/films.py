"""A folder of small storyboards, and a night of them without a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from PIL import Image

from wan_render.farm.attempt_events import Began, Event
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_hours import NightHours
from wan_render.night.night_record import FilmEntry, FilmState, NightRecord
from wan_render.night.night_request import Candidate, NightRequest
from wan_render.night.whole_night import Night
from wan_render.production.film_stages import FilmStage
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.session.countdown import Expected

HEAD = """\
version: 1
film: {FILM, raster: 64x64, deliver: 64x64}
defaults: {duration: 1s, render: {seed: 5}}
keyframes: keyframes/
shots:
"""
DAY = "  - {from: dawn, to: noon, action: the light climbs}\n"
EVENING = "  - {from: noon, to: dusk, action: boats come home}\n"


def make_folder(folder: Path) -> Path:
    """A folder with pictures, for storyboards."""
    pictures = folder / "keyframes"
    pictures.mkdir(parents=True)
    for name, colour in (("dawn", (200, 120, 60)), ("noon", (120, 160, 220)), ("dusk", (60, 40, 120))):
        Image.new("RGB", (96, 96), colour).save(pictures / f"{name}.png")
    return folder


def write_film(folder: Path, title: str, shots: str, **film: object) -> Path:
    """A storyboard with this title."""
    keys = ", ".join(f"{key}: {value}" for key, value in {"title": title, **film}.items())
    file = folder / f"{title.lower()}.yaml"
    file.write_text(HEAD.replace("FILM", keys) + shots, encoding="utf-8")
    return file


@dataclass
class Noted:
    """A NightShow that notes what is shown. begun: film and shot of each first attempt, in order."""

    said: list[str] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    waits: list[timedelta] = field(default_factory=list)
    evenings: list[list[str]] = field(default_factory=list)

    def say(self, text: str) -> None:
        self.said.append(text)

    def evening(self, films: Sequence[Candidate]) -> None:
        self.evenings.append([f"{film.name}: {film.mistake or film.forecast}" for film in films])

    def countdown(self, left: timedelta) -> None:
        self.waits.append(left)

    def rendering(self, orders: Sequence[RenderOrder], devices: Sequence[Device], expected: Expected) -> None:
        pass

    def event(self, order: RenderOrder, event: Event) -> None:
        if isinstance(event, Began):
            self.begun.append(f"{order.film} {order.shot}")

    def finishing(self, film: FilmTonight, stage: FilmStage) -> None:
        pass

    def film_ended(self, film: FilmEntry) -> None:
        self.ended.append(film.slug)


def hours(begins_in: float = 0.0, seconds: float | None = None) -> NightHours:
    """A window from now."""
    zone = ZoneInfo("UTC")
    start = datetime.now(UTC).astimezone(zone) + timedelta(seconds=begins_in)
    return NightHours(start, None if seconds is None else start + timedelta(seconds=seconds), zone)


def request(*paths: Path, outputs: Path, draft: bool = False) -> NightRequest:
    """A night of the animatic."""
    return NightRequest(tuple(paths), outputs=outputs, backend="animatic", draft=draft)


def held(asked: NightRequest, window: NightHours, show: Noted | None = None) -> NightRecord:
    """The record of a night that was held."""
    return Night(asked, window, show or Noted()).hold().night


def states(night: NightRecord) -> dict[str, FilmState]:
    """The state of each storyboard, by its file's name."""
    return {Path(film.storyboard).stem: film.state for film in night.films}
