"""Upscales and retimes clips on a device of this machine, in a process of its own that frees the device's memory."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from wan_render.devices import local_devices
from wan_render.errors import OutOfMemoryError
from wan_render.farm.device_lending import DeviceLending, LentDevice
from wan_render.farm.farm_settings import FarmSettings, Stall
from wan_render.farm.process.channel import OrderMessage, Start
from wan_render.farm.process.device_process import DeviceProcess
from wan_render.farm.process.process_link import LocalProcess
from wan_render.printable import logger
from wan_render.production.clip_finisher import ClipWork
from wan_render.settings import MachineSettings, machine_settings
from wan_render.store.disk import disk_errors

KINDS = ("cuda", "cpu")
"""Devices that can run the networks, best first."""

HANDLER = "wan_render.farm.process.finish_handler:finish_clips"

STALL = Stall(beginning=1800.0, step=1800.0, warm_step=1800.0)
"""A frame takes a large network minutes on a busy CPU, and a video pipeline gives the first frame of a part when it has
computed all of them. A clip that is given up costs the film."""

_POLL_SECONDS = 0.5

_log = logger(__name__)


class DeviceFinisher:
    """Calls to it finish clips, one after the other; see production.clip_finisher.FinishesClips.

    When the first clip comes, a farm that is at work lends it a device. Without a farm it takes the first device that
    no other run holds, and waits for one if all are held. As a context manager it ends its process and gives the device
    back.
    """

    def __init__(
        self,
        store: Path,
        waiting: Callable[[str], None] = _log.warning,
        lending: DeviceLending | None = None,
        settings: MachineSettings | None = None,
    ) -> None:
        """store: the outputs folder, for logs. waiting: called with a sentence if all devices are held. lending: of the
        farm that is at work in this process; None for none."""
        self._store, self._waiting, self._lending = store, waiting, lending
        self._settings = settings
        self._borrowed = ExitStack()
        self._process: DeviceProcess | None = None

    def __call__(self, job: ClipWork, progress: Callable[[int, int], None]) -> None:
        """Write `job.target`. Raises MachineError, what `progress` raises, and UsageError for devices that do not
        exist."""
        try:
            self._attempt(job, progress, emptied=False)
        except OutOfMemoryError as error:
            if self._lending is None:
                raise
            _log.warning("%s: once more, without the model that is loaded", error.problems[0].found)
            self._attempt(job, progress, emptied=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(kill=error is not None)

    @property
    def pid(self) -> int:
        """The id of its process; 0 while it has none."""
        return self._process.pid if self._process is not None else 0

    def _attempt(self, job: ClipWork, progress: Callable[[int, int], None], *, emptied: bool) -> None:
        log = _new_log(self._store, job)
        if self._process is None or not self._process.alive:
            self._end(kill=True)
            lent = self._lent(lambda: progress(0, job.frames), emptied=emptied)
            _log.info("finishing on %s, log %s", lent.device.name, log)
            link = LocalProcess(Start(HANDLER, lent.device, self._store.absolute()), lent.locks, log)
            self._process = DeviceProcess(lent.device, link, log)
        self._process.attempt(
            OrderMessage(job, "finishing", log), lambda event: progress(event.done, event.total), STALL
        )

    def _lent(self, patient: Callable[[], None], *, emptied: bool) -> LentDevice:
        """A device of the farm at work, or else one that no run holds."""
        lent = None
        if self._lending is not None:
            lent = self._borrowed.enter_context(self._lending.lend(patient, emptied=emptied))
        return lent or self._free(patient)

    def _free(self, patient: Callable[[], None]) -> LentDevice:
        """A device that no run holds, locked. patient: called while all are held; it may raise."""
        farm, said = FarmSettings(), False
        locks = [(device, farm.lock(device)) for device in local_devices(self._settings or machine_settings(), KINDS)]
        while True:
            for device, lock in locks:
                if lock.acquire():
                    self._borrowed.callback(lock.release)
                    return LentDevice(device, lock.files)
            if not said:
                said = True
                names = ", ".join(device.name for device, _ in locks)
                self._waiting(f"finishing waits for {names}: {locks[0][1].holder()}")
            patient()
            time.sleep(_POLL_SECONDS)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        try:
            if process is not None and kill:
                process.kill()
                process.wait()
            elif process is not None:
                process.close()
        finally:
            self._borrowed.close()


def _new_log(store: Path, job: ClipWork) -> Path:
    """logs/finish-<clip>.log; a further attempt appends to it."""
    folder = store.absolute() / "logs"
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"finish-{re.sub(r'[^0-9a-zA-Z]', '', job.clip.parent.name)[:12]}.log"
        log.touch()
    return log
