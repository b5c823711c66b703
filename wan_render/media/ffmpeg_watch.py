"""The watchdog of an ffmpeg: it ends one that we wait for and that makes no progress."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from wan_render.quiet_time import SLICE_SECONDS, QuietTime, overran, patience

STALL_SECONDS = 180.0
"""How long ffmpeg may take for no frame. The slowest frames (4K, x264 medium, one busy core) take a few seconds."""

MOVED_BYTES_PER_SECOND = 10e6
"""At the end ffmpeg moves the whole file by a few bytes (fast start) and reports nothing: as fast as a slow disk."""

REPORT = ("-progress", "pipe:1")
"""Arguments that make ffmpeg report its progress on stdout, about twice a second."""

_MEASURES = (b"frame", b"out_time_us", b"total_size")
"""What grows in a report while ffmpeg makes progress."""


class FfmpegWatch:
    """Watches one ffmpeg while the block of `waiting` runs: it may wait for us without end.

    verdict: why it was killed, in words; "" if it was not.
    """

    def __init__(self, report: IO[bytes], kill: Callable[[], None]) -> None:
        """report: its stdout. kill: ends it."""
        self.verdict = ""
        self._report, self._kill = report, kill
        self._quiet, self._stall = QuietTime(), patience(STALL_SECONDS)
        self._measured: dict[bytes, bytes] = {}
        self._doing, self._is_over = "", threading.Event()
        self._threads = [
            threading.Thread(target=target, name="ffmpeg-watch", daemon=True) for target in (self._read, self._watch)
        ]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def waiting(self, doing: str) -> Iterator[None]:
        """We wait for ffmpeg. doing: what it does meanwhile, in words."""
        self._quiet.progress()
        self._doing = doing
        try:
            yield
        finally:
            self._doing = ""

    def close(self) -> None:
        """End the watch. The process has ended."""
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._report.close()

    @property
    def _limit(self) -> float:
        size = self._measured.get(b"total_size", b"")
        return self._stall + (int(size) / MOVED_BYTES_PER_SECOND if size.isdigit() else 0.0)

    def _read(self) -> None:
        for line in self._report:
            name, _, value = line.strip().partition(b"=")
            if name in _MEASURES and self._measured.get(name) != value:
                self._measured[name] = value
                self._quiet.progress()

    def _watch(self) -> None:
        while not self._is_over.wait(min(SLICE_SECONDS, self._limit / 4)):
            seconds, limit, doing = self._quiet.seconds, self._limit, self._doing
            if doing and seconds > limit:
                self.verdict = overran(seconds, doing, limit)
                self._kill()
                return
