"""Which devices get no more work. Pure."""

from __future__ import annotations

from collections import defaultdict


class Quarantine:
    """Devices on which `shots` different takes failed with nothing finished between are suspected, not the takes.

    Where that is true of every device, it is true of none: the fault is elsewhere.
    """

    def __init__(self, devices: tuple[str, ...], shots: int) -> None:
        self._devices, self._shots = devices, shots
        self._failures: defaultdict[str, set[str]] = defaultdict(set)

    def failed(self, device: str, key: str) -> bool:
        """Note a failure that was not the take's fault; whether the device now goes into quarantine."""
        before = self.allows(device)
        self._failures[device].add(key)
        return before and not self.allows(device)

    def finished(self, device: str) -> None:
        """The device has shown that it works."""
        self._failures[device].clear()

    def allows(self, device: str) -> bool:
        """Whether the device gets work."""
        return not self._suspected(device) or all(map(self._suspected, self._devices))

    def _suspected(self, device: str) -> bool:
        return len(self._failures[device]) >= self._shots
