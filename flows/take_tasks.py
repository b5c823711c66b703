"""The takes of a film as tasks: the run's timeline is then a chart of the devices."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.progress import Bar
from wan_render.errors import Stopped, WanRenderError
from wan_render.farm import Attempts, Farm, Outcome, Verdict, WorkClock, lanes_of, not_tried
from wan_render.printable import logger
from wan_render.production import Precedence, RenderOrder, Run
from wan_render.render_values import Phase, Progress
from wan_render.session.wording import lasting
from wan_render.status import TakeStatus

ATTEMPTS = 3
"""At one take, the first included."""

RETRY_SECONDS = 2
"""Short: a task that waits to try again cannot be cancelled."""

SPARE_THREADS = 2
"""More than there are devices, so that a device which becomes free finds its next take waiting."""

TOLD_SECONDS = 1.0
"""A shorter wait is not told."""

_log = logger(__name__)

_Place = tuple[str, int]
"""A take's shot and number."""

_Threads = ThreadPoolTaskRunner[Any]


@dataclass
class TakeTasks:
    """What the tasks of one run share: orders become outcomes. Safe for several threads, each has its own order."""

    farm: Farm
    precedence: Precedence = field(default_factory=lambda: Precedence(()))
    attempts: Attempts = field(default_factory=lambda: Attempts(limit=ATTEMPTS))
    outcomes: dict[RenderOrder, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    _ending: threading.Lock = field(default_factory=threading.Lock)

    def render(self, order: RenderOrder) -> State[None]:
        """One attempt, once the takes that this one needs have ended. Raises only what is worth another one."""
        self.precedence.wait(order)
        if lacking := self.precedence.unmet(order):
            return self._failed(order, lacking)
        if cause := self.attempts.stopped_by:
            return self._failed(order, not_tried(order.shot, cause))
        name = f"{order.shot} take {order.number}"
        bar, clock = Bar(name), WorkClock()
        phases: set[Phase] = set()

        def heard(progress: Progress) -> None:
            if progress.phase is Phase.WAITING and Phase.WAITING not in phases:
                _log.info("%s waits: another run renders it, or devices of its group are not ready", name)
            phases.add(progress.phase)
            clock.hear(progress.phase)
            bar.show(progress.done, progress.total, progress.phase)

        try:
            clip = self.farm.render(order, heard)
        except Stopped as error:
            self._ended(order, error)
            return Cancelled(message=str(error))
        except WanRenderError as error:
            if self.attempts.failed(order.take.key, error) is Verdict.AGAIN:
                raise
            return self._failed(order, error)
        bar.end()
        clock.stop()
        self.attempts.finished(order.take.key)
        self._ended(order, clip)
        waited = f" after {lasting(clock.waiting)} of waiting" if clock.waiting >= TOLD_SECONDS else ""
        if Phase.WRITING not in phases:
            return Completed(name="Found", message=f"another run rendered it{waited and f'; found{waited}'}")
        self.seconds[order.take.key] = clock.work
        return Completed(message=f"rendered in {lasting(clock.work)}{waited} (was: {order.why})")

    def _failed(self, order: RenderOrder, error: WanRenderError) -> State[None]:
        self._ended(order, error)
        return Failed(message=str(error))

    def _ended(self, order: RenderOrder, outcome: Outcome) -> None:
        self.outcomes[order] = outcome
        with self._ending:  # the farm hears of one end after the other
            self.precedence.ended(order, outcome)
            self.farm.expect(self.precedence.remaining)


def run_take_tasks(run: Run, night: TakeTasks) -> None:
    """A task for every planned take, those that are there first; returns when the last has ended.

    Raises what a task raised that is no failure of a take: a defect.
    """
    orders = {_place(order): order for order in run.orders}
    others = {place: take for place, take in _planned(run).items() if place not in orders}
    take: Task[Any, Any] = _task(orders, lambda place: _instead(others[place], run), night)
    night.farm.expect(run.orders)
    with ExitStack() as lanes:
        threads = threads_of(run.orders, night.farm, lanes)
        futures: dict[_Place, PrefectFuture[Any]] = {
            place: threads[orders.get(place)].submit(take, {"shot": place[0], "number": place[1]})
            for place in (*others, *orders)
        }
        try:
            wait(list(futures.values()))
        except BaseException:
            night.precedence.stop()
            night.farm.stop()  # before the threads are waited for
            raise
    for place, order in orders.items():
        if order not in night.outcomes:
            futures[place].result()


def threads_of(orders: Sequence[RenderOrder], farm: Farm, lanes: ExitStack) -> Mapping[RenderOrder | None, _Threads]:
    """Those of each order's lane; under None, for what is there already."""
    found: dict[RenderOrder | None, _Threads] = {None: _entered(len(farm.devices), lanes)}
    for lane in lanes_of(orders, farm.devices):
        found |= dict.fromkeys(lane.orders, _entered(lane.devices, lanes))
    return found


def _entered(devices: int, lanes: ExitStack) -> _Threads:
    threads: _Threads = ThreadPoolTaskRunner(max_workers=devices + SPARE_THREADS)
    return lanes.enter_context(threads)


def _task(
    orders: Mapping[_Place, RenderOrder], instead: Callable[[_Place], State[None]], night: TakeTasks
) -> Task[[str, int], State[None]]:
    @task(
        name="take",
        task_run_name="{shot} take {number}",
        cache_policy=NO_CACHE,  # it knows no keyframe's bytes; the store does
        persist_result=False,
        retries=ATTEMPTS - 1,
        retry_delay_seconds=RETRY_SECONDS,
        retry_condition_fn=_is_worth_retrying,
    )
    def take(shot: str, number: int) -> State[None]:
        order = orders.get((shot, number))
        return instead((shot, number)) if order is None else night.render(order)

    return take


def _is_worth_retrying(_task: object, _run: TaskRun, state: State[object]) -> bool:
    return isinstance(state.data, WanRenderError)


def _planned(run: Run) -> dict[_Place, TakeStatus]:
    return {(shot.id, take.number): take for shot in run.before.shots for take in shot.takes}


def _instead(take: TakeStatus, run: Run) -> State[None]:
    """What a take comes to that no order is for."""
    if take.clip is not None:
        return Completed(name="Reused", message=take.why or "it was there")
    for order in run.orders:
        if order.take.key == take.key:
            return Completed(name="Shared", message=f"the same take as {order.shot} take {order.number}")
    return Completed(name="Skipped", message=f"not asked for: {take.why}")


def _place(order: RenderOrder) -> _Place:
    return order.shot, order.number
