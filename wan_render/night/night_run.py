"""The night itself: films begin, their takes are rendered on one farm, and each film is made when its last take has
ended."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from wan_render.errors import Drained, Problem, Stopped, WanRenderError
from wan_render.estimates import TakeTime
from wan_render.farm.attempt_events import Event
from wan_render.farm.attempts import Attempts
from wan_render.farm.chosen_farm import farm_devices, open_farm
from wan_render.farm.device_farm import DeviceFarm
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.held_takes import held_in
from wan_render.farm.locks.foreign_use import ForeignUse
from wan_render.farm.memory_terms import MemoryTerms
from wan_render.farm.memory_watch import memory_shortages
from wan_render.farm.run_terms import FollowUp, RunTerms
from wan_render.farm.scheduler import Scheduler
from wan_render.host_memory import host_memory
from wan_render.night.film_tonight import FilmTonight, Made, begin_film
from wan_render.night.finishing import Finishing
from wan_render.night.night_book import NightBook
from wan_render.night.night_request import Candidate
from wan_render.night.night_seams import Attempting, Loop, NightShow
from wan_render.night.night_space import begun_when_there_is_space, shortages, space_terms
from wan_render.night.night_terms import LearntSeconds, night_deadline, night_policy
from wan_render.printable import logger
from wan_render.production.failures import Outcome
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.session.forecast_text import expected_run
from wan_render.session.run_devices import devices_elsewhere
from wan_render.settings import machine_settings
from wan_render.store import Store

DRAINED = "was drained: takes that are left are rendered when it goes on"

_log = logger(__name__)


@dataclass
class NightRun:
    """Renders the candidates of a night and makes their films. Call `run` once.

    home: the outputs folder for the farm's own files. until: when the window ends.
    """

    book: NightBook
    show: NightShow
    home: Path
    until: datetime | None = None
    attempting: Attempting = field(default_factory=Loop)
    _films_by_order: dict[RenderOrder, FilmTonight] = field(default_factory=dict)
    _not_made: set[FilmTonight] = field(default_factory=set)
    _times: dict[str, TakeTime] = field(default_factory=dict)
    _scheduler: Scheduler | None = None
    _finishing: Finishing | None = None
    _films: list[FilmTonight] = field(default_factory=list)
    _devices: tuple[Device, ...] = ()
    _left: set[FilmTonight] = field(default_factory=set)
    _runs: ExitStack | None = None
    _first: tuple[str, ...] = ()
    _farm: DeviceFarm | None = None
    _is_draining: bool = False
    _telling: threading.Lock = field(default_factory=threading.Lock)
    _joining: threading.RLock = field(default_factory=threading.RLock)

    def run(self, candidates: Sequence[Candidate]) -> None:
        """Render and finish; returns when every film has ended. Raises Stopped and what else stops the farm, and
        Drained if it left takes out. Films that are not made by then keep their takes."""
        with ExitStack() as runs:
            runs.callback(self.attempting.close)
            films, devices = self._begun(candidates, runs)
            if not films:
                return
            self._films, self._devices, self._runs = list(films), devices, runs
            self.book.devices(devices)
            self._not_made = set(films)
            wanted = [order for film in films for order in film.orders]
            for sentence in (*shortages(films), *memory_shortages(wanted, devices, host_memory())):
                self._tell(sentence)
            finishing = Finishing(self._film_ended, self.show.finishing, self._tell, self.until)
            try:
                self._render(films, devices, finishing)
                for film in films:
                    if not film.orders:
                        finishing.give(film)
                finishing.wait()
            except BaseException:
                finishing.stop()
                raise
            if self._scheduler is not None and self._scheduler.is_cut_short:
                raise Drained(Problem("the night", DRAINED))

    # While it runs

    @property
    def unfinished(self) -> tuple[FilmTonight, ...]:
        """The films that are not made yet."""
        with self._telling:
            return tuple(self._not_made)

    @property
    def films(self) -> tuple[FilmTonight, ...]:
        """All films that the night renders or has made."""
        with self._joining:
            return tuple(self._films)

    @property
    def is_rendering(self) -> bool:
        """Whether films can join."""
        return self._scheduler is not None

    @property
    def backend_id(self) -> str:
        """What the devices have loaded: films of another backend cannot join."""
        return next((film.run.backend.id for film in self._films), "")

    def join(self, candidate: Candidate) -> FilmTonight | None:
        """Render another film as well, which somebody asked for in the meantime. None if the night is not rendering, or
        has another film of this storyboard. Raises the errors of `begin`, and those of the storyboard."""
        with self._joining:
            if candidate.mistake is not None:
                raise candidate.mistake
            if self._scheduler is None or self._finishing is None or self._runs is None:
                return None
            if any(film.candidate.file == candidate.file for film in self._films):
                return None
            if not self._scheduler.add(()):
                return None
            film = begin_film(candidate, self._devices, self._runs, self.show.say)
            self._films_by_order |= dict.fromkeys(film.orders, film)
            self._times.update(film.before.times)
            self.book.joins(candidate)
            self.book.film_begins(film)
            self._films.append(film)
            self._not_made.add(film)
            self.attempting.begin((film,), self._scheduler)
            self._scheduler.end_by(night_deadline(tuple(self._not_made), self.until))
            self._scheduler.follow(night_policy(self._films, self._first))
            if film.is_complete:
                self._finishing.give(film)
            elif not self._scheduler.add(film.orders):
                self._films.remove(film)
                self.book.leaves(candidate)
                return None
            return film

    def leave(self, film: FilmTonight) -> None:
        """Do not make a film after all: somebody cancelled it. Takes that have begun are finished and kept."""
        with self._joining:
            if self._scheduler is None or film not in self._films:
                return
            self._films.remove(film)
            self._left.add(film)
            self._scheduler.withdraw(film.orders)
        self._tell(f"{film.slug}: was cancelled; finished takes are kept")
        entry = self.book.film_fails(film.candidate.file, Stopped(Problem(film.slug, "was cancelled")))
        self.attempting.film_ended(film, entry, None)
        self.book.leaves(film.candidate)
        self._tell_deadline(film)

    @property
    def farm(self) -> DeviceFarm | None:
        """Its devices while it renders; None before and after."""
        return self._farm

    def drain(self) -> None:
        """Begin no more takes. Films that are complete are made; then `run` raises Drained."""
        with self._joining:
            self._is_draining = True
            if self._scheduler is not None:
                self._scheduler.drain()

    def move_up(self, film: FilmTonight) -> None:
        """Let a film have the next device that becomes free."""
        with self._joining:
            self._first = (film.slug, *(slug for slug in self._first if slug != film.slug))
            if self._scheduler is not None:
                self._scheduler.follow(night_policy(self._films, self._first))

    # Beginning

    def _begun(
        self, candidates: Sequence[Candidate], runs: ExitStack
    ) -> tuple[tuple[FilmTonight, ...], tuple[Device, ...]]:
        """The films that can be rendered. The others have failed, each on its own."""
        films: list[FilmTonight] = []
        devices: tuple[Device, ...] = ()
        sound = [candidate.session for candidate in candidates if candidate.mistake is None]
        for candidate in candidates:
            if candidate.mistake is not None:
                self.attempting.cannot_begin(self.book.entry(candidate.file))
                continue
            try:
                session = candidate.session
                devices = devices or (
                    *farm_devices(session.settings, session.backend.device_kinds),
                    *devices_elsewhere(session.settings, (each.plan for each in sound)),
                )
                begun = partial(begin_film, candidate, devices, runs, self.show.say)
                films.append(begun_when_there_is_space(candidate, begun, self._tell))
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001 - the outcome of this film; the others are rendered
                self._cannot_begin(candidate, error)
            else:
                self.book.film_begins(films[-1])
        return tuple(films), devices

    def _cannot_begin(self, candidate: Candidate, error: Exception) -> None:
        _log_defect(candidate.name, error)
        entry = self.book.film_fails(candidate.file, error)
        self.show.film_ended(entry)
        self.attempting.cannot_begin(entry)

    # Rendering

    def _render(self, films: Sequence[FilmTonight], devices: Sequence[Device], finishing: Finishing) -> None:
        orders = [order for film in films for order in film.orders]
        self._films_by_order = {order: film for film in films for order in film.orders}
        self._finishing = finishing
        self._times = times = {key: time for film in films for key, time in film.before.times.items()}
        settings = machine_settings()
        last = max(film.finishing_seconds for film in films)
        each = list({(order.store, order.take.key): order for order in orders}.values())  # films may share takes
        expected = expected_run(times, each, devices, settings.groups, settings.gpu_hour_price, last)
        self.show.rendering(each, devices, expected)
        if not orders:
            self.attempting.begin(films, None)
            return
        space = space_terms(lambda: tuple(self._not_made), self.until, self._tell)
        memory = MemoryTerms(self._tell, space.is_over)
        with (
            ForeignUse(devices, self._tell) as foreign,
            open_farm(
                settings,
                devices,
                self.home,
                FarmSettings(watch=self.book.attempts, blocked_by=foreign.of, space=space, memory=memory),
            ) as farm,
        ):
            finishing.lending = farm.lending
            terms = RunTerms(
                policy=night_policy(films),
                estimates=LearntSeconds(times, devices[0].kind),
                deadline=night_deadline(films, self.until),
                follow_up=self._follow_up,
                held_by=held_in(Store(self.home)),
                attempts=partial(Attempts, waits_for_space=True),
            )
            scheduler = Scheduler(orders, farm, terms)
            with self._joining:
                self._scheduler, self._farm = scheduler, farm
                if self._is_draining:
                    scheduler.drain()
            self.attempting.begin(films, scheduler)
            for film in films:
                if film.is_complete:
                    finishing.give(film)

            def finish(order: RenderOrder) -> None:
                film = self._films_by_order[order]
                self.attempting.finish(film, order, scheduler, lambda event: self._hear(order, event))

            try:
                scheduler.run(finish)
            finally:
                self._farm = None

    def _follow_up(self, order: RenderOrder, outcome: Outcome) -> FollowUp:
        """What follows from an outcome. If it is the last of its film, the film is made."""
        film = self._films_by_order[order]
        if film in self._left:
            return FollowUp()
        try:
            follow_up = film.retaking.follow_up(order, outcome)
        except Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - it costs retakes, not the night
            _log_defect(film.slug, error)
            follow_up = FollowUp()
        self._films_by_order |= dict.fromkeys(follow_up.add, film)
        self._times.update(film.run.before.times)
        is_last = film.ended(order, outcome)
        self.book.take_ends(film)
        if is_last and self._finishing is not None:
            self._finish_film(film, self._finishing)
        return follow_up

    def _tell(self, sentence: str) -> None:
        """Show it, and keep it for the morning."""
        self.show.say(sentence)
        self.book.message(sentence)

    def _hear(self, order: RenderOrder, event: Event) -> None:
        try:
            with self._telling:
                self.show.event(order, event)
        except Exception as error:  # noqa: BLE001 - what cannot be shown stops no take
            _log_defect(order.film, error)

    # Finishing

    def _finish_film(self, film: FilmTonight, finishing: Finishing) -> None:
        """Make a film of what exists; unless time was up before its first take, and an older version is there."""
        if film in self._left or (self._is_draining and film.unrendered):
            return
        if film.had_no_time and film.run.store.films.latest(film.slug) is not None:
            self._film_ended(film, None)
        else:
            finishing.give(film)

    def _film_ended(self, film: FilmTonight, result: Made | BaseException | None) -> None:
        if isinstance(result, BaseException):
            _log_defect(film.slug, result)
        entry = self.book.film_ends(film, result)
        self.show.film_ended(entry)
        self.attempting.film_ended(film, entry, result.version if isinstance(result, Made) else None)
        self._tell_deadline(film)

    def _tell_deadline(self, ended: FilmTonight) -> None:
        """One film less has to be finished before the window ends."""
        with self._telling:
            self._not_made.discard(ended)
            left = tuple(self._not_made)
        if self._scheduler is not None and self.until is not None:
            self._scheduler.end_by(night_deadline(left, self.until))


def _log_defect(film: str, error: BaseException) -> None:
    if not isinstance(error, WanRenderError):
        _log.error("%s: a defect", film, exc_info=error)
