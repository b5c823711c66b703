"""What a farm's server is told: the work pool, the deployments of prefect.yaml, and when a run counts as crashed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentUpdate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.workers.process import ProcessWorker

from wan_render.errors import MachineError, Problem

POOL = "wan-render"
DEPLOYMENTS = ("film/now", "batch/overnight")
SILENT_SECONDS = 60
"""Two heartbeats of a run: who is silent so long is dead, or its server was away."""

SILENT_RUNS = "wan-render: runs that are silent have crashed"


def make_pool(client: SyncPrefectClient) -> None:
    """The pool from which the worker takes runs; one that is there stays as it is."""
    template = ProcessWorker.get_default_base_job_template()
    try:
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
    except ObjectAlreadyExists:
        return


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


def set_backend(client: SyncPrefectClient, backend: str | None) -> None:
    """Which backend the deployments ask for where a run does not say."""
    for name in DEPLOYMENTS:
        deployment = client.read_deployment_by_name(name)
        parameters: dict[str, Any] = {**deployment.parameters, "backend": backend}
        client.update_deployment(deployment.id, DeploymentUpdate(parameters=parameters))


def watch_for_silence(client: SyncPrefectClient) -> None:
    """An automation: a run whose heartbeat stops is Crashed, whatever became of its worker."""
    if not client.read_automations_by_name(SILENT_RUNS):
        client.create_automation(_silence())


def _silence() -> AutomationCore:
    return AutomationCore(
        name=SILENT_RUNS,
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.*"},  # a final state of any name, or the next heartbeat
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=SILENT_SECONDS),
        ),
        actions=[
            ChangeFlowRunState(
                state=StateType.CRASHED,
                message=f"no heartbeat for {SILENT_SECONDS} s: its process is gone. "
                "`prefect flow-run retry` renders what is missing",
            )
        ],
    )
