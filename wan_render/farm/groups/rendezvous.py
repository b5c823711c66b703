"""The folder in which the ranks of a group find each other: private, its own for each attempt, removed afterwards."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from wan_render.errors import MachineError, Problem

_BEGINNING = "wan-render-group-"

_STALE_SECONDS = 7 * 86400.0
"""What is older belongs to a run that was killed: no take is rendered for a week."""


def make_rendezvous(folder: Path | None = None) -> Path:
    """A new, empty folder for this user alone, in the machine's own TMPDIR unless another is named: ranks wait for each
    other's files there, which a home folder on a network does not show at once. Stale ones are removed.

    Raises MachineError where there can be none.
    """
    place = folder or Path(tempfile.gettempdir())
    try:
        _remove_stale(place)
        return Path(tempfile.mkdtemp(prefix=_BEGINNING, dir=place))
    except OSError as error:
        raise MachineError(
            Problem(str(place), f"cannot hold a group's folder: {error.strerror}", remedy="set TMPDIR")
        ) from error


def remove_rendezvous(folder: Path) -> None:
    """With all that is in it. What cannot be removed is harmless: its name is not used again."""
    shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(place: Path) -> None:
    for folder in place.glob(f"{_BEGINNING}*"):
        with suppress(FileNotFoundError):  # another run was quicker
            state = folder.lstat()
            if state.st_uid == os.getuid() and time.time() - state.st_mtime > _STALE_SECONDS:
                remove_rendezvous(folder)
