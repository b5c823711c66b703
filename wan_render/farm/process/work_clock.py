"""How long a take was worked on, as against how long it waited."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from wan_render.render_values import Phase


@dataclass
class WorkClock:
    """Seconds of work and of waiting. It waits until a phase of work is heard: before that, a device was not free."""

    work: float = 0.0
    waiting: float = 0.0
    is_working: bool = False
    _since: float = field(default_factory=lambda: time.monotonic())

    def hear(self, phase: Phase) -> None:
        """From now on it is this phase."""
        self.stop()
        self.is_working = phase is not Phase.WAITING

    def stop(self) -> None:
        """Count what has passed until now."""
        now = time.monotonic()
        if self.is_working:
            self.work += now - self._since
        else:
            self.waiting += now - self._since
        self._since = now
