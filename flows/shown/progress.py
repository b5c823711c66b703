"""How far a film or a night is, and when it will be there: one progress artifact of its run."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextvars import copy_context
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, cast
from uuid import UUID

import httpx
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.exceptions import PrefectException

from wan_render.farm.attempt_events import Ended, Event
from wan_render.production.film_stages import FilmStage
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Progress
from wan_render.session.countdown import Countdown, Expected, RunCountdown
from wan_render.session.wording import LONGEST_SECONDS, counted, lasting

SECONDS = 3.0
"""It is not written more often: each time is an event that whoever watches sees go by. A shorter film has none. A night
tells at once how much there is to render."""


class FilmProgress:
    """Publishes the progress of a run; a context, for the run's own thread. What hears may be any thread.

    A thread of its own writes it: a server that is away costs the progress, and delays no take.
    """

    def __init__(self, orders: Sequence[RenderOrder], expected: Expected, *, at_once: bool = False) -> None:
        self._takes, self._film = RunCountdown(orders, expected), Countdown(expected.film)
        self._orders, self._ended = len(orders), set[str]()
        self._cost = f"; {expected.cost} in all" if expected.cost else ""
        self._began, self._at_once = time.monotonic(), at_once
        self._stage: FilmStage | None = None
        self._artifact: UUID | None = None
        self._changing, self._over = threading.Lock(), threading.Event()

    def __enter__(self) -> Self:
        context = copy_context()  # the run's: in a task's, the artifact would be the task's
        self._writer = threading.Thread(target=context.run, args=(self._write_until_over,), name="tells the progress")
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._writer.join()
        if self._artifact is not None:
            done, words = self.shown()
            self._write(done if error is not None else 1.0, words if error is not None else "finished")

    def hear(self, order: RenderOrder, event: Event) -> None:
        """An event of a take."""
        with self._changing:
            match event:
                case Progress():
                    self._takes.hear(order, event)
                case Ended():
                    self._takes.ended(order)
                    self._ended.add(order.take.key)

    def finishing(self, stage: FilmStage) -> None:
        """The film is being made of its clips."""
        with self._changing:
            self._stage = stage
            self._film.reached(stage.share)

    def shown(self) -> tuple[float, str]:
        """The share of the time that has passed, from 0 to 1; what is done, and when the rest will be."""
        with self._changing:
            if self._stage is None:
                ended = len(self._ended)
                what = f"{ended} of {counted(max(ended, self._orders), 'take')}"
                left, words = self._takes.seconds, self._takes.in_words
            else:
                what = f"the {self._stage.reached}"
                left, words = self._film.seconds, lasting(self._film.seconds)
        passed = time.monotonic() - self._began
        until = datetime.now().astimezone() + timedelta(seconds=min(left, LONGEST_SECONDS))
        return passed / max(passed + left, 1e-9), f"{what}; about {words} left, until {until:%a %H:%M}{self._cost}"

    def _write_until_over(self) -> None:
        if self._at_once:
            self._write(*self.shown())
        while not self._over.wait(SECONDS):
            self._write(*self.shown())

    def _write(self, share: float, words: str) -> None:
        percent = round(100 * share, 1)
        try:
            if self._artifact is None:
                self._artifact = cast("UUID", create_progress_artifact(percent, description=words))
            else:
                update_progress_artifact(self._artifact, percent, words)
        except (httpx.HTTPError, PrefectException):
            pass  # it is written again in a moment
