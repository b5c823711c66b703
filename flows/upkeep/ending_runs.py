"""What becomes of the runs of a machine whose worker stops."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import httpx
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Cancelling, Scheduled

from flows.deployments.pool import POOL
from flows.shown.names import WORKER_LABEL

STOPPED = "the farm was stopped; finished takes are kept"
"""What a run says that Ctrl-C in the farm cancelled."""

LEFT = "waits again: the farm was stopped before its takes had ended. Finished takes are kept"
"""What a run says that a drain did not wait for."""

LOOK_SECONDS = 0.3


class EndingRuns:
    """Ends the runs of one worker, by its name. A server that is away, or slow, is not waited for."""

    def __init__(self, client: SyncPrefectClient, worker: str) -> None:
        self._client, self._worker = client, worker

    def cancel(self, seconds: float) -> None:
        """Cancel what runs, so that it is Cancelled, not lost, and wait for it; no longer than this."""
        _within(seconds, self._cancel)

    def conclude(self, seconds: float, *, wait_again: bool) -> None:
        """Say of runs that were killed with their worker that they have ended, or that they wait in the queue."""
        _within(seconds, lambda: self._conclude(wait_again=wait_again))

    def _cancel(self) -> None:
        for run in self._running():
            if run.state is not None and not run.state.is_cancelling():
                self._client.set_flow_run_state(run.id, Cancelling(message=STOPPED), force=True)
        while self._running():
            time.sleep(LOOK_SECONDS)

    def _conclude(self, *, wait_again: bool) -> None:
        for run in self._running():
            was_cancelled = run.state is not None and run.state.is_cancelling()
            state: State[None] = Cancelled(message=STOPPED)
            if wait_again and not was_cancelled:
                state = Scheduled(scheduled_time=run.expected_start_time, message=LEFT)
            self._client.set_flow_run_state(run.id, state, force=True)

    def _running(self) -> list[FlowRun]:
        types = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]
        runs = self._client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types))),
            work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
        )
        return [run for run in runs if run.labels.get(WORKER_LABEL, self._worker) == self._worker]


def _within(seconds: float, do: Callable[[], None]) -> None:
    """Do it, but for no longer than this: a farm was once seen to wait for a minute or more; its server had just
    complained of a locked database."""

    def safely() -> None:
        with suppress(httpx.HTTPError, PrefectException):  # the server went first
            do()

    thread = threading.Thread(target=safely, name="ends runs", daemon=True)
    thread.start()
    thread.join(seconds)
