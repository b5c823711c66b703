"""All takes of a film on a farm, each to its end: a clip or the error that a slate will show."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count

from wan_render.errors import Stopped, WanRenderError
from wan_render.farm.attempts import Attempts, Verdict, not_tried
from wan_render.farm.farm_contract import Farm
from wan_render.farm.lanes import Lane, lanes_of
from wan_render.production import Outcome, Precedence, RenderOrder
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


def render_all(
    orders: Sequence[RenderOrder], farm: Farm, on_event: OnEvent = lambda *_: None, attempts: Attempts | None = None
) -> Mapping[RenderOrder, Outcome]:
    """Render every order; one outcome for each.

    `on_event` is called from several threads, one call at a time, in the order of each take's events.
    Failed takes raise nothing. Whatever else is raised, here (by a signal's handler) or in `on_event`, stops the farm
    first; so does Stopped, which leaves this function.
    """
    farm.expect(orders)
    night = _Night(Precedence(orders), farm, on_event, attempts or Attempts())
    works = [work for lane in lanes_of(orders, farm.devices) for work in night.works(lane)]
    with ThreadPoolExecutor(max(1, len(works)), "renders") as threads:
        try:
            for thread in as_completed([threads.submit(work) for work in works]):
                thread.result()
        except BaseException:
            night.precedence.stop()
            farm.stop()
            raise
    return night.precedence.outcomes


class _Night:
    """What the threads of one `render_all` share."""

    def __init__(self, precedence: Precedence, farm: Farm, on_event: OnEvent, attempts: Attempts) -> None:
        self.precedence = precedence
        self._farm, self._on_event, self._attempts = farm, on_event, attempts
        self._telling, self._ending = threading.Lock(), threading.Lock()

    def works(self, lane: Lane) -> list[Callable[[], None]]:
        """What so many threads as a lane needs do at once: while one take is written, the next is rendered."""
        turns = threading.Semaphore(lane.devices)
        return [partial(self._work, lane, turns)] * min(len(lane.orders), 2 * lane.devices)

    def _work(self, lane: Lane, turns: threading.Semaphore) -> None:
        """Take orders of the lane that can be rendered until none is left."""
        while (order := self.precedence.next(lane.orders.__contains__)) is not None:
            outcome = self._outcome(order, turns)
            self._tell(order, Ended(outcome))
            with self._ending:  # the farm hears of one end after the other
                self.precedence.ended(order, outcome)
                self._farm.expect(self.precedence.remaining)

    def _outcome(self, order: RenderOrder, turns: threading.Semaphore) -> Outcome:
        if lacking := self.precedence.unmet(order):
            return lacking
        for attempt in count(1):
            with ExitStack() as turn:
                turn.enter_context(turns)
                if attempt == 1 and (cause := self._attempts.stopped_by):
                    return not_tried(order.shot, cause)
                self._tell(order, Began(attempt))
                outcome, verdict = self._attempt(order, attempt, turn)
            if verdict is not Verdict.AGAIN:
                return outcome
        raise AssertionError("unreachable: count does not end")

    def _attempt(self, order: RenderOrder, attempt: int, turn: ExitStack) -> tuple[Outcome, Verdict | None]:
        """One attempt; from when it is written on, another order has the turn."""

        def heard(progress: Progress) -> None:
            if progress.phase is Phase.WRITING:
                turn.close()
            self._tell(order, progress)

        try:
            clip = self._farm.render(order, heard)
        except Stopped:
            raise
        except WanRenderError as error:
            verdict = self._attempts.failed(order.take.key, error)
            self._tell(order, AttemptFailed(attempt, error, verdict))
            return error, verdict
        self._attempts.finished(order.take.key)
        return clip, None

    def _tell(self, order: RenderOrder, event: Event) -> None:
        with self._telling:
            self._on_event(order, event)
