"""One film of a night: what is rendered for it, and what its version shows when time is up."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from wan_render.farm.device_finisher import DeviceFinisher
from wan_render.farm.device_lending import DeviceLending
from wan_render.night.night_record import CountedTwice
from wan_render.night.night_request import Candidate
from wan_render.night.window_work import WindowOver, WorkUntil, without_networks
from wan_render.production.failures import Outcome, OutOfTime, failures
from wan_render.production.film_change import with_film_change
from wan_render.production.film_stages import OnStage
from wan_render.production.film_warnings import warnings_of
from wan_render.production.finish import finish
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run, begin
from wan_render.production.shown_takes import best_existing, with_shown_takes
from wan_render.render_values import Device
from wan_render.session.retaking import Retaking
from wan_render.session.shot_selection import selected
from wan_render.status import FilmStatus, ShotStatus, film_seconds
from wan_render.store import Clip, FilmVersion

WITHOUT_NETWORKS = "the window ended before it was upscaled and retimed by networks; the next run goes on from there"


@dataclass(eq=False)
class FilmTonight:
    """A film whose run has begun. Thread-safe.

    retaking: its run, which changes when takes fail their checks. before: the status at the beginning. warnings: in
    sentences. outcomes: of its orders that have ended.
    """

    candidate: Candidate
    retaking: Retaking
    before: FilmStatus
    warnings: tuple[str, ...]
    outcomes: dict[RenderOrder, Outcome] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def run(self) -> Run:
        """The run as it is planned now."""
        return self.retaking.run

    @property
    def slug(self) -> str:
        """Its name in the outputs folder."""
        return self.run.plan.slug

    @property
    def priority(self) -> int:
        """Films with a higher one come first."""
        return self.candidate.priority

    @property
    def orders(self) -> tuple[RenderOrder, ...]:
        """What is to be rendered for it."""
        return self.run.orders

    @property
    def finishing_seconds(self) -> float:
        """Expected seconds from its last take to the finished film. 0 if nothing has to be made."""
        return film_seconds(self.run.plan) if self.orders else self.before.film_seconds

    def ended(self, order: RenderOrder, outcome: Outcome) -> bool:
        """Note an outcome. Returns True for the last one."""
        with self._lock:
            self.outcomes[order] = outcome
            return self._is_complete

    @property
    def is_complete(self) -> bool:
        """Whether every order has ended."""
        with self._lock:
            return self._is_complete

    @property
    def _is_complete(self) -> bool:
        ended = {order.take.key for order in self.outcomes}
        return all(order.take.key in ended for order in self.orders)

    @property
    def unrendered(self) -> tuple[RenderOrder, ...]:
        """The orders whose take is still missing: failed, or not ended."""
        with self._lock:
            rendered = {order.take.key for order, outcome in self.outcomes.items() if isinstance(outcome, Clip)}
        return tuple(order for order in self.orders if order.take.key not in rendered)

    @property
    def seconds_by_take(self) -> Mapping[tuple[Path, str], float]:
        """Expected seconds of devices for each of its takes, by store and key."""
        root, times = self.run.store.root, self.run.before.times
        return {(root, order.take.key): times[order.take.key].seconds for order in self.orders}

    @property
    def rendered(self) -> int:
        """How many of its takes this night rendered or found in the end."""
        return len(self.orders) - len(self.unrendered)

    @property
    def seconds_left(self) -> float:
        """Expected seconds of devices for the takes that are missing."""
        return sum(self.run.before.times[order.take.key].seconds for order in self.unrendered)

    @property
    def had_no_time(self) -> bool:
        """Whether there was no time for any of its takes: none was rendered, none failed."""
        with self._lock:
            return bool(self.outcomes) and all(isinstance(each, OutOfTime) for each in self.outcomes.values())

    def make(
        self,
        progress: OnStage,
        waiting: Callable[[str], None],
        lending: DeviceLending | None = None,
        until: datetime | None = None,
    ) -> Made:
        """Make the film of what exists. lending: of the farm that is at work. Raises MachineError if no film is made.

        until: when the window ends. Networks that upscale or retime stop then; the film is made without them, and the
        next run makes it with them.
        """
        with self._lock:
            reasons = failures(self.outcomes)
        run, notes = with_substitutes(self.run)
        made = partial(finish, failures=reasons, progress=progress, waiting=waiting)
        try:
            with DeviceFinisher(run.store.root, waiting, lending) as device:
                version, put_off = made(run, work=WorkUntil(device, until)), ""
        except WindowOver:
            waiting(f"{self.slug}: {WITHOUT_NETWORKS}")
            version, put_off = made(replace(run, plan=without_networks(run.plan))), WITHOUT_NETWORKS
        return Made(version, notes, put_off)


@dataclass(frozen=True)
class Made:
    """A finished film. notes: shot id → which take it shows instead of the circled one. put_off: what the next run
    adds, in a sentence; "" for nothing."""

    version: FilmVersion
    notes: Mapping[str, str]
    put_off: str = ""


def begin_film(
    candidate: Candidate, devices: Sequence[Device], stack: ExitStack, say: Callable[[str], None]
) -> FilmTonight:
    """Begin the run of a film; the stack ends it. Raises the errors of `begin`."""
    session = candidate.session.made_ready(say)
    plan, store = session.plan_to_render, session.store
    only = selected(plan, candidate.only) if candidate.only else None
    run = stack.enter_context(begin(plan, session.backend, store, only=only, devices=devices, waiting=say))
    root = store.root.absolute()
    run = replace(run, orders=tuple(replace(order, store=root) for order in run.orders))
    candidate = replace(candidate, session=session)
    return FilmTonight(candidate, Retaking(run, session.planned_again), with_film_change(run), warnings_of(run))


def counted_twice(films: Sequence[FilmTonight]) -> CountedTwice:
    """The takes that these films share: of n films, n - 1 counted each of them too often."""
    seen: set[tuple[Path, str]] = set()
    rendered = left = 0
    seconds = 0.0
    for film in films:
        missing = {order.take.key for order in film.unrendered}
        for place, expected in film.seconds_by_take.items():
            is_missing = place[1] in missing
            if place in seen:
                rendered, left = rendered + (not is_missing), left + is_missing
                seconds += expected if is_missing else 0.0
            seen.add(place)
    return CountedTwice(rendered, left, seconds / 3600)


def with_substitutes(run: Run) -> tuple[Run, Mapping[str, str]]:
    """The run, with an existing take chosen for every shot whose chosen take is missing, by the rule for films; and
    what was chosen, by the shot's id."""
    run = with_shown_takes(run)
    notes = dict(_substituted(run))
    if not notes:
        return run, {}
    shots = tuple(replace(shot, chosen=_substitute(run, shot)) for shot in run.before.shots)
    return replace(run, before=replace(run.before, shots=shots)), notes


def _substituted(run: Run) -> Iterator[tuple[str, str]]:
    for shot in run.before.shots:
        key = _substitute(run, shot)
        if key != shot.chosen:
            numbers = {take.key: take.number for take in shot.takes}
            yield (
                shot.id,
                f"take {numbers[key]} is shown, because take {numbers[shot.chosen]} was not rendered",
            )


def _substitute(run: Run, shot: ShotStatus) -> str:
    """Key of the take that the film shows: the chosen one if it exists, else the best that does."""
    if not shot.chosen or run.store.find(shot.chosen) is not None:
        return shot.chosen
    return best_existing(run, shot)
