"""Cancelling a run whose worker is gone.

A worker cancels by SIGTERM. Without one nobody tells the run's process, which would render on until the morning.
"""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException

POLL_SECONDS = 3.0
WORKER_SECONDS = 1.5
"""So long a living worker gets to cancel first: two signals would interrupt each other's cleaning up."""


class CancelWatch:
    """Reads the state of a run while it works; a context, for the main thread.

    Where the run was cancelled it raises TerminationSignal in the main thread, as a worker's SIGTERM does, and
    `cancelled` says so.
    """

    def __init__(self, flow_run: UUID) -> None:
        self.cancelled = False
        self._flow_run = flow_run
        self._over = threading.Event()
        self._main = threading.get_ident()

    def __enter__(self) -> Self:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("a signal reaches the main thread only")
        threading.Thread(target=self._watch, name="watches for a cancel", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()

    def _watch(self) -> None:
        with get_client(sync_client=True) as client:
            while not self._over.wait(POLL_SECONDS):
                try:
                    state = client.read_flow_run(self._flow_run).state
                except (httpx.HTTPError, PrefectException):
                    continue  # the server restarts; the film goes on
                if _is_cancelled(state) and not self._over.wait(WORKER_SECONDS):
                    self._cancel()
                    return

    def _cancel(self) -> None:
        self.cancelled = True
        # To that thread and no other: it wakes up from whatever it waits for.
        signal.pthread_kill(self._main, signal.SIGTERM)


def _is_cancelled(state: State | None) -> bool:
    return state is not None and (state.is_cancelling() or state.is_cancelled())
