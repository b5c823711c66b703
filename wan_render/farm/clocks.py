"""The clocks of a run. A night ends by the wall clock; how long something takes is measured by a steady one."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from wan_render.farm.ordering.backlog import Now


class Clocks(Protocol):
    """What time it is."""

    def now(self) -> Now:
        """This moment."""

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        """Wait until the condition is notified, for at most this many seconds; None is for as long as it takes."""


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> Now:
        """This moment. The wall clock may jump: somebody sets it, or a server corrects it."""
        return Now(time.time(), time.monotonic())

    def wait(self, changed: threading.Condition, seconds: float | None) -> None:
        """See Clocks.wait."""
        changed.wait(seconds)
