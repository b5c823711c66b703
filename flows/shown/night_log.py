"""A night in the log of its run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from flows.shown.progress import FilmProgress
from wan_render.errors import WanRenderError
from wan_render.farm.attempt_events import AttemptFailed, Ended, Event
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_record import FilmEntry, FilmState
from wan_render.night.night_request import Candidate
from wan_render.night.night_summary import film_line
from wan_render.production.failures import OutOfTime
from wan_render.production.film_stages import FilmStage
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.session.countdown import Expected
from wan_render.session.wording import counted, lasting, ranged

if TYPE_CHECKING:
    Log = logging.Logger | logging.LoggerAdapter[logging.Logger]


class NightLog:
    """Logs a night. log: the run's, which knows its run in every thread. publish: begins to publish the progress of
    these orders."""

    def __init__(self, log: Log, publish: Callable[[Sequence[RenderOrder], Expected], FilmProgress]) -> None:
        self._log, self._publish = log, publish
        self._progress: FilmProgress | None = None
        self._said = timedelta.max

    def say(self, text: str) -> None:
        """A warning."""
        self._log.warning("%s", text)

    def evening(self, films: Sequence[Candidate]) -> None:
        """What is planned, and the mistakes of broken storyboards."""
        for opening in dict.fromkeys(film.opening for film in films if film.opening):
            self._log.info("%s", opening)
        for film in films:
            if film.mistake is None:
                self._log.info("%s: %s", film.name, film.forecast)
            else:
                self._log.error("%s: %s", film.name, film.mistake)
            for warning in film.warnings:
                self._log.warning("%s: %s", film.name, warning)

    def countdown(self, left: timedelta) -> None:
        """Once an hour."""
        if self._said - left >= timedelta(hours=1):
            self._said = left
            self._log.info("begins in %s", lasting(left.total_seconds()))

    def rendering(self, orders: Sequence[RenderOrder], devices: Sequence[Device], expected: Expected) -> None:
        """How much is to be rendered."""
        takes, on = counted(len(orders), "take"), counted(len(devices), "device")
        time = ranged(expected.takes, *expected.spread.around(expected.takes))
        self._log.info("rendering %s on %s: about %s%s", takes, on, time, f"; {expected.cost}" if expected.cost else "")
        if orders:
            self._progress = self._publish(orders, expected)

    def event(self, order: RenderOrder, event: Event) -> None:
        """Failed attempts, and the progress of the night. The rest is in the tasks."""
        if self._progress is not None:
            self._progress.hear(order, event)
        name = f"{order.film} {order.shot} take {order.number}"
        match event:
            case AttemptFailed(attempt, error, verdict):
                self._log.warning("%s: attempt %d failed: %s; %s", name, attempt, error, verdict.value)
            case Ended(outcome) if isinstance(outcome, WanRenderError):
                self._log.warning("%s: not rendered: %s", name, outcome)
            case Ended(OutOfTime(was_aborted=True) as outcome):
                self._log.warning("%s: %s", name, outcome.words)

    def finishing(self, film: FilmTonight, stage: FilmStage) -> None:
        """Nothing to log."""

    def film_ended(self, film: FilmEntry) -> None:
        """How it ended."""
        is_whole = film.state in (FilmState.DONE, FilmState.UNCHANGED)
        self._log.log(logging.INFO if is_whole else logging.WARNING, "%s", film_line(film))
