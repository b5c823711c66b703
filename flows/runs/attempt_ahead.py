"""An attempt that begins before its task, so the task's bar in the UI is its work, without the wait for a device."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context

from prefect.client.schemas.objects import State


class AttemptAhead:
    """An attempt in a thread of its own. Whoever made it waits for it to work, begins the task, and joins it there.

    attempt: makes it; calls its argument once, when work begins. context: what the thread belongs to until its task
    has begun; from then on, what it logs belongs to the task.
    """

    def __init__(self, attempt: Callable[[Callable[[], None]], State[None]], context: Context) -> None:
        self._attempt = attempt
        self._works, self._entered = threading.Event(), threading.Event()
        self._ended: Future[State[None]] = Future()
        self._task = Context()
        threading.Thread(target=context.run, args=(self._run,), name="attempts", daemon=True).start()

    def wait(self) -> None:
        """Return when it works, or has ended."""
        self._works.wait()

    def join(self) -> State[None]:
        """What it comes to; in its task. Raises what the attempt raises."""
        self._task = copy_context()
        self._entered.set()
        return self._ended.result()

    def leave(self) -> None:
        """Let it go on without a task: there was none after all."""
        self._entered.set()

    def _run(self) -> None:
        try:
            self._ended.set_result(self._attempt(self._begin))
        except BaseException as error:  # noqa: BLE001 - `join` raises it
            self._ended.set_exception(error)
        finally:
            self._works.set()

    def _begin(self) -> None:
        self._works.set()
        self._entered.wait()
        for variable, value in self._task.items():
            variable.set(value)
