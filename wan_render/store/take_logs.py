"""Logs of attempts: logs/<shot>-take<n>-<key>-<attempt>.log, as the farm names them. They are for people: nothing reads
them, so the old ones may go at any time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wan_render.store.disk import disk_errors

MOST_LOGS, MOST_BYTES = 2000, 200_000_000
"""More than these are not kept from run to run: logs of some 1,000 takes, or a few that printed without end."""

AT_WORK_SECONDS = 86400.0
"""A log that was written so recently may be a running take's."""


@dataclass(frozen=True)
class KeptLog:
    """A log that is there. written: when last, in seconds since 1970."""

    file: Path
    bytes: int
    written: float


class Logs:
    """A folder of logs. Nothing is made in it before a take is rendered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def kept(self) -> tuple[KeptLog, ...]:
        """All that is there, the oldest first."""
        return tuple(sorted(self._kept(), key=lambda log: (log.written, log.file)))

    def delete(self, file: Path) -> None:
        """Remove one. Raises DiskError."""
        with disk_errors(file):
            file.unlink(missing_ok=True)

    def sweep(self, most: int = MOST_LOGS, most_bytes: int = MOST_BYTES) -> None:
        """Remove the oldest until no more than `most` are there, and no more than `most_bytes` in all; those of the
        last day stay."""
        kept = self.kept()
        count, size = len(kept), sum(log.bytes for log in kept)
        for log in kept:
            if (count <= most and size <= most_bytes) or time.time() - log.written < AT_WORK_SECONDS:
                return
            self.delete(log.file)
            count, size = count - 1, size - log.bytes

    def _kept(self) -> Iterator[KeptLog]:
        for file in self.folder.glob("*.log"):
            with suppress(OSError):  # another run removed it
                state = file.lstat()
                yield KeptLog(file, state.st_size, state.st_mtime)
