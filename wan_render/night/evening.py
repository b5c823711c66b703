"""What a night will do, worked out in the evening: which films will be done by when, which will not, and what to leave
out so that the rest fits. Nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from math import exp, hypot
from pathlib import Path

from wan_render.estimates import TENTH, Spread, TakeTime, spread
from wan_render.farm.groups.expected_time import KnownTimes
from wan_render.farm.groups.foreseen_groups import ForeseenGroups
from wan_render.farm.ordering.policy import NightPolicy
from wan_render.farm.ordering.simulated_night import Conditions, SimulatedNight, simulate_night
from wan_render.night.night_hours import NightHours
from wan_render.night.night_request import Candidate
from wan_render.night.night_terms import LearntSeconds, deadline_for
from wan_render.production.order import orders
from wan_render.production.render_order import RenderOrder
from wan_render.production.unable_devices import unable_devices
from wan_render.render_values import Device
from wan_render.session.countdown import Expected
from wan_render.session.film_forecast import current_status
from wan_render.session.forecast_text import expected_run
from wan_render.session.plan_devices import PlanDevices, devices_to_time, plan_devices
from wan_render.status import FilmStatus, film_seconds

_Place = tuple[Path | None, str]
"""The store of a take, and its key."""


class Prospect(StrEnum):
    """What becomes of a film in a night.

    DONE: complete, even if the night is slow. LIKELY: complete, unless the night is slow. INCOMPLETE: some takes are
    missing. NOT_STARTED: all are. UNCHANGED: nothing is to be done. BROKEN: the storyboard has mistakes.
    """

    DONE = "done"
    LIKELY = "likely"
    INCOMPLETE = "incomplete"
    NOT_STARTED = "not started"
    UNCHANGED = "unchanged"
    BROKEN = "broken"


@dataclass(frozen=True)
class EveningFilm:
    """A film of the coming night. orders: what is to be rendered for it. status: None if it is broken."""

    candidate: Candidate
    status: FilmStatus | None = None
    orders: tuple[RenderOrder, ...] = ()

    @property
    def finishing_seconds(self) -> float:
        """From its last take to the finished film; 0 if none is made."""
        if self.status is None:
            return 0.0
        return film_seconds(self.candidate.session.plan) if self.orders else self.status.film_seconds

    @cached_property
    def device_seconds(self) -> float:
        """Of all of its takes, on one device."""
        return sum(self.status.times[order.take.key].seconds for order in self.orders) if self.status else 0.0


@dataclass(frozen=True)
class FilmProspect:
    """What becomes of a film. Times are seconds from the beginning of the night.

    done: when it is finished; None if it will not be complete. earliest, latest: the quickest and the slowest of ten
    nights; latest is None if it is not complete in the slowest.
    missing: what there is no time for. at_risk: what there is no time for in the slowest of ten nights.
    """

    film: EveningFilm
    prospect: Prospect
    done: float | None = None
    earliest: float | None = None
    latest: float | None = None
    missing: tuple[RenderOrder, ...] = ()
    at_risk: tuple[RenderOrder, ...] = ()


@dataclass(frozen=True)
class Evening:
    """The answer.

    where:      the devices that the times are for.
    expected, takes: of all films without a window, each take once. is_guessed: whether nothing on such devices is
                comparable to some of them.
    left_out:   what to leave out so that the rest fits.
    times:      of every take, by key.
    """

    hours: NightHours
    devices: tuple[Device, ...]
    where: PlanDevices
    films: tuple[FilmProspect, ...]
    expected: Expected
    takes: int
    is_guessed: bool
    left_out: tuple[RenderOrder, ...]
    times: Mapping[str, TakeTime]

    def seconds(self, some: Collection[RenderOrder]) -> float:
        """Seconds of these takes on one device, each take once."""
        return sum(self.times[key].seconds for key in {order.take.key for order in some})


def evening(candidates: Sequence[Candidate], hours: NightHours) -> Evening:
    """Work out a night of these films, the most important first. At least one of them can be rendered."""
    sound = [film for film in candidates if film.mistake is None]
    where = plan_devices(sound[0].session, [film.session.plan for film in sound[1:]])
    films = [_film(candidate, where) for candidate in candidates]
    wanted = list({_place(order): order for film in films for order in film.orders}.values())
    devices = _devices(where, films)
    times = {key: time for film in films if film.status for key, time in film.status.times.items()}
    settings = sound[0].session.settings
    last = max((film.finishing_seconds for film in films), default=0.0)
    night = _Night(films, devices, hours, times, settings.groups)
    return Evening(
        hours,
        devices,
        where,
        tuple(night.prospects()),
        expected_run(times, wanted, devices, settings.groups, settings.gpu_hour_price, last),
        len(wanted),
        any(times[order.take.key].is_guessed for order in wanted),
        night.to_leave_out(),
        times,
    )


def _film(candidate: Candidate, where: PlanDevices) -> EveningFilm:
    if candidate.mistake is not None:
        return EveningFilm(candidate)
    session = candidate.session
    found = current_status(session, where)
    unable = unable_devices(found.to_render, session.backend, where.devices)
    wanted = orders(session.plan, found, session.backend, None, unable)
    store = session.store.root.absolute()
    return EveningFilm(candidate, found, tuple(_anywhere(replace(order, store=store), where) for order in wanted))


def _anywhere(order: RenderOrder, where: PlanDevices) -> RenderOrder:
    """An order that no device here can render counts as if all could: a warning says so."""
    return order if order.able(where.devices) else replace(order, barred=frozenset())


def _devices(where: PlanDevices, films: Sequence[EveningFilm]) -> tuple[Device, ...]:
    """Those that are here, or one that the times of the first film with takes are for."""
    timed = sorted((film for film in films if film.status is not None), key=lambda film: not film.orders)
    return devices_to_time(where, timed[0].status, timed[0].orders) if timed and timed[0].status else where.devices


class _Night:
    """The night, simulated with usual, quick and slow takes."""

    def __init__(
        self,
        films: Sequence[EveningFilm],
        devices: Sequence[Device],
        hours: NightHours,
        times: Mapping[str, TakeTime],
        groups: str,
    ) -> None:
        self._films, self._devices, self._hours, self._times = films, devices, hours, times
        together = {key: time.together for key, time in times.items()}
        self._groups, self._known = groups, KnownTimes({key: time.seconds for key, time in times.items()}, together)
        self._orders = [order for film in films for order in film.orders]
        self._spread = spread((times[order.take.key] for order in self._orders), len(devices))

    def prospects(self) -> list[FilmProspect]:
        """What becomes of each film."""
        quick, slow = (self._simulated(self._orders, pace) for pace in _quick_and_slow(self._spread))
        return [self._prospect(film, self._usual, quick, slow) for film in self._films]

    @cached_property
    def _usual(self) -> SimulatedNight:
        return self._simulated(self._orders)

    def to_leave_out(self) -> tuple[RenderOrder, ...]:
        """The least important takes, as few as are needed for the others to fit, with the takes that need them."""
        if not self._usual.not_started:
            return ()
        ranked = self._most_important_first()
        fewest, most = 0, len(ranked)
        while fewest < most:
            count = (fewest + most) // 2
            out = self._with_dependents(ranked[len(ranked) - count :])
            if self._simulated([order for order in self._orders if _place(order) not in out]).not_started:
                fewest = count + 1
            else:
                most = count
        out = self._with_dependents(ranked[len(ranked) - fewest :])
        return tuple(order for order in self._orders if _place(order) in out)

    def _most_important_first(self) -> list[_Place]:
        """Every take once: by priority, then those that films show, then by film, then as they are rendered. A take is
        as important as the most important one that needs it."""
        films = {film.candidate.slug: place for place, film in enumerate(self._films)}
        priorities = self._priorities
        ranks: dict[_Place, tuple[int, bool, int, int]] = {}
        for at, order in reversed(list(enumerate(self._orders))):
            rank = (-priorities[order.film], order.spare, films[order.film], at)
            rank = min(rank, ranks.get(_place(order), rank))
            for place in (_place(order), *((order.store, need) for need in order.needs)):
                ranks[place] = min(rank, ranks.get(place, rank))
        known = {_place(order) for order in self._orders}
        return sorted(known, key=lambda place: ranks[place])

    def _with_dependents(self, left_out: Sequence[_Place]) -> set[_Place]:
        """What cannot be rendered without these."""
        out = set(left_out)
        for order in self._orders:  # each after those that it needs
            if any((order.store, need) in out for need in order.needs):
                out.add(_place(order))
        return out

    @property
    def _priorities(self) -> dict[str, int]:
        return {film.candidate.slug: film.candidate.priority for film in self._films}

    def _simulated(self, wanted: Sequence[RenderOrder], pace: float = 1.0) -> SimulatedNight:
        finishing = {film.candidate.slug: film.finishing_seconds for film in self._films if film.status is not None}
        conditions = Conditions(
            devices=[device.name for device in self._devices],
            estimates=LearntSeconds(self._times, self._devices[0].kind),
            policy=NightPolicy(self._priorities),
            deadline=deadline_for(finishing, self._hours.until),
            now=self._hours.start.timestamp(),
            pace=lambda _: pace,
            groups=ForeseenGroups(self._devices, self._groups, self._known) if len(self._devices) > 1 else None,
        )
        return simulate_night(wanted, conditions)

    def _prospect(
        self, film: EveningFilm, usual: SimulatedNight, quick: SimulatedNight, slow: SimulatedNight
    ) -> FilmProspect:
        if film.status is None:
            return FilmProspect(film, Prospect.BROKEN)
        if not film.orders and not film.finishing_seconds:
            return FilmProspect(film, Prospect.UNCHANGED)
        missing, at_risk = (_of_film(film, night.not_started) for night in (usual, slow))
        done, earliest, latest = (_done(film, night) for night in (usual, quick, slow))
        if len(missing) == len(film.orders) and missing:
            prospect = Prospect.NOT_STARTED
        elif missing:
            prospect = Prospect.INCOMPLETE
        else:
            prospect = Prospect.LIKELY if at_risk else Prospect.DONE
        return FilmProspect(film, prospect, done, earliest, latest, missing, at_risk)


def _quick_and_slow(how_far_off: Spread) -> tuple[float, float]:
    """By which factor takes are slower than estimated in the quickest and in the slowest of ten nights."""
    width = TENTH * hypot(how_far_off.noise, how_far_off.doubt)
    return exp(-width), exp(width)


def _of_film(film: EveningFilm, some: Sequence[RenderOrder]) -> tuple[RenderOrder, ...]:
    lost = set(map(id, some))
    return tuple(order for order in film.orders if id(order) in lost)


def _done(film: EveningFilm, night: SimulatedNight) -> float | None:
    """When the film is finished; None if takes are missing."""
    if not film.orders:
        return film.finishing_seconds
    mine = set(map(id, film.orders))
    ends = [take.end for take in night.takes if id(take.order) in mine]
    return max(ends) + film.finishing_seconds if len(ends) == len(mine) else None


def _place(order: RenderOrder) -> _Place:
    return order.store, order.take.key
