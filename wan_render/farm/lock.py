"""One lock for each device of this machine: flock on a file, so that the kernel frees it on any death.

The farm hands its open file to the device process; the lock is free when both are gone.
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from wan_render.errors import MachineError, Problem
from wan_render.render import Device


class DeviceLock:
    """The lock of one device, for one farm. Not safe for several threads: the farm calls it under its own lock."""

    def __init__(self, folder: Path, device: Device) -> None:
        _private(folder)
        self._path = folder / (re.sub(r"[^A-Za-z0-9-]", "-", device.pin or device.name) + ".lock")
        self._file: int | None = None

    @property
    def held(self) -> bool:
        """Whether it is ours."""
        return self._file is not None

    @property
    def file(self) -> int:
        """The open file that is the lock, to be inherited by the device process. Held only."""
        if self._file is None:
            raise ValueError("the lock is not held")
        return self._file

    def take(self) -> bool:
        """Whether it is ours now; never waits. Raises MachineError where there can be no lock."""
        if self._file is None:
            with _machine_errors(self._path):
                self._file = self._locked()
        return self.held

    def obtainable(self) -> bool:
        """Whether it is ours or could be. Raises as `take` does."""
        if self.held:
            return True
        taken = self.take()
        self.release()
        return taken

    def holder(self) -> str:
        """Who holds it, in words."""
        with suppress(OSError):
            if pid := self._path.read_text(encoding="ascii").strip():
                return f"process {pid}"
        return "another run"

    def release(self) -> None:
        """Let go; a device process that still lives keeps it."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _locked(self) -> int | None:
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        if not self._still_there(file):  # deleted between open and flock: somebody else may have made it anew
            os.close(file)
            return None
        os.ftruncate(file, 0)
        os.write(file, str(os.getpid()).encode())
        return file

    def _still_there(self, file: int) -> bool:
        with suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file), self._path.stat())
        return False


def _private(folder: Path) -> None:
    """Make the folder; refuse one that belongs to somebody else."""
    with _machine_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        owner = folder.lstat().st_uid
    if owner != os.getuid():
        raise MachineError(
            Problem(str(folder), f"belongs to user {owner}", "device locks need a folder of your own", "set TMPDIR")
        )


@contextmanager
def _machine_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MachineError(
            Problem(str(path), f"cannot be a device's lock: {error.strerror}", remedy="set TMPDIR")
        ) from error
