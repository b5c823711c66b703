"""The takes of a film as tasks: the run's timeline is then a chart of the devices."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.progress import Bar
from wan_render.cli.wording import lasting
from wan_render.errors import Stopped, WanRenderError
from wan_render.farm import Attempts, Farm, Outcome, Verdict, not_tried
from wan_render.production import RenderOrder, Run
from wan_render.render import Progress
from wan_render.status import TakeStatus

ATTEMPTS = 3
"""At one take, the first included."""

RETRY_SECONDS = 2
"""Short: a task that waits to try again cannot be cancelled."""

SPARE_THREADS = 2
"""More than there are devices, so that a device which becomes free finds its next take waiting."""


@dataclass
class Night:
    """What the tasks of one run share: orders become outcomes. Safe for several threads, each has its own order."""

    farm: Farm
    attempts: Attempts = field(default_factory=lambda: Attempts(limit=ATTEMPTS))
    outcomes: dict[RenderOrder, Outcome] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def render(self, order: RenderOrder) -> State[None]:
        """One attempt. Raises only what is worth another one."""
        if cause := self.attempts.stopped_by:
            return self._failed(order, not_tried(order.shot, cause))
        bar = Bar(f"{order.shot} take {order.number}")
        began = time.monotonic()
        try:
            clip = self.farm.render(order, lambda progress: _show(bar, progress))
        except Stopped as error:
            self.outcomes[order] = error
            return Cancelled(message=str(error))
        except WanRenderError as error:
            if self.attempts.failed(order.take.key, error) is Verdict.AGAIN:
                raise
            return self._failed(order, error)
        bar.end()
        self.attempts.finished(order.take.key)
        self.outcomes[order] = clip
        self.seconds[order.take.key] = time.monotonic() - began
        return Completed(message=f"rendered in {lasting(self.seconds[order.take.key])}: {order.why}")

    def _failed(self, order: RenderOrder, error: WanRenderError) -> State[None]:
        self.outcomes[order] = error
        return Failed(message=str(error))


def render_takes(run: Run, night: Night) -> None:
    """A task for every planned take, those that are there first; returns when the last has ended.

    Raises what a task raised that is no failure of a take: a defect.
    """
    threads: ThreadPoolTaskRunner[State[None]]
    with ThreadPoolTaskRunner(max_workers=len(night.farm.devices) + SPARE_THREADS) as threads:
        reused = [
            threads.submit(_reused, {"shot": shot, "number": take.number, "state": state})
            for shot, take, state in _not_rendered(run)
        ]
        take = _rendering({_place(order): order for order in run.orders}, night)
        rendered = [threads.submit(take, {"shot": each.shot, "number": each.number}) for each in run.orders]
        wait([*reused, *rendered])
        _raise_defects(run, night, rendered)


def _rendering(orders: dict[tuple[str, int], RenderOrder], night: Night) -> Task[[str, int], State[None]]:
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
        return night.render(orders[shot, number])

    return take


@task(name="take", task_run_name="{shot} take {number}", cache_policy=NO_CACHE, persist_result=False)
def _reused(shot: str, number: int, state: State[None]) -> State[None]:  # noqa: ARG001 - they are its name
    return state


def _is_worth_retrying(_task: object, _run: TaskRun, state: State[object]) -> bool:
    return isinstance(state.data, WanRenderError)


def _not_rendered(run: Run) -> Iterator[tuple[str, TakeStatus, State[None]]]:
    """Every planned take that no order is for, with what becomes of it."""
    orders = {order.take.key: order for order in run.orders}
    for shot in run.before.shots:
        for take in shot.takes:
            order = orders.get(take.key)
            if order is not None and _place(order) == (shot.id, take.number):
                continue
            yield shot.id, take, _instead(take, order)


def _instead(take: TakeStatus, order: RenderOrder | None) -> State[None]:
    if take.clip is not None:
        return Completed(name="Reused", message=take.why or "it was there")
    if order is not None:
        return Completed(name="Shared", message=f"the same take as {order.shot} take {order.number}")
    return Completed(name="Skipped", message=f"not asked for: {take.why}")


def _place(order: RenderOrder) -> tuple[str, int]:
    return order.shot, order.number


def _show(bar: Bar, progress: Progress) -> None:
    bar.show(progress.done, progress.total, progress.phase.value)


def _raise_defects(run: Run, night: Night, futures: Sequence[PrefectFuture[State[None]]]) -> None:
    for order, future in zip(run.orders, futures, strict=True):
        if order not in night.outcomes:
            future.result()
