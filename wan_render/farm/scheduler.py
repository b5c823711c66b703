"""Which take is tried next, and what the end of an attempt means: one scheduler for the terminal and for the flow.

`Scheduler.run` hands every order to its caller, in a thread of its own; the caller calls `Scheduler.attempt` until the
order has ended. The terminal does so in a loop (`render_all`), the flow in a Prefect task (flows/take_tasks.py).
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
    """An attempt at a take begins: it may still wait for a device. Counted from 1."""

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
    """Render every order; one outcome for each. Raises as Scheduler.run.

    `on_event` is called from several threads, one call at a time, in the order of each take's events.
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
    """The orders of one run, and what became of them. Safe for several threads.

    An order begins when the takes that it needs have ended and a device is free for it: fewer orders for the same
    devices are being rendered than there are devices. The first such order begins first. While one take is written, the
    next one is rendered. Orders for different devices do not wait for each other.
    """

    def __init__(self, orders: Sequence[RenderOrder], farm: Farm, attempts: Attempts | None = None) -> None:
        """orders: each after those that it needs; what else it needs is in the store."""
        self._farm, self._attempts = farm, attempts or Attempts()
        self._not_begun = list(orders)
        self._not_ended = {order.take.key: order for order in orders}
        self._rendering: set[RenderOrder] = set()
        self._outcomes: dict[RenderOrder, Outcome] = {}
        self._stopped_by: BaseException | None = None
        self._changed = threading.Condition()

    @property
    def outcomes(self) -> Mapping[RenderOrder, Outcome]:
        """Of every order that has ended."""
        with self._changed:
            return dict(self._outcomes)

    def run(self, finish: Callable[[RenderOrder], object]) -> None:
        """Have every order seen to its end; return when the last has ended. Call it once.

        A failed take raises nothing. Anything else that is raised, here (by a signal's handler) or in `finish`,
        stops the farm and is raised here when every thread has ended. So is Stopped, if somebody else stops the farm.
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
        """One attempt at an order that `run` handed out; its last event. After AttemptFailed, attempt it again.

        `tell` hears every event, in this thread. Raises Stopped once the farm is stopped.
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
        """The next order, which begins now; waits until one can. None when all have ended, or everything stopped."""
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
        """How many can render it. If none can, it begins all the same, and the farm raises the error."""
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
        """It keeps no other order waiting any longer."""
        with self._changed:
            self._rendering.discard(order)
            self._changed.notify_all()

    def _fail(self, order: RenderOrder, number: int, error: WanRenderError, tell: Tell) -> AttemptFailed | Ended:
        with self._changed:
            failed = AttemptFailed(number, error, self._attempts.failed(order.take.key, error))
        tell(failed)
        if failed.verdict is not Verdict.AGAIN:
            return self._end(order, error, tell)
        if self._devices(order) > 1:  # it may wait for another device while the one that it failed on is idle
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
        """Nothing more begins, and what is being rendered is given up. `run` raises the first cause."""
        with self._changed:
            self._stopped_by = self._stopped_by or cause
            self._changed.notify_all()
        self._farm.stop()
