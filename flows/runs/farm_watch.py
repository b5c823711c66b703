"""What whoever runs the farm wants of a run while it renders: to drain, and to release a device."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from prefect.runtime import flow_run

from flows.farm_home.drain import is_draining
from flows.farm_home.home import farm_home
from flows.farm_home.quarantine_notes import QuarantineNotes
from wan_render.farm.device_farm import DeviceFarm
from wan_render.printable import logger

FARM_LOOK_SECONDS = 1.0
"""How often a run looks into the farm's folder."""

_log = logger(__name__)


class FarmWatch:
    """Looks into the farm's folder; a context, for the run's own thread.

    drain: called once, from another thread, if the farm drains. farm: its devices, as soon as there are any.
    """

    def __init__(self, drain: Callable[[], None], farm: Callable[[], DeviceFarm | None]) -> None:
        self._drain, self._farm = drain, farm
        self._home = farm_home(Path.cwd())
        self._notes = QuarantineNotes(self._home, str(flow_run.id))
        self._is_draining, self._over = False, threading.Event()

    def __enter__(self) -> Self:
        watch = partial(copy_context().run, self._watch)  # its log is that of the run
        self._thread = threading.Thread(target=watch, name="watches the farm's folder", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(FARM_LOOK_SECONDS)
        with suppress(OSError):
            self._notes.close()

    def _watch(self) -> None:
        while True:
            try:
                self._look()
            except OSError as error:
                _log.warning("the farm's folder can't be used at the moment: %s", error)
            if self._over.wait(FARM_LOOK_SECONDS):
                return

    def _look(self) -> None:
        if not self._is_draining and is_draining(self._home):
            self._is_draining = True
            _log.info("the farm drains: takes that have begun are finished, the others wait")
            self._drain()
        if (farm := self._farm()) is not None:
            for device in self._notes.tell(farm.quarantined):
                farm.release(device)
