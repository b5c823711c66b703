"""Keeps the record of a night while it runs: hears what happens, and writes it to the night's folder."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from wan_render import __version__
from wan_render.errors import DiskError
from wan_render.night.attempt_book import AttemptBook, busy_hours, in_words
from wan_render.night.film_entries import FilmEntries, begun_entry, counted_entry
from wan_render.night.film_tonight import FilmTonight, Made, counted_twice
from wan_render.night.morning_page import write_morning_page
from wan_render.night.night_folder import write_night
from wan_render.night.night_record import (
    FilmEntry,
    NightRecord,
    NightState,
)
from wan_render.night.night_request import Candidate, NightRequest
from wan_render.printable import logger
from wan_render.render_values import Device
from wan_render.settings import machine_settings

WRITE_SECONDS = 5.0
"""Changes that are not urgent are written at most this often."""

_log = logger(__name__)


class NightBook:
    """The record of one night. Thread-safe. A record that cannot be written is a warning, once: the films matter."""

    def __init__(self, folder: Path, request: NightRequest, night: NightRecord, zone: ZoneInfo) -> None:
        self.folder = folder
        self._zone, self._entries = zone, FilmEntries(folder, request, zone)
        self._night = replace(night, command=request.command, wan_render=__version__)
        self._films: dict[Path, FilmEntry] = {}
        self._tonight: dict[Path, FilmTonight] = {}
        self._devices: tuple[Device, ...] = ()
        self.attempts = AttemptBook(self._now, self._entries.path, self._write_soon)
        self._written = 0.0
        self._warned_of: set[str] = set()
        self._lock = threading.RLock()

    @property
    def night(self) -> NightRecord:
        """The record as of now."""
        with self._lock:
            now = self._now()
            devices = tuple(map(self.attempts.of_device, self._devices))
            hours = sum(busy_hours(device, now) for device in devices)
            return replace(
                self._night,
                updated=now,
                films=tuple(self._with_attempts(film) for film in self._films.values()),
                devices=devices,
                gpu_hours=round(hours, 4),
                money=self._price(hours),
                twice=counted_twice(tuple(self._tonight.values())),
            )

    def entry(self, file: Path) -> FilmEntry:
        """The entry of a film."""
        with self._lock:
            return self._films[file]

    # The night

    def candidates(self, films: Sequence[Candidate]) -> None:
        """These are the night's films, in this order. Broken ones have ended."""
        with self._lock:
            self._films = {film.file: self._entries.of_candidate(film) for film in films}
            self.write()

    def joins(self, film: Candidate) -> None:
        """This film was asked for during the night."""
        with self._lock:
            self._films[film.file] = self._entries.of_candidate(film)

    def leaves(self, film: Candidate) -> None:
        """It came too late for this night."""
        with self._lock:
            del self._films[film.file]
            self._tonight.pop(film.file, None)

    def state(self, state: NightState) -> None:
        """The night is in another state."""
        with self._lock:
            ended = self._now() if state in (NightState.ENDED, NightState.STOPPED) else None
            self._night = replace(self._night, state=state, ended=ended)
            self.write()

    def message(self, text: str) -> None:
        """Something that concerns no film."""
        with self._lock:
            self._night = replace(self._night, messages=(*self._night.messages, text))
            self.write()

    def devices(self, devices: Sequence[Device]) -> None:
        """The night renders on these."""
        with self._lock:
            self._devices = tuple(devices)

    # Films

    def film_begins(self, film: FilmTonight) -> None:
        """A film's run has begun."""
        with self._lock:
            file = film.candidate.file
            self._tonight[file] = film
            self._films[file] = begun_entry(self._films[file], film)

    def take_ends(self, film: FilmTonight) -> None:
        """One of its takes has its outcome."""
        with self._lock:
            file = film.candidate.file
            if file not in self._films:  # it left the night, and this take had begun
                return
            self._films[file] = counted_entry(self._films[file], film)
            self._write_soon()

    def film_ends(self, film: FilmTonight, result: Made | BaseException | None) -> FilmEntry:
        """A film is made, or failed; None: it was not started."""
        with self._lock:
            file = film.candidate.file
            self._films[file] = entry = self._entries.ended(self._films[file], film, result, self._night.until)
            self.write()
            return entry

    def film_fails(self, file: Path, error: BaseException) -> FilmEntry:
        """A film cannot be begun."""
        with self._lock:
            self._films[file] = entry = self._entries.failed(self._films[file], error)
            self.write()
            return entry

    # Writing

    def write(self) -> None:
        """Write the record and the page now."""
        night = self._write_record()
        try:
            write_morning_page(self.folder, night)
        except Exception as error:  # noqa: BLE001 - films matter more than their page, whatever is wrong with it
            self._warn("page", error)

    def _write_record(self) -> NightRecord:
        self._written, night = time.monotonic(), self.night
        try:
            write_night(self.folder, night)
        except DiskError as error:
            self._warn("record", error)
        return night

    def _write_soon(self) -> None:
        with self._lock:
            if time.monotonic() - self._written >= WRITE_SECONDS:
                self._write_record()

    def _warn(self, what: str, error: Exception) -> None:
        if what not in self._warned_of:
            self._warned_of.add(what)
            _log.warning("the %s of the night cannot be written: %s", what, in_words(error))
            _log.info("why it cannot be", exc_info=error)

    def _with_attempts(self, film: FilmEntry) -> FilmEntry:
        shots = tuple(replace(shot, attempts=self.attempts.of_shot(film.slug, shot.id)) for shot in film.shots)
        return replace(film, shots=shots)

    def _price(self, hours: float) -> str:
        """Of these hours; "" if no price is set, or if no GPU renders."""
        price = machine_settings().gpu_hour_price
        is_gpu = any(device.kind == "cuda" for device in self._devices)
        return str(price.times(hours)) if price is not None and is_gpu else ""

    def _now(self) -> datetime:
        return datetime.now(self._zone)
