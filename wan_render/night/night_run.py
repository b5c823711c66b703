"""The night itself: films begin, their takes are rendered on one farm, and each film is made when its last take has
ended."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from wan_render.devices import local_devices
from wan_render.errors import Stopped, WanRenderError
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.local import LocalFarm
from wan_render.farm.scheduler import Ended, Event, Scheduler
from wan_render.night.film_tonight import FilmTonight, Made, begin_film
from wan_render.night.finishing import Finishing
from wan_render.night.night_book import NightBook
from wan_render.night.night_record import FilmEntry
from wan_render.night.night_request import Candidate
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device

_log = logger(__name__)


class NightShow(Protocol):
    """Shows a night. Called from several threads."""

    def say(self, text: str) -> None:
        """One sentence."""
        ...

    def rendering(self, films: Sequence[FilmTonight], devices: Sequence[Device]) -> None:
        """These films are rendered on these devices."""
        ...

    def event(self, order: RenderOrder, event: Event) -> None:
        """An event of a take."""
        ...

    def finishing(self, film: FilmTonight, done: int, total: int) -> None:
        """A film is being encoded: frames done, and their total."""
        ...

    def film_ended(self, film: FilmEntry) -> None:
        """A film is made, or failed."""
        ...


class Attempting(Protocol):
    """Who makes the attempts at an order: the terminal in a loop, the flow in a Prefect task."""

    def films(self, films: Sequence[FilmTonight]) -> None:
        """These films are about to be rendered."""
        ...

    def finish(
        self, film: FilmTonight, order: RenderOrder, scheduler: Scheduler, tell: Callable[[Event], None]
    ) -> None:
        """Call `scheduler.attempt` until the order has ended."""
        ...

    def film_ended(self, film: FilmTonight, entry: FilmEntry) -> None:
        """A film is made, or failed."""
        ...


class Loop:
    """Attempting, in the scheduler's own threads."""

    def films(self, films: Sequence[FilmTonight]) -> None:
        """Nothing to prepare."""

    def finish(
        self,
        film: FilmTonight,  # noqa: ARG002 - part of the seam
        order: RenderOrder,
        scheduler: Scheduler,
        tell: Callable[[Event], None],
    ) -> None:
        """Attempt until it has ended."""
        while not isinstance(scheduler.attempt(order, tell), Ended):
            pass

    def film_ended(self, film: FilmTonight, entry: FilmEntry) -> None:
        """Nothing to clean up."""


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
    _owners: dict[tuple[Path, str], list[FilmTonight]] = field(default_factory=dict)
    _telling: threading.Lock = field(default_factory=threading.Lock)

    def run(self, candidates: Sequence[Candidate]) -> None:
        """Render and finish; returns when every film has ended. Raises Stopped and what else stops the farm. Films that
        are not made by then keep their takes."""
        with ExitStack() as runs:
            films, devices = self._begun(candidates, runs)
            if not films:
                return
            self.book.devices(devices)
            self.show.rendering(films, devices)
            self.attempting.films(films)
            finishing = Finishing(self._film_ended, self.show.finishing, self.show.say)
            try:
                for film in films:
                    if film.is_complete:
                        finishing.give(film, "")
                self._render(films, devices, finishing)
                for film in films:
                    self._give_rest(film, finishing)
            except BaseException:
                finishing.stop()
                raise
            finishing.wait()

    def _begun(
        self, candidates: Sequence[Candidate], runs: ExitStack
    ) -> tuple[tuple[FilmTonight, ...], tuple[Device, ...]]:
        """The films that can be rendered. The others have failed, each on its own."""
        films: list[FilmTonight] = []
        devices: tuple[Device, ...] = ()
        for candidate in candidates:
            if candidate.mistake is not None:
                continue
            try:
                devices = devices or self._devices(candidate)
                films.append(begin_film(candidate, devices, runs, self.show.say))
            except Stopped:
                raise
            except Exception as error:  # noqa: BLE001 - the outcome of this film; the others are rendered
                self._cannot_begin(candidate, error)
            else:
                self.book.film_begins(films[-1])
        return tuple(films), devices

    def _devices(self, candidate: Candidate) -> tuple[Device, ...]:
        session = candidate.session
        return local_devices(session.settings, session.backend.device_kinds)

    def _cannot_begin(self, candidate: Candidate, error: Exception) -> None:
        if not isinstance(error, WanRenderError):
            _log.error("%s: a defect", candidate.name, exc_info=error)
        self.show.film_ended(self.book.film_fails(candidate.file, error))

    def _render(self, films: Sequence[FilmTonight], devices: Sequence[Device], finishing: Finishing) -> None:
        orders = self._orders(films)
        if not orders:
            return
        settings = FarmSettings(watch=self.book)
        with LocalFarm(devices, self.home, settings) as farm:
            scheduler = Scheduler(orders, farm)

            def finish(order: RenderOrder) -> None:
                owners = self._owners[_place(order)]

                def tell(event: Event) -> None:
                    self._hear(owners, order, event, finishing)

                self.attempting.finish(owners[0], order, scheduler, tell)

            scheduler.run(finish)

    def _orders(self, films: Sequence[FilmTonight]) -> list[RenderOrder]:
        """Every take once, also if several films want it."""
        orders: list[RenderOrder] = []
        for film in films:
            for order in film.orders:
                owners = self._owners.setdefault(_place(order), [])
                if not owners:
                    orders.append(order)
                owners.append(film)
        return orders

    def _hear(self, owners: Sequence[FilmTonight], order: RenderOrder, event: Event, finishing: Finishing) -> None:
        with self._telling:
            self.show.event(order, event)
        if not isinstance(event, Ended):
            return
        for film in owners:
            is_last = film.ended(order, event.outcome)
            self.book.take_ends(film)
            if is_last:
                finishing.give(film, "")

    def _give_rest(self, film: FilmTonight, finishing: Finishing) -> None:
        """Time is up for a film. It is made of what exists, unless nothing of it was rendered and it has a version."""
        if film.is_complete:
            finishing.give(film, "")
        elif film.rendered == 0 and film.run.store.films.latest(film.slug) is not None:
            self._film_ended(film, None)
        else:
            until = f" at {self.until:%H:%M}" if self.until is not None else ""
            finishing.give(film, f"not rendered: the night ended{until}; the next one renders it")

    def _film_ended(self, film: FilmTonight, result: Made | BaseException | None) -> None:
        if isinstance(result, BaseException) and not isinstance(result, WanRenderError):
            _log.error("%s: a defect", film.slug, exc_info=result)
        entry = self.book.film_ends(film, result)
        self.show.film_ended(entry)
        self.attempting.film_ended(film, entry)


def _place(order: RenderOrder) -> tuple[Path, str]:
    """The store and the key of a take."""
    if order.store is None:
        raise ValueError(f"{order.shot} has no store")
    return order.store, order.take.key
