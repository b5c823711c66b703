"""What happens to a take of a run, as whoever shows the run hears it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wan_render.errors import HeldElsewhereError, WanRenderError
from wan_render.farm.attempts import Verdict
from wan_render.production.failures import Outcome
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Progress


@dataclass(frozen=True)
class Began:
    """An attempt at a take begins. It may still wait for a device. Attempts count from 1."""

    attempt: int


@dataclass(frozen=True)
class Held:
    """Another run renders the take. Its device renders other takes meanwhile. Repeated every second."""

    by: HeldElsewhereError


@dataclass(frozen=True)
class AttemptFailed:
    """An attempt failed; `verdict` says what follows."""

    attempt: int
    error: WanRenderError
    verdict: Verdict


@dataclass(frozen=True)
class Ended:
    """The take has its outcome."""

    outcome: Outcome


Event = Began | Held | Progress | AttemptFailed | Ended
OnEvent = Callable[[RenderOrder, Event], None]
Tell = Callable[[Event], None]


class Beginning:
    """Tells Began before everything else of an attempt. A take that was held elsewhere is found as a rule: it begins
    with its first progress."""

    def __init__(self, attempt: int, tell: Tell) -> None:
        self._attempt, self._tell, self._is_told = attempt, tell, False

    def tell_once(self) -> None:
        """Tell Began, if that was not done."""
        if not self._is_told:
            self._is_told = True
            self._tell(Began(self._attempt))

    def __call__(self, event: Event) -> None:
        """Tell an event."""
        self.tell_once()
        self._tell(event)
