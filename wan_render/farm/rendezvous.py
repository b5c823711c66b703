"""The folder in which the ranks of a group find each other: private, its own for each attempt, removed afterwards."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from wan_render.errors import MachineError, Problem

_BEGINNING = "group-"

_STALE_SECONDS = 7 * 86400.0
"""What is older belongs to a run that was killed: no take is rendered for a week."""


def make_rendezvous(locks: Path) -> Path:
    """A new, empty folder beside the devices' locks, for this user alone; stale ones are removed.

    Raises MachineError where there can be none.
    """
    try:
        _remove_stale(locks)
        return Path(tempfile.mkdtemp(prefix=_BEGINNING, dir=locks))
    except OSError as error:
        raise MachineError(
            Problem(str(locks), f"cannot hold a group's folder: {error.strerror}", remedy="set TMPDIR")
        ) from error


def remove_rendezvous(folder: Path) -> None:
    """With all that is in it. What cannot be removed is harmless: its name is not used again."""
    shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(locks: Path) -> None:
    for folder in locks.glob(f"{_BEGINNING}*"):
        with suppress(FileNotFoundError):  # another run was quicker
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                remove_rendezvous(folder)
