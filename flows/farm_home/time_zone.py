"""Whose 22:00 the schedules of a farm mean: a time zone, asked for once and kept in the farm's folder.

No prefect here.
"""

from __future__ import annotations

import sys
from pathlib import Path

from wan_render.errors import MachineError, Problem
from wan_render.night.zones import ZONE_EXAMPLES, is_zone, machine_zone

FILE = "zone"


def farm_zone(home: Path, *, asks: bool) -> tuple[str, str]:
    """The zone, and the sentence that says so. If none is kept yet, the person at the terminal is asked, if `asks`;
    otherwise it is the machine's own. Raises MachineError for a file that names no zone."""
    file = home / FILE
    if (kept := _kept(file)) is not None:
        return kept, f"schedules are in the time zone {kept} ({file})"
    machine = machine_zone()
    if asks:
        answered = _ask(machine)
        file.write_text(f"{answered}\n", encoding="utf-8")
        return answered, f"schedules are in the time zone {answered} (kept in {file})"
    return machine, f"schedules are in this machine's time zone, {machine}; for another, write its name to {file}"


def has_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def _kept(file: Path) -> str | None:
    try:
        name = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MachineError(Problem(str(file), f"cannot be read: {error}", remedy="remove it")) from error
    if not is_zone(name):
        raise MachineError(Problem(str(file), f"{name!r} is no time zone", ZONE_EXAMPLES, "correct it, or remove it"))
    return name


def _ask(machine: str) -> str:
    while True:
        sys.stdout.write(f"The schedules of the farm, such as 22:00: in which time zone? [{machine}] ")
        sys.stdout.flush()
        name = sys.stdin.readline().strip() or machine
        if is_zone(name):
            return name
        sys.stdout.write(f"{name!r} is no time zone; allowed are names {ZONE_EXAMPLES}\n")
