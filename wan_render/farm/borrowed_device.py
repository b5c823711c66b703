"""A device of this machine for something else than takes, in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wan_render.devices import local_devices
from wan_render.farm.farm_settings import FarmSettings, Stall
from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.process.channel import OrderMessage, Start
from wan_render.farm.process.device_process import DeviceProcess
from wan_render.farm.process.process_link import LocalProcess
from wan_render.render_values import Device
from wan_render.settings import MachineSettings
from wan_render.store.disk import disk_errors

KINDS = ("cuda", "cpu")
"""Devices that can run the models, best first."""


class BorrowedDevice:
    """It takes the first device that nobody holds, when the first job comes. It never waits for one, since this run's
    own farm may hold them all night: then it uses the CPU. As a context manager it ends its process and frees the
    device.
    """

    def __init__(
        self, store: Path, settings: MachineSettings, handler: str, log: str, all_in_use: Callable[[], None]
    ) -> None:
        """store: the outputs folder. handler: see channel.Start. log: the name of its log there. all_in_use: called if
        all devices are held."""
        self._store, self._settings, self._handler = store.absolute(), settings, handler
        self._log = self._store / "logs" / log
        self._all_in_use = all_in_use
        self._lock: DeviceLock | None = None
        self._process: DeviceProcess | None = None

    def attempt(self, job: object, name: str) -> Any:
        """The result of a job. Raises MachineError, and UsageError for devices that do not exist."""
        with disk_errors(self._log):
            self._log.parent.mkdir(parents=True, exist_ok=True)
            self._log.touch()
        if self._process is None or not self._process.alive:
            self._end(kill=True)
            device = self._device()
            locks = self._lock.files if self._lock is not None else ()
            link = LocalProcess(Start(self._handler, device, self._store), locks, self._log)
            self._process = DeviceProcess(device, link, self._log)
        return self._process.attempt(OrderMessage(job, name, self._log), lambda _progress: None, Stall())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kill=error is not None)

    def _device(self) -> Device:
        farm = FarmSettings()
        for device in local_devices(self._settings, KINDS):
            lock = farm.lock(device)
            if lock.acquire():
                self._lock = lock
                return device
        self._all_in_use()
        (cpu,) = local_devices(self._settings.model_copy(update={"devices": "cpu"}), ("cpu",))
        return cpu

    def _end(self, *, kill: bool) -> None:
        if self._process is not None:
            if kill:
                self._process.kill()
                self._process.wait()
            else:
                self._process.close()
        if self._lock is not None:
            self._lock.release()
        self._process = self._lock = None
