"""How long something showed no progress. Time in which this process itself was stopped (Ctrl-Z, a frozen container) is
not counted: what it watches may have gone on, and may not have been heard."""

from __future__ import annotations

import threading
import time

from wan_render.settings import machine_settings

SLICE_SECONDS = 1.0
"""The longest wait between two looks."""

LATE_SECONDS = 1.0
"""How much later than asked a wait may end on a busy machine. The rest counts as a stop of this process."""


def patience(seconds: float) -> float:
    """A time limit on this machine: WAN_RENDER_PATIENCE times its default."""
    return seconds * machine_settings().patience


def overran(seconds: float, doing: str, limit: float) -> str:
    """What a watchdog says: which phase, how long, which limit."""
    return f"showed no progress for {_short(seconds)} while {doing} (limit {_short(limit)})"


def _short(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


class QuietTime:
    """Seconds without progress. Thread-safe. Look at it at least once every SLICE_SECONDS."""

    def __init__(self) -> None:
        self._seconds, self._looked = 0.0, time.monotonic()
        self._lock = threading.Lock()

    def progress(self) -> None:
        """Something went on."""
        with self._lock:
            self._seconds, self._looked = 0.0, time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the last progress."""
        with self._lock:
            now = time.monotonic()
            self._seconds += min(now - self._looked, SLICE_SECONDS + LATE_SECONDS)
            self._looked = now
            return self._seconds
