"""Which machine this is, as leases name it."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from wan_render.settings import MACHINE_NAME, machine_settings

_BOOT = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class MachineIdentity:
    """A machine.

    name:   as people know it.
    flocks: equal for two runs that see each other's flocks, because one kernel keeps both.
    """

    name: str
    flocks: str


def this_machine() -> MachineIdentity:
    """The machine of this process. If flocks are local, runs that call their machine differently see none of each
    other's."""
    settings = machine_settings()
    name = settings.machine or _host()
    return MachineIdentity(name, _kernel() if settings.flock == "shared" else f"{_kernel()} {name}")


@cache
def _host() -> str:
    return re.sub(rf"[^{MACHINE_NAME}]", "-", socket.gethostname())[:64] or "unnamed"


@cache
def _kernel() -> str:
    """Differs between machines of one name, and after a reboot."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:  # no Linux
        return _host()
