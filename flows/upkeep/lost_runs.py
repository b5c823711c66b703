"""Runs whose process is gone, although the server says that they run.

A worker that dies tells nobody about its films, and a farm that loses its power tells nothing at all. Such a run would
hold the queue until somebody ends it. A process that lives is never called dead, however slow it is: it holds a lock.
Runs of other machines' workers are left to silent_runs.py. What becomes of a lost run is in second_chance.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Scheduled

from flows.farm_home.run_lock import is_held
from flows.farm_queue.film_queue import CANCELLED
from flows.shown.names import FOLLOWS, WORKER_LABEL
from flows.upkeep.second_chance import after_loss

SECONDS = {StateType.RUNNING: 6.0, StateType.CANCELLING: 6.0, StateType.PENDING: 30.0}
"""How long a run may lack a process. A worker that lives reports a death itself within two seconds and knows the cause.
A process that a worker has started before it died needs some time until it holds its lock."""

STARTING_SECONDS = 600.0
"""How long a run may be Pending while the worker lives that is starting its process: a busy machine is slow."""

GONE = "its process is gone: {why}"


class LostRuns:
    """Finds them and ends them. `worker`: the name of this machine's worker. `adopts`: whether runs that name no worker
    count as its own. `clock`: in seconds."""

    def __init__(
        self, home: Path, worker: str, clock: Callable[[], float] = time.monotonic, *, adopts: bool = True
    ) -> None:
        self._home, self._worker, self._clock = home, worker, clock
        self._default = worker if adopts else None
        self._missed: dict[tuple[UUID, StateType], float] = {}

    def end(self, client: SyncPrefectClient, runs: Iterable[FlowRun], worker_since: datetime) -> Iterator[str]:
        """End those that have lacked a process for too long; each in a sentence. worker_since: when the worker of this
        machine was started."""
        lost, now = [(run, state) for run in runs if (state := self._lost(run)) is not None], self._clock()
        self._missed = {(run.id, state.type): self._missed.get((run.id, state.type), now) for run, state in lost}
        for run, state in lost:
            if now - self._missed[run.id, state.type] >= _patience(state, worker_since):
                yield from _end(client, run, "it died, and its worker did not say so")

    def end_all(self, client: SyncPrefectClient, runs: Iterable[FlowRun]) -> Iterator[str]:
        """End those that a farm left behind when it was killed; before this one's worker starts."""
        for run in runs:
            if self._lost(run) is not None:
                yield from _end(client, run, "the farm was killed")

    def _lost(self, run: FlowRun) -> State | None:
        """The state of a run of this machine that should have a process and has none."""
        state = run.state
        if state is None or state.type not in SECONDS or is_held(self._home, str(run.id)):
            return None
        return state if run.labels.get(WORKER_LABEL, self._default) == self._worker else None


def _patience(state: State, worker_since: datetime) -> float:
    """How long it may lack a process, in seconds."""
    is_being_started = state.type is StateType.PENDING and state.timestamp >= worker_since
    return STARTING_SECONDS if is_being_started else SECONDS[state.type]


def _end(client: SyncPrefectClient, run: FlowRun, why: str) -> Iterator[str]:
    """Without force: if the run has just ended by itself, Prefect leaves it so."""
    state, sentence = _ending(client, run, why)
    if client.set_flow_run_state(run.id, state).state is not None:
        yield f"{run.name}: {sentence}"


def _followed_a_night(client: SyncPrefectClient, run: FlowRun) -> bool:
    """Whether it was no process of its own that is gone, but that of a night which had taken it out of the queue."""
    night = run.labels.get(FOLLOWS)
    if night is None or run.state is None:
        return False
    ended = client.read_flow_run(UUID(str(night))).end_time
    return ended is None or run.state.timestamp < ended


def _ending(client: SyncPrefectClient, run: FlowRun, why: str) -> tuple[State[None], str]:
    kind = None if run.state is None else run.state.type
    place = run.expected_start_time  # a run that waits again keeps its place in the queue
    if kind is StateType.PENDING:
        state: State[None] = Scheduled(scheduled_time=place, message=f"waits again: {why}")
        return state, f"waits again; {why} while it was started"
    if kind is StateType.RUNNING and _followed_a_night(client, run):
        state = Scheduled(scheduled_time=place, message="waits again: its night was killed")
        return state, "waits again; the night that rendered it was killed"
    if kind is StateType.CANCELLING:
        return Cancelled(message=CANCELLED), "is cancelled"
    return after_loss(client, run, GONE.format(why=why))
