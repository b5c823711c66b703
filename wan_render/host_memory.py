"""How much host memory is available to this process: what the machine has, and what its control groups allow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_RECLAIMABLE = ("inactive_file", "active_file", "total_inactive_file", "total_active_file")
"""Cached files count as used by a control group, but the kernel frees them when memory is needed. The last two names
are those of cgroup v1."""


@dataclass(frozen=True)
class HostMemory:
    """Bytes of host memory. available: 0 if the system does not say. limit: what the machine has, or a smaller limit
    of a control group."""

    available: int
    limit: int


def host_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> HostMemory:
    """The memory as it is now. Linux only; elsewhere nothing is known. proc, groups: where the system tells."""
    machine = _numbers(proc / "meminfo", 1024)
    found = HostMemory(machine.get("MemAvailable", 0), machine.get("MemTotal", 0))
    for group in _control_groups(proc, groups):
        if group.limit < found.limit:
            found = HostMemory(min(found.available, group.available), group.limit)
    return found


def own_bytes(process: int, proc: Path = Path("/proc")) -> int | None:
    """Anonymous and shared memory of a process in bytes, without the files that it has mapped; None if the system does
    not say. Pinned memory counts as shared."""
    status = _numbers(proc / str(process) / "status", 1024)
    return status["RssAnon"] + status.get("RssShmem", 0) if "RssAnon" in status else None


def _control_groups(proc: Path, groups: Path) -> Iterator[HostMemory]:
    """The control group of this process, and those above it, as far as they limit memory."""
    for line in _text(proc / "self" / "cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        is_second = not controllers
        if not is_second and "memory" not in controllers.split(","):
            continue
        root = groups if is_second else groups / "memory"
        names = ("memory.max", "memory.current") if is_second else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        folder = root / path.strip("/")
        for place in (folder, *folder.parents):
            limit, used = (_text(place / name).strip() for name in names)
            if limit.isdigit() and used.isdigit():
                cached = _numbers(place / "memory.stat")
                first = 0 if is_second else 2
                files = sum(cached.get(name, 0) for name in _RECLAIMABLE[first : first + 2])
                yield HostMemory(max(0, int(limit) - int(used) + files), int(limit))
            if place == root:
                break


def _numbers(file: Path, unit: int = 1) -> dict[str, int]:
    """The lines `name number` or `name: number kB` of a file. unit: bytes of a number with a unit."""
    found = re.findall(r"^(\w+):?\s+(\d+)( kB)?$", _text(file), re.M)
    return {name: int(number) * (unit if kilo else 1) for name, number, kilo in found}


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text(encoding="ascii", errors="replace")
    return ""
