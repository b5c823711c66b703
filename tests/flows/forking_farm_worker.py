"""`python -m tests.flows.forking_farm_worker --name NAME`: the worker of a farm, whose films are forked. It differs in
nothing else: what a run's process is, Prefect decides, and any other command is run as it is."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from prefect.runner import _starter_engine
from prefect.utilities.processutils import run_process

from flows.deployments.pool import ARGUMENTS
from flows.upkeep import farm_worker
from tests.flows.forked_films import FilmForkServer, spawns_file
from tests.forked_processes import ForkedProcess


@dataclass(frozen=True)
class FilmProcess:
    """What Prefect uses of an `anyio.abc.Process`."""

    forked: ForkedProcess

    @property
    def pid(self) -> int:
        return self.forked.pid

    @property
    def returncode(self) -> int | None:
        return self.forked.poll()


async def run_forked(
    films: FilmForkServer,
    command: list[str],
    *,
    task_status: anyio.abc.TaskStatus[Any],
    task_status_handler: Callable[[Any], Any],
    env: Mapping[str, str],
    cwd: os.PathLike[str],
    **rest: Any,
) -> object:
    """Instead of Prefect's `run_process`: start a film's process, and wait for its end."""
    if tuple(command) != (sys.executable, *ARGUMENTS) or spawns_file(Path(os.environ["PREFECT_HOME"])).exists():
        return await run_process(
            command, task_status=task_status, task_status_handler=task_status_handler, env=env, cwd=cwd, **rest
        )
    forked = await anyio.to_thread.run_sync(films.fork_film, str(cwd), env)
    try:
        process = FilmProcess(forked)
        task_status.started(task_status_handler(process))
        await anyio.wait_readable(forked.reports)
    except BaseException:  # nobody waits for it any longer: it is killed, as Prefect does
        forked.kill()
        with anyio.CancelScope(shield=True):
            await anyio.wait_readable(forked.reports)
        raise
    finally:
        forked.stdin.close()
    return process


def main() -> int:
    """Work until a signal."""
    films = FilmForkServer()
    vars(_starter_engine)["run_process"] = partial(run_forked, films)
    return farm_worker.main()


if __name__ == "__main__":
    sys.exit(main())
