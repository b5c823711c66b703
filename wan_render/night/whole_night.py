"""A night from its request to its end: check the storyboards, wait for the start, render, and leave a record."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from wan_render.errors import Drained, InputError, Problem
from wan_render.night.night_book import NightBook
from wan_render.night.night_folder import new_night_folder, remove_night
from wan_render.night.night_hours import NightHours
from wan_render.night.night_record import FilmState, NightRecord, NightState
from wan_render.night.night_request import NightRequest, check_films
from wan_render.night.night_run import DRAINED, NightRun
from wan_render.night.night_seams import Attempting, Loop, NightShow
from wan_render.night.spill_over import spill_words, with_spill_over

COUNTDOWN_SECONDS = 1.0

Sleep = Callable[[float], None]


@dataclass
class Night:
    """A night. Call `hold` once. running: what renders, once it does."""

    request: NightRequest
    window: NightHours
    show: NightShow
    attempting: Attempting = field(default_factory=Loop)
    sleep: Sleep = time.sleep
    running: NightRun | None = None
    _is_draining: bool = False

    def hold(self) -> NightBook:
        """Hold the night; returns its book when all is over. Raises UsageError if nothing is there to render; Stopped,
        Drained and KeyboardInterrupt if it is stopped, once the record says so. A night that is stopped before its
        start leaves no record."""
        films = check_films(self.request)
        home = self.request.home().folder
        book = self._book(home)
        with _ending(book):
            book.candidates(films)
            self.show.evening(films)
            if self._wait():
                films = check_films(self.request)
                book.candidates(films)
                self.show.evening(films)
            films = with_spill_over(films, self.window)
            for sentence in spill_words(films):
                self.show.say(sentence)
                book.message(sentence)
            book.state(NightState.RENDERING)
            self.running = running = NightRun(book, self.show, home, self.window.until, self.attempting)
            if self._is_draining:
                running.drain()
            running.run(films)
        return book

    def drain(self) -> None:
        """Begin no more takes; `hold` raises Drained if that leaves any out. A night that still waits does not start.
        From any thread."""
        self._is_draining = True
        if self.running is not None:
            self.running.drain()

    def _book(self, home: Path) -> NightBook:
        start = self.window.start
        folder = new_night_folder(home, start.date())
        night = NightRecord(
            start=start,
            until=self.window.until,
            zone=str(self.window.zone),
            state=NightState.WAITING,
            updated=start,
            backend=self.request.backend or "",
            draft=self.request.draft,
        )
        return NightBook(folder, self.request, night, self.window.zone)

    def _wait(self) -> bool:
        """Wait for the start. Returns whether there was anything to wait for. The clock is asked every time: it may be
        set, and a laptop may sleep."""
        waited = False
        while (left := self.window.seconds_to_start(datetime.now(UTC))) > 0:
            waited = True
            if self._is_draining:
                raise Drained(Problem("the night", DRAINED))
            self.show.countdown(timedelta(seconds=left))
            self.sleep(min(left, COUNTDOWN_SECONDS))
        return waited


@contextmanager
def _ending(book: NightBook) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if book.night.state is NightState.WAITING:
            remove_night(book.folder)
        else:
            book.state(NightState.STOPPED)
        raise
    book.state(NightState.ENDED)


def exit_code(night: NightRecord) -> int:
    """Of the command: 0 if every film is whole, 2 if every storyboard is broken, 3 if no film was made and the machine
    is at fault, else 1."""
    bad = (FilmState.BROKEN, FilmState.FAILED)
    if night.count(FilmState.DONE, FilmState.UNCHANGED) == len(night.films):
        return 0
    if night.count(FilmState.BROKEN) == len(night.films):
        return InputError.exit_code
    return 3 if night.count(*bad) == len(night.films) else 1
