"""Whether a farm drains: an empty file in its folder.

The worker and the processes of runs look at it, so a drain needs no server, and concerns this machine alone. No
prefect here.
"""

from __future__ import annotations

import os
from pathlib import Path

from flows.farm_home.home import useless

DRAIN = "drain"


def ask_to_drain(home: Path) -> None:
    """From now on no take begins here. Raises MachineError if the folder can't be written."""
    try:
        os.close(os.open(home / DRAIN, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
    except OSError as error:
        raise useless(home, error) from error


def end_drain(home: Path) -> bool:
    """Let takes begin again; whether none could."""
    try:
        (home / DRAIN).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise useless(home, error) from error
    return True


def is_draining(home: Path) -> bool:
    """Whether no take may begin."""
    return os.path.lexists(home / DRAIN)
