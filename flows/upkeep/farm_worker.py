"""`python -m flows.upkeep.farm_worker --name NAME`: the worker of a machine. It is Prefect's process worker, with two
differences: while its farm drains it takes no run, and it takes one run at a time, because a film uses all devices.

Its settings are Prefect's own.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from contextlib import suppress
from pathlib import Path

from prefect.client.schemas.objects import FlowRun
from prefect.settings import get_current_settings
from prefect.workers.process import ProcessWorker
from typing_extensions import override

from flows.deployments.pool import POOL
from flows.farm_home.drain import is_draining

FILMS_AT_ONCE = 1
"""Of one machine. The pool has a limit as well, for all machines together (flows/deployments/deploying.py)."""


class FarmWorker(ProcessWorker):
    """Prefect's worker, which can pause without ending what it has started."""

    home: Path
    """The farm's folder on this machine."""

    @override
    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        return [] if is_draining(self.home) else await super().get_and_submit_flow_runs()


async def _work(name: str) -> None:
    settings = get_current_settings()
    worker = FarmWorker(
        work_pool_name=POOL,
        name=name,
        limit=FILMS_AT_ONCE,
        prefetch_seconds=settings.worker.prefetch_seconds,
        heartbeat_interval_seconds=int(settings.worker.heartbeat_seconds),
        create_pool_if_not_found=False,
    )
    worker.home = settings.home
    task = asyncio.current_task()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, lambda: task and task.cancel())
    with suppress(asyncio.CancelledError):
        await worker.start()


def main() -> int:
    """Work until a signal."""
    parser = argparse.ArgumentParser(prog="python -m flows.upkeep.farm_worker")
    parser.add_argument("--name", required=True)
    asyncio.run(_work(parser.parse_args().name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
