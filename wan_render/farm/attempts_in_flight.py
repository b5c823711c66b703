"""The attempts of a farm that have not ended, and how some of them are aborted."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from wan_render.farm.running_attempt import RunningAttempt
from wan_render.production.render_order import RenderOrder


class AttemptsInFlight:
    """Attempts by order. Adding and removing is atomic; for `abort` the farm holds its lock."""

    def __init__(self) -> None:
        self._attempts: dict[RenderOrder, RunningAttempt] = {}

    @contextmanager
    def begun(self, order: RenderOrder, attempt: RunningAttempt) -> Iterator[None]:
        """An attempt at an order, while the context lasts."""
        self._attempts[order] = attempt
        try:
            yield
        finally:
            del self._attempts[order]

    def abort(self, orders: Collection[RenderOrder]) -> None:
        """Abort the attempts at these orders, except those whose process still writes a take that goes on."""
        attempts = dict(self._attempts)
        aborted = [attempts.pop(order) for order in orders if order in attempts]
        for attempt in aborted:
            if all(attempt.processes.isdisjoint(other.processes) for other in attempts.values()):
                attempt.abort()
