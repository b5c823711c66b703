"""Which devices are quarantined. Pure."""

from __future__ import annotations

from collections import defaultdict


class Quarantine:
    """A device is quarantined if `shots` different takes failed on it with no success between.

    If that is true of every device, none is quarantined: the fault is elsewhere.
    """

    def __init__(self, devices: tuple[str, ...], shots: int) -> None:
        self._devices, self._shots = list(devices), shots
        self._failures: defaultdict[str, set[str]] = defaultdict(set)

    def add(self, device: str) -> None:
        """Another device has joined. Nothing is known of it."""
        self._devices.append(device)
        self.release(device)

    def remove(self, device: str) -> None:
        """A device has left."""
        self._devices.remove(device)

    def failed(self, device: str, key: str) -> bool:
        """Note a failure that was not the take's fault; whether the device is quarantined from now on."""
        before = self.allows(device)
        self._failures[device].add(key)
        return before and not self.allows(device)

    def finished(self, device: str) -> None:
        """Note that the device rendered a take."""
        self.release(device)

    def release(self, device: str) -> None:
        """Forget the failures on a device: somebody has looked at it."""
        self._failures[device].clear()

    def allows(self, device: str) -> bool:
        """Whether the device may get takes."""
        return not self._suspected(device) or all(map(self._suspected, self._devices))

    def _suspected(self, device: str) -> bool:
        return len(self._failures[device]) >= self._shots
