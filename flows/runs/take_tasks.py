"""The takes of a film as tasks: the run's timeline is then a chart of the devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from functools import partial

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.states import Cancelled, Completed, Failed

from flows.runs.attempt_ahead import AttemptAhead
from wan_render.errors import Drained, Problem, Stopped, WanRenderError
from wan_render.farm.attempt_events import AttemptFailed, Event, Held, OnEvent
from wan_render.farm.attempts import MOST_ATTEMPTS
from wan_render.farm.farm_contract import Farm
from wan_render.farm.held_takes import held_in
from wan_render.farm.process.work_clock import WorkClock
from wan_render.farm.run_terms import FollowUp, RunTerms, nothing_follows
from wan_render.farm.scheduler import Scheduler
from wan_render.printable import logger
from wan_render.production.failures import Outcome, OutOfTime
from wan_render.production.render_order import RenderOrder
from wan_render.production.run import Run
from wan_render.render_values import Phase, Progress
from wan_render.session.wording import lasting
from wan_render.status import TakeStatus

TOLD_SECONDS = 1.0
"""A shorter wait is not told."""

_log = logger(__name__)

Watching = Callable[[Scheduler], AbstractContextManager[object]]

_Place = tuple[str, int]
"""A take's shot and number."""


def run_take_tasks(
    run: Run,
    farm: Farm,
    on_event: OnEvent,
    follow_up: Callable[[RenderOrder, Outcome], FollowUp] = nothing_follows,
    watching: Watching = lambda _: nullcontext(),
) -> TakeTasks:
    """A task for every planned take, those that are there first; returns when the last has ended. `on_event` hears the
    events of every take, from several threads. `follow_up`: see RunTerms. `watching`: a context
    while the scheduler runs. Raises as Scheduler.run, and Drained if it was drained before the last take had begun."""
    terms = RunTerms(follow_up=follow_up, held_by=held_in(run.store))
    tasks = TakeTasks(Scheduler(run.orders, farm, terms), on_event)
    film = FilmTasks(run, tasks)
    film.show_others()
    with watching(tasks.scheduler):
        tasks.scheduler.run(film.render)
    if tasks.scheduler.is_cut_short:
        raise Drained(Problem(run.plan.slug, "was drained"))
    return tasks


class FilmTasks:
    """The tasks of one film's takes. It is made in the film's flow run; its methods may be called from any thread."""

    def __init__(self, run: Run, tasks: TakeTasks) -> None:
        self._orders = {_place(order): order for order in run.orders}
        self._others = {place: take for place, take in _planned(run).items() if place not in self._orders}
        self._take = _task(self._orders, lambda place: _instead(self._others[place], run), tasks)
        self._tasks = tasks
        self._context = copy_context()  # without it Prefect knows no run in the scheduler's threads

    def show_others(self) -> None:
        """A task for every planned take that is not to be rendered."""
        for place in self._others:
            self._run(place)

    def render(self, order: RenderOrder) -> None:
        """Attempt an order of the scheduler until it has ended, in a task. It may be new in the run, as a retake is."""
        self._orders[_place(order)] = order
        ahead = self._tasks.begin(order, self._context.copy())
        ahead.wait()
        try:
            state = self._run(_place(order))
        finally:
            ahead.leave()
        if order not in self._tasks.outcomes:
            state.result()  # raises what is no failure of a take: a defect

    def _run(self, place: _Place) -> State[State[None]]:
        return self._context.copy().run(lambda: self._take(*place, return_state=True))


