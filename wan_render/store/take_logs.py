"""Logs of attempts: logs/<shot>-take<n>-<key>-<attempt>.log, as the farm names them. Only people read them, so old ones
may be deleted at any time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wan_render.store.disk import disk_errors
from wan_render.take import short

MOST_LOGS, MOST_BYTES = 2000, 200_000_000
"""How many logs and bytes are kept between runs: logs of about 1,000 takes, or a few endless ones."""

AT_WORK_SECONDS = 86400.0
"""A log that was written more recently may belong to a running take."""


@dataclass(frozen=True)
class KeptLog:
    """An existing log. written: the time of the last write, in seconds since 1970."""

    file: Path
    bytes: int
    written: float


class Logs:
    """A folder of logs. It is created when the first take is rendered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self) -> tuple[KeptLog, ...]:
        """All logs, oldest first."""
        return tuple(sorted(self._kept(), key=lambda log: (log.written, log.file)))

    def newest_of(self, key: str) -> Path | None:
        """The log of the last attempt at a take; None if there is none."""
        logs = [log for log in self._kept(f"*-{short(key)}-*.log") if "-rank" not in log.file.stem]
        return max(logs, key=lambda log: log.written).file if logs else None

    def delete(self, file: Path) -> None:
        """Remove a log. Raises DiskError."""
        with disk_errors(file):
            file.unlink(missing_ok=True)

    def sweep(self, most: int = MOST_LOGS, most_bytes: int = MOST_BYTES) -> None:
        """Remove the oldest logs until at most `most` logs and `most_bytes` bytes are left. Logs of the last day are
        kept."""
        kept = self.kept()
        count, size = len(kept), sum(log.bytes for log in kept)
        for log in kept:
            if (count <= most and size <= most_bytes) or time.time() - log.written < AT_WORK_SECONDS:
                return
            self.delete(log.file)
            count, size = count - 1, size - log.bytes

    def _kept(self, pattern: str = "*.log") -> Iterator[KeptLog]:
        for file in self.folder.glob(pattern):
            with suppress(OSError):  # another run removed it
                state = file.lstat()
                yield KeptLog(file, state.st_size, state.st_mtime)
