"""How long an attempt really took, compared with its estimate."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.render_values import Phase


@dataclass
class AttemptTiming:
    """Seconds of one attempt's work, as estimates count them: without loading, and without waiting for others.

    devices: how many render it. Times are of a steady clock, in seconds.
    """

    devices: int = 0
    work: float = 0.0
    was_written: bool = False
    _phase: Phase | None = None
    _since: float = 0.0

    def hear(self, phase: Phase, now: float) -> None:
        """This phase begins, or goes on. Before the first one, a process is started."""
        self._count(now)
        self._phase = phase
        self.was_written |= phase is Phase.WRITING

    def finish(self, now: float) -> float | None:
        """The attempt succeeded: seconds of one device's work. None if it says nothing about estimates: a group
        rendered the take, or another run did."""
        self._count(now)
        return self.work if self.devices == 1 and self.was_written else None

    def _count(self, now: float) -> None:
        if self._phase not in (None, Phase.WAITING, Phase.LOADING):
            self.work += now - self._since
        self._since = now
