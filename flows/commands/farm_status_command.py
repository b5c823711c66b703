"""`farm status`: the machines of a farm, what they do, and which devices are quarantined here."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, Worker, WorkerStatus
from prefect.settings import get_current_settings

from flows.commands.farm_client import farm_client
from flows.commands.print_report import print_report
from flows.deployments.pool import POOL
from flows.farm_home.drain import is_draining
from flows.farm_home.farm_lock import FarmPart, processes_of
from flows.farm_home.home import known_home
from flows.farm_home.quarantine_notes import QuarantinedDevice, quarantined_devices
from flows.farm_home.run_lock import held_runs
from flows.farm_queue.film_queue import Standing, deployment_names, in_order, open_runs, slug_of_run
from flows.farm_queue.local_time import local_clock
from flows.farm_queue.queue_report import PAUSED, next_of_schedules, reads_paused, utc
from flows.shown.names import WORKER_LABEL
from wan_render.printable import one_line
from wan_render.session.columns import aligned
from wan_render.session.wording import counted


@dataclass(frozen=True)
class FarmState:
    """films: what each worker renders, by the worker's name. waiting: how many films wait. processes: of this machine,
    by part. rendering: how many runs have a process here. is_paused: the queue."""

    api: str
    workers: tuple[Worker, ...]
    films: dict[str, str]
    waiting: int
    processes: dict[str, tuple[int, ...]]
    is_draining: bool
    rendering: int
    quarantined: tuple[QuarantinedDevice, ...]
    now: datetime
    is_paused: bool = False


def run(arguments: argparse.Namespace) -> int:
    """Print it. Raises MachineError if no farm runs."""
    with farm_client() as client:
        state = _read(client, known_home())
    print_report(_lines(state), _as_json(state) if arguments.json else None)
    return 0


def _read(client: SyncPrefectClient, home: Path) -> FarmState:
    now, deployments = datetime.now(UTC), deployment_names(client)
    runs = open_runs(client, deployments)
    queue = next_of_schedules(in_order(runs, deployments, now))
    films = {
        str(run.labels[WORKER_LABEL]): slug_of_run(run, deployments[run.deployment_id])
        for run in runs
        if run.deployment_id is not None and _has_process(run)
    }
    return FarmState(
        api=str(get_current_settings().api.url),
        workers=tuple(sorted(client.read_workers_for_work_pool(POOL), key=lambda worker: worker.name)),
        films=films,
        waiting=Counter(film.standing for film in queue)[Standing.WAITING],
        processes={part.value: processes for part in FarmPart if (processes := processes_of(home, part))},
        is_draining=is_draining(home),
        rendering=len(held_runs(home)),
        quarantined=quarantined_devices(home),
        now=now,
        is_paused=reads_paused(client),
    )


def _has_process(run: FlowRun) -> bool:
    return (
        WORKER_LABEL in run.labels and run.state is not None and (run.state.is_running() or run.state.is_cancelling())
    )


def _lines(state: FarmState) -> Iterator[str]:
    yield f"the farm runs: {state.api.removesuffix('/api')}; {counted(state.waiting, 'film')} waiting"
    if state.is_paused:
        yield PAUSED
    if state.is_draining:
        left = f"{counted(state.rendering, 'film')} still being rendered here" if state.rendering else "nothing is left"
        yield f"this machine drains: {left}. wan-render farm up lets it take films again"
    yield from aligned([_machine(state, worker) for worker in state.workers])
    for each in state.quarantined:
        since = local_clock(each.since, state.now)
        yield f"{each.device} is quarantined since {since}; wan-render farm release {each.device} ends that"


def _machine(state: FarmState, worker: Worker) -> tuple[str, str, str]:
    is_online = worker.status is WorkerStatus.ONLINE
    heard = worker.last_heartbeat_time
    since = f", last heard of {local_clock(heard, state.now)}" if heard is not None and not is_online else ""
    film = state.films.get(worker.name)
    return one_line(worker.name), f"{worker.status.value.lower()}{since}", f"renders {film}" if film else ""


def _as_json(state: FarmState) -> dict[str, Any]:
    """For `--json`, version 1. Times are ISO 8601 in UTC; null is unknown."""
    return {
        "version": 1,
        "server": state.api.removesuffix("/api"),
        "waiting": state.waiting,
        "paused": state.is_paused,
        "draining": state.is_draining,
        "rendering": state.rendering,
        "processes": {part: list(processes) for part, processes in state.processes.items()},
        "machines": [
            {
                "worker": worker.name,
                "online": worker.status is WorkerStatus.ONLINE,
                "last_heard": utc(worker.last_heartbeat_time),
                "film": state.films.get(worker.name, ""),
            }
            for worker in state.workers
        ],
        "quarantined": [{"device": each.device, "since": utc(each.since)} for each in state.quarantined],
    }
