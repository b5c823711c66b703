"""Whose 22:00 the schedules of a farm mean: a time zone, asked for once and kept in the farm's folder.

No prefect here.
"""

from __future__ import annotations

import os
import sys
import zoneinfo
from pathlib import Path

from wan_render.errors import MachineError, Problem

FILE = "zone"
UTC = "UTC"
LOCALTIME = Path("/etc/localtime")
"""A link to the file of the machine's zone."""

EXAMPLES = "such as Europe/Berlin, Asia/Shanghai or UTC"


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


def machine_zone() -> str:
    """The name of this machine's zone, from TZ or the system; UTC if it has none."""
    named = os.environ.get("TZ", "").lstrip(":")
    if not named and LOCALTIME.is_symlink():
        named = str(LOCALTIME.resolve()).partition("zoneinfo/")[2]
    return named if is_zone(named) else UTC


def is_zone(name: str) -> bool:
    """Whether a name is one of the zones of the IANA database, as this machine has it."""
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return bool(name)


def _kept(file: Path) -> str | None:
    try:
        name = file.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise MachineError(Problem(str(file), f"cannot be read: {error}", remedy="remove it")) from error
    if not is_zone(name):
        raise MachineError(Problem(str(file), f"{name!r} is no time zone", EXAMPLES, "correct it, or remove it"))
    return name


def _ask(machine: str) -> str:
    while True:
        sys.stdout.write(f"The schedules of the farm, such as 22:00: in which time zone? [{machine}] ")
        sys.stdout.flush()
        name = sys.stdin.readline().strip() or machine
        if is_zone(name):
            return name
        sys.stdout.write(f"{name!r} is no time zone; allowed are names {EXAMPLES}\n")
