"""A farm's folder as a version without a password left it, after strangers had used its server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.flows.project import PROJECT

COMMAND = "sh -c 'id > {folder}/taken'"
STEP = {"prefect.deployments.steps.run_shell_script": {"script": "id > {folder}/taken"}}


def make_old_farm(home: Path) -> None:
    """By a server of its own, for a moment; readable by everybody, as a umask of 022 makes it."""
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.flows.old_farm", str(home)],
        cwd=home,  # no prefect.toml is here
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT")},
            "PYTHONPATH": os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH")))),
            "PREFECT_HOME": str(home),
            "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
            "PREFECT_LOGGING_LEVEL": "ERROR",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


async def plant(folder: Path) -> None:
    """The pool and the deployment as they were; then what a stranger may have left to run by itself, later."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
    from prefect.workers.process import ProcessWorker

    from flows.batch import batch
    from flows.deployments.pool import POOL
    from flows.deployments.silence_rule import SILENT_RUNS
    from flows.film import film

    template = ProcessWorker.get_default_base_job_template()
    command = COMMAND.format(folder=folder)
    step = {name: {key: value.format(folder=folder) for key, value in given.items()} for name, given in STEP.items()}
    async with get_client() as client:
        await client.create_work_pool(WorkPoolCreate(name=POOL, type="process", base_job_template=template))
        now = await client.create_deployment(
            await client.create_flow(film),
            "now",
            work_pool_name=POOL,
            job_variables={"working_dir": "/", "stream_output": False, "command": command},
            pull_steps=[step],
            entrypoint="flows.film.film",
        )
        other = await client.create_deployment(
            await client.create_flow(batch), "planted", work_pool_name=POOL, pull_steps=[step], entrypoint="os.getcwd"
        )
        for deployment in (now, other):
            await client.create_flow_run_from_deployment(deployment, job_variables={"command": command})
        for name in (SILENT_RUNS, "planted"):
            trigger = EventTrigger(expect={"prefect.flow-run.Completed"}, posture=Posture.Reactive, threshold=1)
            act = RunDeployment(source="selected", deployment_id=other)
            await client.create_automation(AutomationCore(name=name, trigger=trigger, actions=[act]))


if __name__ == "__main__":
    asyncio.run(plant(Path(sys.argv[1])))
