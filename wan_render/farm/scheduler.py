"""Which take is tried next, and what the end of an attempt means: one scheduler for the terminal and for the flow.

`Scheduler.run` gives every order to its caller, in a thread of its own. The caller calls `Scheduler.attempt` until the
order has ended. The terminal does so in a loop (`render_all`), the flow in a Prefect task (flows/runs/take_tasks.py).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from wan_render.errors import Stopped, WanRenderError
from wan_render.farm.attempts import Attempts, Verdict
from wan_render.farm.farm_contract import Farm
from wan_render.production.failures import Outcome, unmet_need
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Phase, Progress


@dataclass(frozen=True)
class Began:
    """An attempt at a take begins. It may still wait for a device. Attempts count from 1."""

    attempt: int


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


Event = Began | Progress | AttemptFailed | Ended
OnEvent = Callable[[RenderOrder, Event], None]
Tell = Callable[[Event], None]


def render_all(
    orders: Sequence[RenderOrder], farm: Farm, on_event: OnEvent = lambda *_: None, attempts: Attempts | None = None
) -> Mapping[RenderOrder, Outcome]:
    """Render every order; return an outcome for each. Raises what Scheduler.run raises.

    `on_event` is called from several threads, but never by two at once. A take's events come in order.
    """
    scheduler, telling = Scheduler(orders, farm, attempts), threading.Lock()

    def finish(order: RenderOrder) -> None:
        def tell(event: Event) -> None:
            with telling:
                on_event(order, event)

        while not isinstance(scheduler.attempt(order, tell), Ended):
            pass

    scheduler.run(finish)
    return scheduler.outcomes


class Scheduler:
    """The orders of one run and their outcomes. Thread-safe.

    An order begins when the takes that it needs have ended and one of its devices is free. If several can begin, the
    first one does. The next take is rendered while the last one is written. Orders for different devices do not wait
    for each other.
    """

    def __init__(self, orders: Sequence[RenderOrder], farm: Farm, attempts: Attempts | None = None) -> None:
        """orders: each after those that it needs. Any other take that it needs is in the store."""
        self._farm, self._attempts = farm, attempts or Attempts()
        self._not_begun = list(orders)
        self._not_ended = {order.take.key: order for order in orders}
        self._rendering: set[RenderOrder] = set()
        self._outcomes: dict[RenderOrder, Outcome] = {}
        self._stopped_by: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def outcomes(self) -> Mapping[RenderOrder, Outcome]:
        """The outcome of each order that has ended."""
        with self._changed:
            return dict(self._outcomes)

    def run(self, finish: Callable[[RenderOrder], object]) -> None:
        """Call `finish` for every order, each in a thread; return when the last order has ended. Call it once.

        `finish` calls `attempt` until the order has ended. A failed take raises nothing. Any other exception, here
        (from a signal handler) or in `finish`, stops the farm and is raised here after all threads have ended. So is
        Stopped if somebody else stops the farm.
        """
        self._farm.expect(tuple(self._not_ended.values()))
        with ThreadPoolExecutor(max(1, len(self._not_ended)), "renders") as threads:
            try:
                while (order := self._next()) is not None:
                    threads.submit(self._finish, order, finish)
            except BaseException as cause:
                self._stop(cause)
                raise
        if self._stopped_by is not None:
            raise self._stopped_by

    def attempt(self, order: RenderOrder, tell: Tell) -> AttemptFailed | Ended:
        """Make one attempt at an order that `run` gave out; return its last event. After AttemptFailed, call it again.

        `tell` gets every event, in this thread. Raises Stopped after the farm was stopped.
        """
        with self._changed:
            refusal = unmet_need(order, self._outcomes) or self._attempts.refusal(order)
            number = self._attempts.number(order.take.key)
        if refusal is not None:
            return self._end(order, refusal, tell)
        tell(Began(number))
        try:
            clip = self._farm.render(order, self._heard(order, tell))
        except Stopped as cause:
            self._stop(cause)
            raise
        except WanRenderError as error:
            return self._fail(order, number, error, tell)
        with self._changed:
            self._attempts.finished(order.take.key)
        return self._end(order, clip, tell)

    def _next(self) -> RenderOrder | None:
        """The next order, which begins now. Waits until one can. None when all have ended or the run was stopped."""
        with self._changed:
            while self._not_ended and self._stopped_by is None:
                if (order := self._first_that_can_begin()) is not None:
                    self._not_begun.remove(order)
                    self._rendering.add(order)
                    return order
                self._changed.wait()
            return None

    def _first_that_can_begin(self) -> RenderOrder | None:
        rendering = Counter(order.barred for order in self._rendering)
        busy = {order.barred for order in self._rendering if rendering[order.barred] >= self._devices(order)}
        ready = (order for order in self._not_begun if self._not_ended.keys().isdisjoint(order.needs))
        return next((order for order in ready if order.barred not in busy), None)

    def _devices(self, order: RenderOrder) -> int:
        """How many devices can render it, at least 1. If none can, it begins anyway, and the farm raises the error."""
        return max(1, len(order.able(self._farm.devices)))

    def _finish(self, order: RenderOrder, finish: Callable[[RenderOrder], object]) -> None:
        try:
            finish(order)
            if order.take.key in self._not_ended:
                raise RuntimeError(f"{order.shot} take {order.number} was left without an outcome")
        except BaseException as cause:  # noqa: BLE001 - `run` raises it
            self._stop(cause)

    def _heard(self, order: RenderOrder, tell: Tell) -> Callable[[Progress], None]:
        def heard(progress: Progress) -> None:
            if progress.phase is Phase.WRITING:
                self._leave(order)
            tell(progress)

        return heard

    def _leave(self, order: RenderOrder) -> None:
        """Its device is free for the next order."""
        with self._changed:
            self._rendering.discard(order)
            self._changed.notify_all()

    def _fail(self, order: RenderOrder, number: int, error: WanRenderError, tell: Tell) -> AttemptFailed | Ended:
        with self._changed:
            failed = AttemptFailed(number, error, self._attempts.failed(order.take.key, error))
        tell(failed)
        if failed.verdict is not Verdict.AGAIN:
            return self._end(order, error, tell)
        if self._devices(order) > 1:  # it may wait for another device; the one on which it failed is free
            self._leave(order)
        return failed

    def _end(self, order: RenderOrder, outcome: Outcome, tell: Tell) -> Ended:
        tell(ended := Ended(outcome))
        with self._changed:
            self._outcomes[order] = outcome
            del self._not_ended[order.take.key]
            self._farm.expect(tuple(self._not_ended.values()))
            self._leave(order)
        return ended

    def _stop(self, cause: BaseException) -> None:
        """Begin nothing more and give up what is being rendered. `run` raises the first cause."""
        with self._changed:
            self._stopped_by = self._stopped_by or cause
            self._changed.notify_all()
        self._farm.stop()
