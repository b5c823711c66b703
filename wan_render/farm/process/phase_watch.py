"""The watchdog of an attempt: how long its phase may go on without progress."""

from __future__ import annotations

from wan_render.farm.farm_settings import Stall
from wan_render.quiet_time import SLICE_SECONDS, QuietTime, overran, patience
from wan_render.render_values import Phase, Progress

TAKE_TIMES = 2.0
"""Any other phase may take this many times as long as the whole take is expected to take."""

SLOWEST_TIMES = 10.0
"""From the third step on, a step may take this many times as long as the slowest before it. The first two also warm up
kernels and move weights."""

WARM_STEPS = 2

GRACE_SECONDS = 1.0
"""A stalled process gets this much longer: events that it has sent may be unread, if the farm had no CPU."""


class PhaseWatch:
    """Progress is an event that differs from the one before it: an event that is only repeated is none.

    WAITING is an exception, because it measures nothing: its limit is for the silence between two events. How long a
    take waits for another run in all is limited where it waits (production.render_take).
    """

    def __init__(self, stall: Stall, expected: float = 0.0, *, is_ready: bool = True) -> None:
        """expected: seconds that the take is expected to take; 0 if unknown. is_ready: whether the process has
        started."""
        self._stall, self._expected = stall, expected
        self._quiet = QuietTime()
        self._last: Progress | None = None
        self._slowest = 0.0
        self.limit = 0.0
        """Seconds that the current phase may go on without progress."""
        self._enter(*(("beginning", stall.beginning) if is_ready else ("starting", stall.starting)))

    def ready(self) -> None:
        """The process takes orders now."""
        self._enter("beginning", self._stall.beginning)

    def hear(self, progress: Progress) -> None:
        """An event of the attempt."""
        if progress == self._last and progress.phase is not Phase.WAITING:
            return
        self._measure(progress)
        self._last = progress
        self._enter(progress.phase.value, self._least_for(progress))

    @property
    def wait_seconds(self) -> float:
        """How long to wait for the next event before `verdict` is asked again; 0 if the limit is reached."""
        return max(0.0, min(SLICE_SECONDS, self.limit + GRACE_SECONDS - self._quiet.seconds))

    def overrun(self) -> str:
        """What is wrong, in words: which phase, how long, which limit."""
        at = f" {self._last.done} of {self._last.total}" if self._last is not None and self._last.total else ""
        return overran(self._quiet.seconds, f"{self._doing}{at}", self.limit)

    def _enter(self, doing: str, least: float) -> None:
        self._doing, self.limit = doing, patience(least)
        self._quiet.progress()

    def _measure(self, progress: Progress) -> None:
        """Note how long a step took. Steps between which something else happened are left out."""
        last = self._last
        if last is not None and last.phase is progress.phase is Phase.STEP and progress.done > last.done:
            self._slowest = max(self._slowest, self._quiet.seconds)

    def _least_for(self, progress: Progress) -> float:
        least = self._stall.of(progress.phase)
        if progress.phase is Phase.WAITING:
            return least
        if progress.phase is not Phase.STEP:
            return max(least, TAKE_TIMES * self._expected)
        if progress.done > WARM_STEPS and self._slowest:
            return max(self._stall.warm_step, SLOWEST_TIMES * self._slowest)
        return max(least, self._stall.expected_times * self._expected / max(progress.total, 1))
