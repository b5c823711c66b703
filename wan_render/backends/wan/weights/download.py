"""Download one file from a hub: resumed where it stopped, and checked."""

from __future__ import annotations

import hashlib
import time
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any

from wan_render.backends.wan.weights.meter import Meter
from wan_render.backends.wan.weights.weights_source import LostConnectionError, RemoteFile, WeightsSource
from wan_render.errors import Problem, WeightsError
from wan_render.store.disk import file_digest

PAUSES_SECONDS = (2.0, 8.0)
"""Before further attempts, in addition to those of huggingface_hub. Any progress resets the count."""


def download(file: RemoteFile, target: Path, source: WeightsSource, meter: Meter) -> None:
    """Download the file to `target`, which may hold its first bytes from an earlier run.

    Raises WeightsError if the bytes are not those that the hub lists; they are deleted. Raises MachineError if the hub
    cannot be read, Stopped, OSError; then the bytes are kept for the next run.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    target.touch()
    failures = 0
    while (have := target.stat().st_size) < file.size:
        try:
            with source.errors(file.path), _Growing(target, file.size, meter) as stream:
                source.append(stream, file, have)
        except LostConnectionError as fault:
            failures = 1 if target.stat().st_size > have else failures + 1
            if failures > len(PAUSES_SECONDS):
                raise
            meter.say(f"{file.path}: {fault.problems[0].found}; trying again")
            time.sleep(PAUSES_SECONDS[failures - 1])
        except WeightsError:
            break
    if not _agrees(target, file):
        target.unlink()
        found, expected = f"its bytes are not those that {source.title} lists", f"expected {file.checksum}"
        raise WeightsError(Problem(file.path, found, expected, "the same command downloads it again"))


class _Growing(BufferedWriter):
    """A file that is appended to. It counts its bytes and never gets longer than `most`."""

    def __init__(self, target: Path, most: int, meter: Meter) -> None:
        super().__init__(FileIO(target, "ab"))
        self._target, self._most, self._meter = target, most, meter

    def write(self, chunk: Any, /) -> int:
        """Raises WeightsError if the file would get too long, Stopped, OSError."""
        if self.tell() + len(chunk) > self._most:
            raise WeightsError(Problem(str(self._target), "is longer than listed"))
        self._meter.advance(len(chunk))
        return super().write(chunk)

    def truncate(self, size: int | None = None, /) -> int:
        """At the current position."""
        self._meter.advance(self.tell() - self._target.stat().st_size)
        return super().truncate(size)


def _agrees(target: Path, file: RemoteFile) -> bool:
    """The name of a git blob is the SHA-1 of its length and bytes."""
    kind, _, expected = file.checksum.partition(":")
    if kind == "sha256":
        return target.stat().st_size == file.size and file_digest(target) == expected
    blob = hashlib.sha1(b"blob %d\0" % file.size, usedforsecurity=False)
    with target.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: blob).hexdigest() == expected
