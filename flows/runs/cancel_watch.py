"""Cancelling a run whose worker is gone.

A worker cancels by SIGTERM. Without one nobody tells the run's process, which would render on until the morning.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from types import TracebackType
from typing import Self
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.exceptions import PrefectException

POLL_SECONDS = 3.0
WORKER_SECONDS = 1.5
"""So long a living worker gets to cancel first: two signals would interrupt each other's cleaning up."""

ASK_SECONDS = 5.0
"""Longer than this nobody waits for the server's word on a signal; it may be away."""


class CancelWatch:
    """Reads the state of a run while it works; a context, for the main thread.

    Where the run was cancelled it raises TerminationSignal in the main thread, as a worker's SIGTERM does.
    """

    def __init__(self, flow_run: UUID) -> None:
        self._cancelled = False
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

    @property
    def cancelled(self) -> bool:
        """Whether a TerminationSignal means that somebody cancelled the run. The server knows: a worker says so too,
        but on a busy machine Prefect gives up after a second, and the run would be called Crashed."""
        if not self._cancelled:
            asking = threading.Thread(target=copy_context().run, args=(self._ask,), daemon=True)
            asking.start()
            asking.join(ASK_SECONDS)
        return self._cancelled

    def _ask(self) -> None:
        with suppress(httpx.HTTPError, PrefectException), get_client(sync_client=True) as client:
            if any(_is_cancelled(state) for state in _states(client, self._flow_run)):
                self._cancelled = True

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
        self._cancelled = True
        # To that thread and no other: it wakes up from whatever it waits for.
        signal.pthread_kill(self._main, signal.SIGTERM)


def _states(client: SyncPrefectClient, run: UUID) -> Iterator[State | None]:
    """The state of a run; then of the one that called it, as a batch calls its films."""
    found = client.read_flow_run(run)
    yield found.state
    if found.parent_task_run_id is not None:
        caller = client.read_task_run(found.parent_task_run_id).flow_run_id
        if caller is not None:
            yield from _states(client, caller)


def _is_cancelled(state: State | None) -> bool:
    return state is not None and (state.is_cancelling() or state.is_cancelled())
