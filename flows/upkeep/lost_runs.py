"""Runs whose process is gone, although the server says that they run.

A worker that dies tells nobody about its films, and a farm that loses its power tells nothing at all. Such a run would
hold the queue until somebody ends it. Runs of other machines' workers are left to their heartbeats, see deploying.py.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from math import inf
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed, Scheduled

from flows.farm_home.run_lock import is_held

WORKER_LABEL = "prefect.worker.name"
"""The label in which Prefect says whose run it is; set shortly after Pending."""

SECONDS = {StateType.RUNNING: 6.0, StateType.CANCELLING: 6.0, StateType.PENDING: 30.0}
"""How long a run may lack a process. A worker that lives reports a death itself within two seconds and knows the cause;
it also needs time to start a process."""

GONE = "its process is gone: {why}. `prefect flow-run retry` renders what is missing"


class LostRuns:
    """Finds them and ends them. `worker`: the name of this machine's worker."""

    def __init__(self, home: Path, worker: str) -> None:
        self._home, self._worker = home, worker
        self._missed: dict[UUID, float] = {}

    def end(self, client: SyncPrefectClient, runs: Iterable[FlowRun]) -> Iterator[str]:
        """End those that have lacked a process for too long; each in a sentence."""
        lost, now = [run for run in runs if self._is_lost(run)], time.monotonic()
        self._missed = {run.id: self._missed.get(run.id, now) for run in lost}
        for run in lost:
            if now - self._missed[run.id] >= _seconds(run):
                yield from _end(client, run, "it died, and its worker did not say so")

    def end_all(self, client: SyncPrefectClient, runs: Iterable[FlowRun]) -> Iterator[str]:
        """End those that a farm left behind when it was killed; before this one's worker starts."""
        for run in runs:
            if self._is_lost(run):
                yield from _end(client, run, "the farm was killed")

    def _is_lost(self, run: FlowRun) -> bool:
        if _seconds(run) == inf or is_held(self._home, str(run.id)):
            return False
        return run.labels.get(WORKER_LABEL, self._worker) == self._worker


def _seconds(run: FlowRun) -> float:
    """How long it may lack a process; for ever where it needs none."""
    return inf if run.state is None else SECONDS.get(run.state.type, inf)


def _end(client: SyncPrefectClient, run: FlowRun, why: str) -> Iterator[str]:
    """Without force: if the run has just ended by itself, Prefect leaves it so."""
    state, sentence = _ending(run, why)
    if client.set_flow_run_state(run.id, state).state is not None:
        yield f"{run.name}: {sentence}"


def _ending(run: FlowRun, why: str) -> tuple[State[None], str]:
    kind = None if run.state is None else run.state.type
    if kind is StateType.PENDING:
        place = run.expected_start_time  # it keeps its place in the queue
        state: State[None] = Scheduled(scheduled_time=place, message=f"waits again: {why}")
        return state, f"waits again; {why} while it was started"
    if kind is StateType.CANCELLING:
        return Cancelled(message="cancelled; what was finished is kept"), "is cancelled"
    return Crashed(message=GONE.format(why=why)), f"is called crashed; {why} while it ran"
