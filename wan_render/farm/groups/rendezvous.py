"""The folder in which the ranks of a group meet: private, a new one for each attempt, removed afterwards."""

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
"""An older folder was left by a run that was killed: no take takes a week."""


def make_rendezvous(folder: Path | None = None) -> Path:
    """A new, empty, private folder, in TMPDIR by default. Removes stale ones.

    It should be on a local disk: ranks wait for each other's files, which a network file system may show late. Raises
    MachineError if it cannot be made.
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
    """Remove the folder and its content. A remainder is harmless: its name is not reused."""
    shutil.rmtree(folder, ignore_errors=True)


def _remove_stale(place: Path) -> None:
    for folder in place.glob(f"{_BEGINNING}*"):
        with suppress(FileNotFoundError):  # another run has removed it
            state = folder.lstat()
            if state.st_uid == os.getuid() and time.time() - state.st_mtime > _STALE_SECONDS:
                remove_rendezvous(folder)
