"""What a farm's server is told: the work pool, and the deployments of prefect.yaml."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate, WorkPoolUpdate
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.server.schemas.schedules import CronSchedule as Timetable
from prefect.states import Cancelled

from flows.deployments.notifications import NOTIFICATION, set_notifications
from flows.deployments.pool import POOL, is_ours, job_template
from flows.deployments.silence_rule import SILENT_RUNS, watch_for_silence
from wan_render.errors import MachineError, Problem
from wan_render.session.wording import counted
from wan_render.settings import PREFIX, machine_settings

FILM, BATCH = DEPLOYMENTS = ("film/now", "batch/overnight")
NO_ZONE = "UTC"
"""What Prefect makes of a schedule that names no time zone."""

AT_A_TIME = 1
"""Films that run at the same time: each takes every device. With several machines, somebody sets more."""

PAGE = 200
"""As many as a server gives at once."""

_Read = TypeVar("_Read")


def tell(
    client: SyncPrefectClient,
    project: Path,
    backend: str | None,
    environment: Mapping[str, str],
    *,
    zone: str,
    has_farm: bool,
    was_open: bool = False,
) -> tuple[str, ...]:
    """Tell a server all that makes it a farm's; what was turned off for it, in sentences. `zone`: the time zone of
    schedules that name none. `has_farm`: a farm runs, which looks after the runs (flows/upkeep). `was_open`: others may
    have used it, however its work pool looks.

    Raises MachineError where Prefect takes prefect.yaml for wrong.
    """
    turned_off = close_pool(client, project, was_open=was_open)
    watch_for_silence(client, is_wanted=not has_farm)
    on = schedules_on(client)
    deploy(environment)
    set_zone(client, zone)
    turn_on(client, on)
    settle(client, backend, outputs_of(project, environment))
    return turned_off + _notify(client)


def _notify(client: SyncPrefectClient) -> tuple[str, ...]:
    """What WAN_RENDER_NOTIFY asks for; in a sentence. Raises UsageError."""
    settings = machine_settings()
    nothing_by = None if settings.notify_by is None else _after_the_start(client, settings.notify_by)
    set_notifications(client, settings.notify, nothing_by)
    return (
        (f"films and nights are reported to {counted(len(settings.notify), 'destination')}",) if settings.notify else ()
    )


def _after_the_start(client: SyncPrefectClient, at: time) -> timedelta | None:
    """How long after the start of a scheduled night that time of day is; None without a schedule."""
    for each in client.read_deployment_by_name(BATCH).schedules:
        if isinstance(each.schedule, CronSchedule):
            start = _next(each.schedule)
            then = datetime.combine(start.date(), at, start.tzinfo)
            then = then if then > start else then + timedelta(days=1)
            return then.astimezone(UTC) - start.astimezone(UTC)
    return None


def close_pool(client: SyncPrefectClient, project: Path, *, was_open: bool = False) -> tuple[str, ...]:
    """The pool from which the worker takes runs, closed; what had to be turned off for it, in sentences.

    A pool of another template was made by an older version, whose server anybody could use, or was opened since. Then
    everything that could run by itself and is not ours is turned off first; the template is changed last, so that a
    start that was interrupted does it again. Who could use the server could also give the pool our template: so it is
    done for `was_open`, too.
    """
    template = job_template(project)
    with suppress(ObjectAlreadyExists):
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
    pool = client.read_work_pool(POOL)
    if pool.concurrency_limit is None:
        client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=AT_A_TIME))
    said: tuple[str, ...] = ()
    if not is_ours(pool.base_job_template):
        said = (f"a run could say what the worker of the pool {POOL} starts; the pool is closed now",)
    if said or was_open:
        said += tuple(turn_off_foreign(client))
    if pool.base_job_template != template:
        client.update_work_pool(POOL, WorkPoolUpdate(base_job_template=template))
    return said


def turn_off_foreign(client: SyncPrefectClient) -> Iterator[str]:
    """Pause deployments, disable automations and cancel waiting runs that are not the farm's; each with its name."""
    ours: set[UUID] = set()
    for deployment in read_pages(lambda offset: client.read_deployments(limit=PAGE, offset=offset)):
        name = f"{client.read_flow(deployment.flow_id).name}/{deployment.name}"
        if name in DEPLOYMENTS:
            ours.add(deployment.id)
        elif not deployment.paused:
            client.pause_deployment(deployment.id)
            yield f"the deployment '{name}' was paused; prefect api POST /deployments/{deployment.id}/resume_deployment"
    for automation in read_pages(lambda offset: client.read_automations(limit=PAGE, offset=offset)):
        if automation.name == SILENT_RUNS or automation.name.startswith(NOTIFICATION):
            client.delete_automation(automation.id)  # where it is needed, it is made again
        elif automation.enabled:
            client.pause_automation(automation.id)
            yield f"the automation '{automation.name}' was disabled; prefect automation resume --id {automation.id}"
    for run in _waiting(client):
        if run.deployment_id not in ours and run.parent_task_run_id is None:
            client.set_flow_run_state(
                run.id, Cancelled(message="the farm was closed; it is none of its runs"), force=True
            )
            yield f"the run {run.name} was cancelled: no deployment of the farm made it"


