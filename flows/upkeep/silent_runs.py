"""Runs of other machines' workers that have fallen silent: once, they wait in the queue again, for another machine.

The farm cannot see their processes. It sees their events: a run sends one every 30 s (`heartbeat_frequency` in
prefect.toml). Runs of the farm's own machine are none of this module's: a process that lives may be slow, and its
heartbeats may be lost (flows/upkeep/lost_runs.py looks at the process).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.filters import EventFilter, EventOrder, EventResourceFilter
from prefect.states import Cancelled

from flows.farm_queue.film_queue import CANCELLED
from flows.shown.names import WORKER_LABEL
from flows.upkeep.second_chance import after_loss

SILENT_SECONDS = 120.0
"""Four heartbeats. A server whose database is busy loses one now and then."""

LONGEST_LOOK_SECONDS = 10.0
"""More time than this between two looks was not silence: the server, the farm or the machine was away."""

WATCHED = (StateType.PENDING, StateType.RUNNING, StateType.CANCELLING)

_SILENT = f"nothing was heard of it for {SILENT_SECONDS:.0f} s, from its worker {{worker}}"


@dataclass(frozen=True)
class _Silence:
    """since: the last event; None if there was none. seconds: how long the farm has listened since then."""

    since: UUID | None
    seconds: float


class SilentRuns:
    """Finds them and ends them. `worker`: the name of this machine's worker. `clock`: in seconds."""

    def __init__(self, worker: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._worker, self._clock = worker, clock
        self._silences: dict[UUID, _Silence] = {}
        self._looked = clock()

    def end(self, client: SyncPrefectClient, runs: Iterable[FlowRun]) -> Iterator[str]:
        """End those that have been silent for too long; each in a sentence."""
        now = self._clock()
        passed, self._looked = min(now - self._looked, LONGEST_LOOK_SECONDS), now
        watched = [run for run in runs if self._is_elsewhere(run)]
        self._silences = {run.id: self._silence(client, run.id, passed) for run in watched}
        for run in watched:
            if self._silences[run.id].seconds >= SILENT_SECONDS:
                yield f"{run.name}: {_end_silent(client, run)}"
                del self._silences[run.id]

    def _is_elsewhere(self, run: FlowRun) -> bool:
        return (
            run.state is not None
            and run.state.type in WATCHED
            and run.labels.get(WORKER_LABEL, self._worker) != self._worker
        )

    def _silence(self, client: SyncPrefectClient, run: UUID, passed: float) -> _Silence:
        last, before = _last_event(client, run), self._silences.get(run)
        if before is None or before.since != last:
            return _Silence(last, 0.0)
        return _Silence(last, before.seconds + passed)


def _end_silent(client: SyncPrefectClient, run: FlowRun) -> str:
    """Not by force: it may just have ended. What was done, in words."""
    worker, is_cancelling = run.labels[WORKER_LABEL], run.state is not None and run.state.is_cancelling()
    if is_cancelling:
        client.set_flow_run_state(run.id, Cancelled(message=CANCELLED))
        return "is cancelled"
    state, sentence = after_loss(client, run, _SILENT.format(worker=worker))
    client.set_flow_run_state(run.id, state)
    return sentence


def _last_event(client: SyncPrefectClient, run: UUID) -> UUID | None:
    wanted = EventFilter(resource=EventResourceFilter(id=[f"prefect.flow-run.{run}"]), order=EventOrder.DESC)
    found = client.read_events(wanted, limit=1).events
    return found[0].id if found else None
