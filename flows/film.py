"""The flow `film`: what `wan-render render` does, with its takes as tasks."""

from __future__ import annotations

from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from flows.deployments.requested import cost_limit, session
from flows.runs.approval import wait_for_approval
from flows.runs.conclusion import concluded
from flows.runs.farm_watch import FarmWatch
from flows.runs.take_tasks import TakeTasks, run_take_tasks
from flows.shown.film_artifact import show_review
from flows.shown.names import film_run_name, name_run
from flows.shown.progress import FilmProgress
from wan_render.errors import WanRenderError
from wan_render.farm.chosen_farm import open_farm
from wan_render.farm.device_finisher import DeviceFinisher
from wan_render.farm.scheduler import Scheduler
from wan_render.production.failures import failures
from wan_render.production.film_change import with_film_change
from wan_render.production.film_warnings import film_warnings, warnings_of
from wan_render.production.finish import finish
from wan_render.production.run import Run, begin
from wan_render.session.film_session import Session
from wan_render.session.forecast_text import expected, forecast
from wan_render.session.retaking import Retaking
from wan_render.session.run_devices import run_devices
from wan_render.session.shot_selection import selected
from wan_render.store import FilmVersion


@flow(name="film", flow_run_name=film_run_name, persist_result=False)
def film(
    storyboard: Path,
    backend: str | None = None,
    outputs: Path | None = None,
    only: str | int | None = None,
    *,
    draft: bool = False,
    approval: bool = False,
    priority: int | None = None,  # noqa: ARG001 - a night that takes the run out of the queue reads it
    allow: list[Path] | None = None,
    max_cost: str | None = None,
) -> State[None]:
    """Render what a storyboard lacks, and make its film.

    Args:
        storyboard: The file, relative to the farm's folder. A retry reads it again.
        backend: What renders instead of the models that the storyboard names: `animatic`; else WAN_RENDER_BACKEND.
        outputs: Where takes and films are kept; else WAN_RENDER_OUTPUTS, else the store that is found.
        only: Shots and scenes to render, `1/020,2`; all where it is not set.
        draft: At the profile `draft`, into the film `<slug>-draft`.
        priority: In a night, instead of the storyboard's own. The farm's queue is first come, first served.
        allow: Other folders whose files the storyboard may use.
        max_cost: The most that the film may cost at services, in its lifetime: `30 CNY`.
        approval: Ask a person first: the run shows what it would render and is suspended until it is resumed.
    """

    def made() -> State[None]:
        limit = cost_limit(max_cost)
        asked = session(storyboard, backend, outputs, draft=draft, allow=allow or (), max_cost=limit)
        name_run(asked.slug)
        return film_state(make(asked, None if only is None else str(only), approval=approval))

    return concluded(made)


def make(session: Session, only: str | None, *, approval: bool = False) -> FilmVersion:
    """Plan → takes → film, as in cli/render.py."""
    log = get_run_logger()
    session = session.made_ready(log.info)
    plan, store = session.plan_to_render, session.store
    log.info("%s", session.opening)
    shots = None if only is None else selected(plan, only)
    devices = run_devices(session, plan)
    with begin(plan, session.backend, store, only=shots, devices=devices, waiting=log.warning) as run:
        for warning in warnings_of(run):
            log.warning("%s", warning)
        settings, before = session.settings, with_film_change(run)
        sentence = forecast(before, run.orders, devices, settings.groups, settings.gpu_hour_price)
        log.info("%s", sentence)
        if approval:
            wait_for_approval(run, sentence, (*film_warnings(plan, run.before), *run.confined))
        timed = expected(run.before, run.orders, devices, settings.groups, settings.gpu_hour_price)
        with FilmProgress(run.orders, timed) as progress:
            with open_farm(settings, devices, store.root) as farm:
                retaking = Retaking(run, session.planned_again)

                def watching(scheduler: Scheduler) -> FarmWatch:
                    return FarmWatch(scheduler.drain, lambda: farm)

                tasks = run_take_tasks(run, farm, progress.hear, retaking.follow_up, watching)
            version = _finishing(retaking.run, tasks, progress)
        show_review(retaking.run, tasks.outcomes, tasks.seconds, version)
        return version


def _finishing(run: Run, tasks: TakeTasks, progress: FilmProgress) -> FilmVersion:
    """`finish` as a task of the run, in this thread, where a cancel can interrupt it."""
    failed = failures(tasks.outcomes)
    outcome: FilmVersion | WanRenderError | TerminationSignal | None = None

    @task(name="film", task_run_name="film", cache_policy=NO_CACHE, persist_result=False)
    def make_film() -> State[None]:
        nonlocal outcome
        try:
            warn = get_run_logger().warning
            with DeviceFinisher(run.store.root, warn) as work:
                outcome = finish(run, failed, progress=progress.finishing, waiting=warn, work=work)
        except WanRenderError as error:
            outcome = error
            return Failed(message=str(error))
        except TerminationSignal as signal:  # raised by a task, it would be called a crash
            outcome = signal
            return Cancelled(message="was stopped")
        return Completed(message=str(outcome.video))

    make_film()
    if isinstance(outcome, FilmVersion):
        return outcome
    raise outcome or RuntimeError("the film's task ended without an outcome")


def film_state(version: FilmVersion) -> State[None]:
    """The state in which the run of a film ends."""
    path = str(version.video.absolute())
    if version.lacks:
        lacks = "; ".join(version.lacks)
        get_run_logger().warning("the film is not whole: %s (%s)", path, lacks)
        return Failed(name="Partial", message=f"{path}, not whole: {lacks}")
    return Completed(message=f"{path}{' (unchanged)' if version.reused else ''}")
