"""The films of a night as flow runs of their own, each with its takes as tasks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from prefect import flow
from prefect.client.schemas.objects import FlowRun, State
from prefect.exceptions import PrefectException
from prefect.flow_engine import run_flow_sync
from prefect.states import Cancelled, Completed, Failed

from flows.farm_queue.film_runs import FILM_OF_A_NIGHT
from flows.runs.take_tasks import FilmTasks, TakeTasks
from flows.shown.film_artifact import show_review
from wan_render.farm.attempt_events import Event
from wan_render.farm.scheduler import Scheduler
from wan_render.night.film_tonight import FilmTonight
from wan_render.night.night_record import FilmEntry, FilmState
from wan_render.night.night_seams import Loop
from wan_render.printable import logger, one_line, shortened
from wan_render.production.render_order import RenderOrder
from wan_render.store import FilmVersion

START_SECONDS = 30.0
"""How long a film's run may take to start. After that its takes are rendered without tasks."""

CLOSE_SECONDS = 20.0
"""How long runs may take to end. It is a few requests to the server."""

LONGEST_NAME = 100

_log = logger(__name__)


@dataclass(eq=False)
class _FilmRun:
    """The flow run of one film, in a thread of its own. state: in which it ends."""

    film: FilmTonight
    tasks: TakeTasks | None
    takes: FilmTasks | None = None
    version: FilmVersion | None = None
    state: State[None] = field(default_factory=lambda: Cancelled(message="was stopped"))
    has_begun: threading.Event = field(default_factory=threading.Event)
    has_ended: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class NightTasks:
    """Makes the attempts of a night in tasks. It is made in the night's flow run.

    A server that is away costs runs and tasks, not films: takes without a task are rendered in the scheduler's threads.
    ended: called with each film that has ended, and its state.
    """

    def __init__(self, ended: Callable[[FilmEntry, State[None]], None]) -> None:
        self._ended = ended
        self._runs: dict[FilmTonight, _FilmRun] = {}
        self._context = copy_context()  # without it Prefect knows no run in other threads
        self._loop = Loop()

    def begin(self, films: Sequence[FilmTonight], scheduler: Scheduler | None) -> None:
        """Start a run for each film. See Attempting.begin."""
        for film in films:
            run = _FilmRun(film, None if scheduler is None else TakeTasks(scheduler))
            run.thread = threading.Thread(target=self._context.copy().run, args=(self._hold, run), daemon=True)
            self._runs[film] = run
            run.thread.start()
        for run in self._runs.values():
            if not run.has_begun.wait(START_SECONDS):
                _log.warning("the run of %s did not start; its takes are rendered without tasks", run.film.slug)

    def finish(
        self, film: FilmTonight, order: RenderOrder, scheduler: Scheduler, tell: Callable[[Event], None]
    ) -> None:
        """Attempt an order in a task of its film's run. See Attempting.finish."""
        run = self._runs[film]
        if run.takes is None or run.tasks is None:
            self._loop.finish(film, order, scheduler, tell)
        else:
            run.tasks.listeners[order.take.key] = tell
            run.takes.render(order)

    def cannot_begin(self, film: FilmEntry) -> None:
        """A run that fails at once, for a film that cannot be begun. See Attempting.cannot_begin."""
        state = state_of(film)
        safely(film.slug or film.storyboard, lambda: run_of(film.slug, Path(film.storyboard), lambda: state))
        self._ended(film, state)

    def film_ended(self, film: FilmTonight, entry: FilmEntry, version: FilmVersion | None) -> None:
        """End the run of a film. See Attempting.film_ended."""
        state = state_of(entry)
        if (run := self._runs.get(film)) is not None:
            run.state, run.version = state, version
            run.has_ended.set()
        self._ended(entry, state)

    def close(self) -> None:
        """End all runs. See Attempting.close."""
        for run in self._runs.values():
            run.has_ended.set()
        for run in self._runs.values():
            if run.thread is not None:
                run.thread.join(CLOSE_SECONDS)

    def _hold(self, run: _FilmRun) -> None:
        """The thread of a film's run."""

        def follow() -> State[None]:
            takes = None if run.tasks is None else FilmTasks(run.film.run, run.tasks)
            if takes is not None:
                takes.show_others()
            run.takes = takes
            run.has_begun.set()
            run.has_ended.wait()
            if run.version is not None and run.tasks is not None:
                show_review(run.film.run, run.film.outcomes, run.tasks.seconds, run.version)
            return run.state

        safely(run.film.slug, lambda: run_of(run.film.slug, run.film.run.plan.file, follow))
        run.has_begun.set()


def state_of(film: FilmEntry) -> State[None]:
    """The state in which the run of a film ends."""
    match film.state:
        case FilmState.DONE | FilmState.UNCHANGED:
            return Completed(message=f"{film.version}{' (unchanged)' if film.state is FilmState.UNCHANGED else ''}")
        case FilmState.PARTIAL:
            return Failed(name="Partial", message=f"{film.version}, not whole: {film.message}")
        case FilmState.NOT_STARTED:
            return Failed(name="NotStarted", message=film.message)
        case _:
            return Failed(message=film.message)


def run_of(slug: str, storyboard: Path, follow: Callable[[], State[None]], run: FlowRun | None = None) -> None:
    """A flow run for a film of the night that this thread's context belongs to. run: an existing one to go on with."""
    name = shortened(one_line(slug or storyboard.stem), LONGEST_NAME).replace("{", "{{").replace("}", "}}")

    @flow(name=FILM_OF_A_NIGHT, flow_run_name=name, persist_result=False)
    def film_of_a_night(storyboard: Path) -> State[None]:  # noqa: ARG001 - what the run's page shows
        return follow()

    if run is None:
        film_of_a_night(storyboard, return_state=True)
    else:
        run_flow_sync(film_of_a_night, flow_run=run, parameters={"storyboard": storyboard}, return_type="state")


def safely(film: str, work: Callable[[], None]) -> None:
    """Do something on the server. A server that is away, or refuses, is a line of the log."""
    try:
        work()
    except (httpx.HTTPError, PrefectException, OSError, RuntimeError) as error:
        _log.warning("the server did not take the run of %s: %s", film, error)
