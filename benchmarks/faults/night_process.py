"""`wan-render` with the campaign's backend, two CPU devices, and a wall clock that the campaign can set.

python -m benchmarks.faults.night_process night storyboards --backend faults
"""

from __future__ import annotations

import faulthandler
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.faults.fault_backend import CONTROL
from wan_render import backends, devices
from wan_render.farm.clocks import SystemClock
from wan_render.farm.ordering.backlog import Now
from wan_render.render_values import Device
from wan_render.settings import MachineSettings

CLOCK = "clock"
"""A file in the campaign's folder: by how many seconds the wall clock is wrong."""


def _two(_settings: MachineSettings, _kinds: Sequence[str]) -> tuple[Device, ...]:
    cpu = devices.cpu()
    return cpu, replace(cpu, name="cpu:1")


def _now(_clock: SystemClock) -> Now:
    try:
        wrong = float((Path(os.environ[CONTROL]) / CLOCK).read_text())
    except FileNotFoundError:
        wrong = 0.0
    return Now(time.time() + wrong, time.monotonic())


def prepare() -> None:
    """Before anything imports what is replaced by its name."""
    faulthandler.enable()
    backends.MODULES["faults"] = "benchmarks.faults.fault_backend"
    devices.local_devices = _two  # type: ignore[assignment] # the commands and flows import it by name, later
    setattr(SystemClock, "now", _now)  # noqa: B010 - the clock of the night; mypy lets nobody assign a method


def main() -> int:
    prepare()
    from wan_render.cli import main as wan_render

    return wan_render(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
