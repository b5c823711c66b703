"""Whether the process of a run lives: it holds a lock on a file in the farm's folder.

The kernel frees the lock however the process ends. A process number could by then be another program's. No prefect
here: the lock is taken before a run's process imports anything.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

FOLDER = "runs"
"""In the farm's folder: an empty file for each run that has a process."""

ATTEMPTS, ATTEMPT_SECONDS = 100, 0.1
"""The farm takes the lock for a moment when it looks (`is_held`), which may be seconds on a busy machine; another
process of the run keeps it."""


def hold(home: Path, run: str) -> bool:
    """Take a run's lock until this process ends; False if another process has it. Raises OSError."""
    file = home / FOLDER / run
    file.parent.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)  # not inherited by what this one starts
    for _ in range(ATTEMPTS):
        with suppress(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(ATTEMPT_SECONDS)
    os.close(descriptor)
    return False


def is_held(home: Path, run: str) -> bool:
    """Whether a process of this machine works on a run."""
    try:
        descriptor = os.open(home / FOLDER / run, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def held_runs(home: Path) -> tuple[str, ...]:
    """The runs that have a process on this machine."""
    folder = home / FOLDER
    return tuple(file.name for file in sorted(folder.iterdir()) if is_held(home, file.name)) if folder.is_dir() else ()


def remove_free(home: Path) -> None:
    """Remove the files of processes that have ended. Only while no worker starts new ones."""
    folder = home / FOLDER
    for file in folder.iterdir() if folder.is_dir() else ():
        if not is_held(home, file.name):
            file.unlink(missing_ok=True)
