"""A run of film/now that a night took out of the queue: it asks for its approval if it has to, follows its film, and
ends with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.states import Cancelled, Failed, Scheduled

from flows.runs.night_tasks import CLOSE_SECONDS, run_of, safely
from wan_render.errors import Stopped, WanRenderError
from wan_render.night.film_tonight import FilmTonight
from wan_render.printable import logger

Join = Callable[[], FilmTonight | None]
"""Returns the film of the night that a run follows; None if the night takes no more films. Called in the run. It may
ask for an approval, which raises Pause."""

_log = logger(__name__)


class FollowedRun:
    """Such a run, in a thread of its own. film: the one that it follows; None until it has joined the night.

    The engine of Prefect runs it here: its states and heartbeats are those of any run. Without `end` it waits in the
    queue again. A run that has asked for its approval is over here, too: it comes back when it was approved.
    """

    def __init__(
        self, run: FlowRun, slug: str, file: Path, join: Join, has_joined: Callable[[FollowedRun], None]
    ) -> None:
        """file: the storyboard. has_joined: called when `join` has returned."""
        self.run, self.slug, self.file = run, slug, file
        self.film: FilmTonight | None = None
        self._join, self._has_joined = join, has_joined
        self._state: State[None] | None = None
        self._over = threading.Event()
        # In the night's context: an engine without a parent would tell the worker that its process has finished.
        self._thread = threading.Thread(target=copy_context().run, args=(self._hold_apart,), daemon=True)
        self._thread.start()

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to follow."""
        return not self._thread.is_alive()

    def end(self, state: State[None]) -> None:
        """The film has ended. The first state counts."""
        self._state = self._state or state
        self._over.set()

    def close(self) -> None:
        """The night has ended, with or without the film."""
        self._over.set()
        self._thread.join(CLOSE_SECONDS)

    def _hold_apart(self) -> None:
        """A run that is suspended must not suspend the night: an engine shares its parent's request to be suspended."""
        night = FlowRunContext.get()
        if night is None:
            self._hold()
            return
        request = type(night.flow_run_suspension_request)()
        with night.model_copy(update={"flow_run_suspension_request": request}):
            self._hold()

    def _hold(self) -> None:
        is_asking = False

        def follow() -> State[None]:
            nonlocal is_asking
            try:
                self.film = self._join()
                self._has_joined(self)
            except Pause:
                is_asking = True
                raise
            except Stopped as error:
                self._state = Cancelled(message=str(error))
            except WanRenderError as error:
                self._state = Failed(message=str(error))
            if self.film is not None:
                _log.info("%s is rendered in the night that runs", self.slug)
                self._over.wait()
            return self._state or Cancelled(message="its night was stopped")

        def hold() -> None:
            try:
                run_of(self.slug, self.file, follow, self.run)
            except Pause:
                _log.info("%s waits for its approval", self.slug)

        safely(self.slug, hold)
        if self._state is None and not is_asking:
            safely(self.slug, self._wait_again)

    def _wait_again(self) -> None:
        with get_client(sync_client=True) as client:
            again: State[None] = Scheduled(message="waits again: its night has ended without it")
            client.set_flow_run_state(self.run.id, again, force=True)