@dataclass(frozen=True)
class TakeTasks:
    """What the tasks of one run share, and what came of them. Safe for several threads, each has its own order.

    seconds: of work on each take that this run rendered, by its key. listeners: who else hears of a take, by its key.
    """

    scheduler: Scheduler
    on_event: OnEvent = lambda *_: None
    seconds: dict[str, float] = field(default_factory=dict)
    listeners: dict[str, Callable[[Event], None]] = field(default_factory=dict)
    _ahead: dict[RenderOrder, AttemptAhead] = field(default_factory=dict)

    @property
    def outcomes(self) -> Mapping[RenderOrder, Outcome]:
        """Of every order that has ended."""
        return self.scheduler.outcomes

    def begin(self, order: RenderOrder, context: Context) -> AttemptAhead:
        """Begin the first attempt at an order, in a thread of this context. `attempt` joins it."""
        self._ahead[order] = AttemptAhead(partial(self._make, order), context)
        return self._ahead[order]

    def attempt(self, order: RenderOrder) -> State[None]:
        """One attempt, as the state of its task. Raises only what is worth another one."""
        ahead = self._ahead.pop(order, None)
        return self._make(order) if ahead is None else ahead.join()

    def _make(self, order: RenderOrder, works: Callable[[], None] = lambda: None) -> State[None]:
        heard = _Heard(f"{order.shot} take {order.number}", works)

        def tell(event: Event) -> None:
            heard(event)
            self.on_event(order, event)
            if (listener := self.listeners.get(order.take.key)) is not None:
                listener(event)

        try:
            ended = self.scheduler.attempt(order, tell)
        except Stopped as error:
            return Cancelled(message=str(error))
        if isinstance(ended, AttemptFailed):
            raise ended.error
        if isinstance(ended.outcome, WanRenderError):
            return Failed(message=str(ended.outcome))
        if isinstance(ended.outcome, OutOfTime):
            name = "Aborted" if ended.outcome.was_aborted else "NotStarted"
            return Cancelled(name=name, message=f"{ended.outcome.words}; about {lasting(ended.outcome.seconds)}")
        waited = heard.end()
        if not heard.is_written:
            return Completed(name="Found", message=f"another run rendered it{waited and f'; found{waited}'}")
        self.seconds[order.take.key] = heard.clock.work
        return Completed(message=f"rendered in {lasting(heard.clock.work)}{waited} (was: {order.why})")


class _Heard:
    """One attempt as its task shows it: its log and its clock. `works` is called when it begins to work."""

    def __init__(self, name: str, works: Callable[[], None]) -> None:
        self._name, self._works, self.clock = name, works, WorkClock()
        self._phases: set[Phase] = set()
        self._held_by = ""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Held) and self._held_by != event.by.machine:
            self._held_by = event.by.machine
            _log.info("%s %s", self._name, event.by.problems[0].found)
        if not isinstance(event, Progress):
            return
        if event.phase is Phase.WAITING and Phase.WAITING not in self._phases:
            _log.info("%s waits: devices of its group are not ready", self._name)
        if event.phase is not Phase.WAITING and self._phases <= {Phase.WAITING}:
            self._works()
        self._phases.add(event.phase)
        self.clock.hear(event.phase)

    @property
    def is_written(self) -> bool:
        """By this run; a take that another one rendered is not."""
        return Phase.WRITING in self._phases

    def end(self) -> str:
        """The take is there; ` after 12 s of waiting`, if it is worth telling."""
        self.clock.stop()
        return f" after {lasting(self.clock.waiting)} of waiting" if self.clock.waiting >= TOLD_SECONDS else ""


def _task(
    orders: Mapping[_Place, RenderOrder], instead: Callable[[_Place], State[None]], tasks: TakeTasks
) -> Task[[str, int], State[None]]:
    @task(
        name="take",
        task_run_name="{shot} take {number}",
        cache_policy=NO_CACHE,  # it knows no keyframe's bytes; the store does
        persist_result=False,
        retries=MOST_ATTEMPTS - 1,  # the scheduler ends a take before; a task that ended sooner would lose its take
        retry_condition_fn=_is_worth_retrying,
    )
    def take(shot: str, number: int) -> State[None]:
        order = orders.get((shot, number))
        return instead((shot, number)) if order is None else tasks.attempt(order)

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
