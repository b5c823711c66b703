"""How the worker of another machine joins a farm's work pool."""

from __future__ import annotations

from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import WorkerStatus
from prefect.exceptions import ObjectNotFound

from flows.deployments.deploying import AT_A_TIME
from flows.deployments.pool import POOL, is_ours, job_template
from wan_render.errors import MachineError, Problem


def join_pool(client: SyncPrefectClient, project: Path, worker: str) -> tuple[str, ...]:
    """Let one more film run at the same time, if this worker is a further one; in a sentence.

    Raises MachineError if the server has no farm, or one whose runs would not start here.
    """
    try:
        pool = client.read_work_pool(POOL)
    except ObjectNotFound:
        found = f"the server has no work pool {POOL}"
        raise MachineError(Problem("the farm", found, remedy="start the farm first: wan-render farm up")) from None
    _refuse_another_folder(pool.base_job_template, project)
    workers = {each.name for each in client.read_workers_for_work_pool(POOL) if each.status is WorkerStatus.ONLINE} | {
        worker
    }
    limit = max(pool.concurrency_limit or AT_A_TIME, len(workers))
    if limit != pool.concurrency_limit:
        client.update_work_pool(POOL, WorkPoolUpdate(concurrency_limit=limit))
        return (f"{limit} films are made at a time now, one on each machine",)
    return ()


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