def deploy(environment: Mapping[str, str]) -> None:
    """What prefect.yaml says, read by Prefect itself. Raises MachineError with what Prefect said."""
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(
        command, env=dict(environment), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise MachineError(Problem(str(Path("prefect.yaml")), "was not deployed", remedy=done.stdout + done.stderr))


def schedules_on(client: SyncPrefectClient) -> frozenset[UUID]:
    """The schedules that somebody has turned on; none where nothing was deployed yet."""
    found: set[UUID] = set()
    for name in DEPLOYMENTS:
        with suppress(ObjectNotFound):
            schedules = client.read_deployment_by_name(name).schedules
            found.update(schedule.id for schedule in schedules if schedule.active)
    return frozenset(found)


def turn_on(client: SyncPrefectClient, schedules: frozenset[UUID]) -> None:
    """Turn schedules on again: to deploy turns off what prefect.yaml has off, and a night would not happen."""
    for name in DEPLOYMENTS:
        deployment = client.read_deployment_by_name(name)
        for schedule in deployment.schedules:
            if schedule.id in schedules:
                client.update_deployment_schedule(deployment.id, schedule.id, active=True)


def set_zone(client: SyncPrefectClient, zone: str) -> None:
    """Give the schedules for which prefect.yaml names no time zone the farm's."""
    for name in DEPLOYMENTS:
        deployment = client.read_deployment_by_name(name)
        for each in deployment.schedules:
            if isinstance(each.schedule, CronSchedule) and each.schedule.timezone in {None, NO_ZONE}:
                schedule = each.schedule.model_copy(update={"timezone": zone})
                client.update_deployment_schedule(deployment.id, each.id, schedule=schedule)


def next_runs(client: SyncPrefectClient) -> Iterator[str]:
    """When each schedule starts its deployment next, by the clock of this machine; in sentences."""
    for name in DEPLOYMENTS:
        for each in client.read_deployment_by_name(name).schedules:
            if isinstance(each.schedule, CronSchedule):
                starts = f"{_next(each.schedule).astimezone():%a %Y-%m-%d %H:%M %Z}"
                yield (
                    f"{name} is on: it starts next on {starts}"
                    if each.active
                    else f"{name} is off; turned on, it would start on {starts}"
                )


def _next(schedule: CronSchedule) -> datetime:
    timetable = Timetable(cron=schedule.cron, timezone=schedule.timezone, day_or=schedule.day_or)
    return asyncio.run(timetable.get_dates(1))[0]


def outputs_of(project: Path, environment: Mapping[str, str]) -> str | None:
    """The outputs folder that a farm with this environment uses, absolute; None if it is looked for."""
    named = environment.get(f"{PREFIX}OUTPUTS")
    return str(project / named) if named else None


def settle(client: SyncPrefectClient, backend: str | None, outputs: str | None = None) -> None:
    """Which backend and outputs the deployments ask for where a run does not say; and what prefect.yaml has no word
    for: that they bring no job variables, steps or storage, which Prefect would leave as somebody had made them. Nor a
    limit of their own, which earlier versions had: a run that met it lost its place in the queue
    (docs/decisions/0025)."""
    for name in DEPLOYMENTS:
        deployment = client.read_deployment_by_name(name)
        parameters: dict[str, Any] = {**deployment.parameters, "backend": backend, "outputs": outputs}
        if (zone := _zone(deployment)) is not None:
            parameters["timezone"] = zone
        update = DeploymentUpdate(
            parameters=parameters,
            job_variables={},
            pull_steps=[],
            path=None,
            storage_document_id=None,
            concurrency_limit=None,
            concurrency_options=None,
        )
        client.update_deployment(deployment.id, update)


def _zone(deployment: DeploymentResponse) -> str | None:
    """The time zone of a deployment's schedule: a night has to end by the clock that it starts by. None without one."""
    crons = (each.schedule for each in deployment.schedules if isinstance(each.schedule, CronSchedule))
    return next((cron.timezone for cron in crons), None)


def _waiting(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs that may still begin."""
    types = [StateType.SCHEDULED, StateType.PENDING, StateType.PAUSED]
    waiting = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)))
    return read_pages(lambda offset: client.read_flow_runs(flow_run_filter=waiting, limit=PAGE, offset=offset))


def read_pages(read: Callable[[int], list[_Read]]) -> list[_Read]:
    """All of what a server gives in pages; `read` gives the page that begins at an offset."""
    found: list[_Read] = []
    while page := read(len(found)):
        found += page
    return found
