"""How the worker of another machine joins a farm's work pool."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound, PrefectException
from prefect.settings import get_current_settings

from flows.deployments.deploying import AT_A_TIME
from flows.deployments.pool import POOL, is_ours, job_template
from wan_render.errors import MachineError, Problem

START_FIRST = "start the farm first: wan-render farm up; a server of your own: wan-render farm up --deploy"


def join_pool(client: SyncPrefectClient, project: Path, worker: str) -> tuple[str, ...]:
    """Join the farm of another machine, as `admit` says; in a sentence.

    Raises MachineError if the server has no farm, or one whose runs would not start here.
    """
    try:
        pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        found = f"the server has no work pool {POOL}"
        raise MachineError(Problem("the farm", found, remedy=START_FIRST)) from None
    _refuse_another_folder(pool.base_job_template, project)
    return admit(client, worker)


@contextmanager
def asking(api: str) -> Iterator[None]:
    """Asks the server of another machine. Raises MachineError if it refuses, or goes away meanwhile."""
    try:
        yield
    except (httpx.HTTPError, PrefectException) as error:
        found = f"the server at {api} lets no worker join: {error}"
        raise MachineError(Problem("the farm", found, remedy="look whether it runs, and start this again")) from error


def admit(client: SyncPrefectClient, worker: str) -> tuple[str, ...]:
    """Let as many films run at the same time as the pool has workers, with this one; in a sentence.

    A worker announces itself before it counts. So of machines that start together, the last to announce itself counts
    all of them, however long their workers take to start.
    """
    seconds = get_current_settings().worker.heartbeat_seconds
    client.send_worker_heartbeat(POOL, worker, heartbeat_interval_seconds=seconds)
    said: tuple[str, ...] = ()
    while (workers := _online(client)) > (client.read_work_pool(POOL).concurrency_limit or AT_A_TIME):
        client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=workers))
        said = (f"{workers} films are made at a time now, one on each machine",)
    return said


def _online(client: SyncPrefectClient) -> int:
    return sum(each.status is WorkerStatus.ONLINE for each in client.read_workers_for_work_pool(POOL))


def _refuse_another_folder(template: dict[str, object], project: Path) -> None:
    configuration = template.get("job_configuration")
    if not isinstance(configuration, dict) or not is_ours(template):
        found = "a run could say what the worker starts"
        raise MachineError(Problem("the farm's work pool", found, remedy="start the farm again: wan-render farm up"))
    ours = job_template(project)["job_configuration"]
    for key, what in (("working_dir", "folder"), ("command", "command")):
        if configuration.get(key) != ours[key]:
            raise MachineError(
                Problem(
                    str(project),
                    f"the farm starts its runs with another {what}: {configuration.get(key)}",
                    f"here it would be {ours[key]}",
                    "put the checkout and its .venv in the same folder as on the farm's machine",
                )
            )
