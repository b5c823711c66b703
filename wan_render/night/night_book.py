"""Keeps the record of a night while it runs: hears what happens, and writes it to the night's folder."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from wan_render import __version__
from wan_render.errors import DiskError, InputError, WanRenderError
from wan_render.night.attempt_book import AttemptBook, busy_hours, in_words
from wan_render.night.film_tonight import FilmTonight, Made
from wan_render.night.morning_page import write_morning_page
from wan_render.night.night_folder import write_night
from wan_render.night.night_record import (
    FilmEntry,
    FilmState,
    NightRecord,
    NightState,
    ShotEntry,
)
from wan_render.night.night_request import Candidate, NightRequest
from wan_render.printable import logger
from wan_render.quality.verdicts import QcVerdict
from wan_render.render_values import Device
from wan_render.settings import machine_settings
from wan_render.status import judgement_of, reasons
from wan_render.store import FilmVersion

WRITE_SECONDS = 5.0
"""Changes that are not urgent are written at most this often."""

_log = logger(__name__)


class NightBook:
    """The record of one night. Thread-safe. A record that cannot be written is a warning, once: the films matter."""

    def __init__(self, folder: Path, request: NightRequest, night: NightRecord, zone: ZoneInfo) -> None:
        self.folder = folder
        self._request, self._zone = request, zone
        self._night = replace(night, command=request.command, wan_render=__version__)
        self._films: dict[Path, FilmEntry] = {}
        self._devices: tuple[Device, ...] = ()
        self.attempts = AttemptBook(self._now, self._path, self._write_soon)
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
            )

    def entry(self, file: Path) -> FilmEntry:
        """The entry of a film."""
        with self._lock:
            return self._films[file]

    # The night

    def candidates(self, films: Sequence[Candidate]) -> None:
        """These are the night's films, in this order. Broken ones have ended."""
        with self._lock:
            self._films = {film.file: self._of_candidate(film) for film in films}
            self.write()

    def joins(self, film: Candidate) -> None:
        """This film was asked for during the night."""
        with self._lock:
            self._films[film.file] = self._of_candidate(film)

    def leaves(self, film: Candidate) -> None:
        """It came too late for this night."""
        with self._lock:
            del self._films[film.file]

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
            self._films[file] = replace(
                self._films[file],
                state=FilmState.RENDERING,
                takes=len(film.orders),
                warnings=film.warnings,
                hours_left=film.seconds_left / 3600,
                shots=tuple(ShotEntry(shot.id) for shot in film.before.shots if shot.planned is not None),
            )

    def take_ends(self, film: FilmTonight) -> None:
        """One of its takes has its outcome."""
        with self._lock:
            file = film.candidate.file
            if file not in self._films:  # it left the night, and this take had begun
                return
            self._films[file] = self._counted(self._films[file], film)
            self._write_soon()

    def film_ends(self, film: FilmTonight, result: Made | BaseException | None) -> FilmEntry:
        """A film is made, or failed; None: it was not started."""
        with self._lock:
            file = film.candidate.file
            entry = self._counted(self._films[file], film)
            self._films[file] = entry = replace(self._ended(entry, film, result), ended=self._now())
            self.write()
            return entry

    def film_fails(self, file: Path, error: BaseException) -> FilmEntry:
        """A film cannot be begun."""
        with self._lock:
            state = FilmState.BROKEN if isinstance(error, InputError) else FilmState.FAILED
            message = in_words(error)
            self._films[file] = entry = replace(self._films[file], state=state, message=message, ended=self._now())
            self.write()
            return entry

    def film_vanished(self, file: Path) -> None:
        """A storyboard that was there in the evening is gone at the start."""
        with self._lock:
            self._films.pop(file, None)

    def _counted(self, entry: FilmEntry, film: FilmTonight) -> FilmEntry:
        """With what was rendered. The number of takes grows with retakes."""
        left = film.seconds_left / 3600
        return replace(entry, takes=len(film.orders), rendered=film.rendered, hours_left=left)

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

    # Entries

    def _of_candidate(self, film: Candidate) -> FilmEntry:
        entry = FilmEntry(
            storyboard=str(film.file.absolute()),
            slug=film.slug,
            title=film.title,
            priority=film.priority,
            warnings=film.warnings,
            command=self._request.render_command(film.file),
        )
        if film.slug:
            with suppress(WanRenderError, OSError):
                entry = self._with_version(entry, film.session.store.films.latest(film.slug), is_new=False)
        if film.mistake is None:
            return replace(entry, hours_left=film.seconds / 3600)
        state = FilmState.BROKEN if isinstance(film.mistake, InputError) else FilmState.FAILED
        return replace(entry, state=state, message=str(film.mistake), ended=self._now())

    def _ended(self, entry: FilmEntry, film: FilmTonight, result: Made | BaseException | None) -> FilmEntry:
        if result is None:
            until = f"{self._night.until:%H:%M}" if self._night.until else "the end"
            message = f"the night ended at {until} before any of its takes was rendered"
            return replace(entry, state=FilmState.NOT_STARTED, message=message)
        if isinstance(result, BaseException):
            return replace(entry, state=FilmState.FAILED, message=in_words(result))
        version = result.version
        entry = self._with_version(entry, version, is_new=not version.reused)
        shots = tuple(_shot(film, shot.id, result) for shot in film.before.shots if shot.planned is not None)
        entry = replace(entry, shots=shots)
        if version.slates or result.notes:
            said = [*(f"{shot}: {why}" for shot, why in version.slates.items())]
            said += [f"{shot}: {note}" for shot, note in result.notes.items()]
            return replace(entry, state=FilmState.PARTIAL, message="; ".join(said))
        state = FilmState.UNCHANGED if version.reused else FilmState.DONE
        return replace(entry, state=state, message="nothing has changed" if version.reused else "")

    def _with_version(self, entry: FilmEntry, version: FilmVersion | None, *, is_new: bool) -> FilmEntry:
        if version is None:
            return entry
        poster = version.poster
        return replace(
            entry,
            version=version.name,
            folder=self._path(version.folder),
            page=self._path(version.page) if version.page.exists() else "",
            video=self._path(version.video),
            poster="" if poster is None else self._path(poster),
            is_new=is_new,
            frames=version.frames,
            seconds=float(version.seconds),
        )

    def _with_attempts(self, film: FilmEntry) -> FilmEntry:
        shots = tuple(replace(shot, attempts=self.attempts.of_shot(film.slug, shot.id)) for shot in film.shots)
        return replace(film, shots=shots)

    def _price(self, hours: float) -> str:
        """Of these hours; "" if no price is set, or if no GPU renders."""
        price = machine_settings().gpu_hour_price
        is_gpu = any(device.kind == "cuda" for device in self._devices)
        return str(price.times(hours)) if price is not None and is_gpu else ""

    def _path(self, file: Path) -> str:
        """Relative to the record's folder."""
        return os.path.relpath(file.absolute(), self.folder.absolute())

    def _now(self) -> datetime:
        return datetime.now(self._zone)


def _shot(film: FilmTonight, shot_id: str, made: Made) -> ShotEntry:
    run = film.run
    shot = run.before.shot(shot_id)
    existing = [take for take in shot.takes if take.key in made.version.takes]
    shown = next((take for take in existing if take.key == shot.chosen), next(iter(existing), None))
    judgement = None if shown is None or run.backend.is_preview else judgement_of(run.store, shown.key)
    verdict = None if judgement is None else judgement.verdict
    return ShotEntry(
        shot_id,
        take=None if shown is None else shown.number,
        key="" if shown is None else shown.key,
        slate=made.version.slates.get(shot_id, ""),
        note=made.notes.get(shot_id, ""),
        verdict="" if verdict is None else verdict.value,
        checks="" if judgement is None else reasons(judgement, QcVerdict.FAIL, QcVerdict.FLAG),
    )
