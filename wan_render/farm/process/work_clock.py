"""How long a take was rendered, and how long it waited."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from wan_render.render_values import Phase


@dataclass
class WorkClock:
    """Seconds of work and of waiting. Until the first phase of work it waits: no device was free."""

    work: float = 0.0
    waiting: float = 0.0
    is_working: bool = False
    _since: float = field(default_factory=lambda: time.monotonic())

    def hear(self, phase: Phase) -> None:
        """This phase begins now."""
        self.stop()
        self.is_working = phase is not Phase.WAITING

    def stop(self) -> None:
        """Count the time until now."""
        now = time.monotonic()
        if self.is_working:
            self.work += now - self._since
        else:
            self.waiting += now - self._since
        self._since = now
