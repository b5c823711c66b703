"""Where a device of a farm is: how it is locked against other runs, and how a process is started on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.process.channel import Start
from wan_render.farm.process.process_link import LocalProcess, ProcessLink
from wan_render.render_values import Device


class PlaceLock(Protocol):
    """Keeps other runs off a device. `acquire` and `obtainable` never block. Not thread-safe: the farm holds a lock."""

    @property
    def held(self) -> bool:
        """Whether this farm holds it."""

    @property
    def weakness(self) -> str:
        """Who does not see this lock, in words; "" for nobody."""

    def acquire(self) -> bool:
        """Try to lock it; whether this farm holds it now."""

    def obtainable(self) -> bool:
        """Whether this farm holds it or could."""

    def holder(self) -> str:
        """Who else holds it, in words."""

    def describe(self, film: str, seconds: float) -> None:
        """Record what it is held for, and about how long. film: its slug."""

    def release(self) -> None:
        """Let other runs use the device."""


class DevicePlace(Protocol):
    """A device, its lock, and a way to start a process on it."""

    @property
    def device(self) -> Device:
        """The device, by the name that the farm uses."""

    @property
    def lock(self) -> PlaceLock:
        """Its lock."""

    def start(self, start: Start, log: Path) -> ProcessLink:
        """Start a process, while the lock is held. Does not block for long: the farm holds its lock. Raises
        DeviceError."""


@dataclass(frozen=True, eq=False)
class LocalPlace:
    """A device of this machine."""

    device: Device
    lock: DeviceLock

    def start(self, start: Start, log: Path) -> ProcessLink:
        """See DevicePlace."""
        return LocalProcess(start, self.lock.files, log)
