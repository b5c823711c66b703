"""The seams of a night: who shows it, and who makes the attempts. The terminal and the flow each bring their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

from wan_render.farm.attempt_events import Ended, Event
from wan_render.farm.scheduler import Scheduler
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_record import FilmEntry
from wan_render.night.night_request import Candidate
from wan_render.production.film_stages import FilmStage
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device
from wan_render.session.countdown import Expected
from wan_render.store import FilmVersion


class NightShow(Protocol):
    """Shows a night. Called from several threads."""

    def say(self, text: str) -> None:
        """One sentence."""

    def evening(self, films: Sequence[Candidate]) -> None:
        """The storyboards as they are when the night is scheduled, and again when it starts."""

    def countdown(self, left: timedelta) -> None:
        """The night starts in this time. Called every second."""

    def rendering(self, orders: Sequence[RenderOrder], devices: Sequence[Device], expected: Expected) -> None:
        """These takes are rendered on these devices, those that come first first."""

    def event(self, order: RenderOrder, event: Event) -> None:
        """An event of a take. Called by one thread at a time."""

    def finishing(self, film: FilmTonight, stage: FilmStage) -> None:
        """A film is being made of its clips."""

    def film_ended(self, film: FilmEntry) -> None:
        """A film is made, or failed."""


class Attempting(Protocol):
    """Makes the attempts at orders. Called from several threads."""

    def begin(self, films: Sequence[FilmTonight], scheduler: Scheduler | None) -> None:
        """These films are about to be rendered. scheduler: None if no take is missing."""

    def finish(
        self, film: FilmTonight, order: RenderOrder, scheduler: Scheduler, tell: Callable[[Event], None]
    ) -> None:
        """Call `scheduler.attempt` until the order has ended."""

    def cannot_begin(self, film: FilmEntry) -> None:
        """A film is broken, or failed before its first take."""

    def film_ended(self, film: FilmTonight, entry: FilmEntry, version: FilmVersion | None) -> None:
        """A film has ended. version: None if none was made."""

    def close(self) -> None:
        """The night is over, or was stopped."""


class Loop:
    """Makes the attempts in the scheduler's own threads."""

    def begin(self, films: Sequence[FilmTonight], scheduler: Scheduler | None) -> None:
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

    def cannot_begin(self, film: FilmEntry) -> None:
        """Nothing to do."""

    def film_ended(self, film: FilmTonight, entry: FilmEntry, version: FilmVersion | None) -> None:
        """Nothing to do."""

    def close(self) -> None:
        """Nothing to clean up."""
