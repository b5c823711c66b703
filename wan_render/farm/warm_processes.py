"""The warm process of each device of a farm: started when it is first needed, and replaced after a failure."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from wan_render.farm.failure_meaning import stopped
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.held_devices import DeviceHold, HeldDevice
from wan_render.farm.ordering.loaded import loaded_by
from wan_render.farm.process.channel import Start
from wan_render.farm.process.device_process import DeviceProcess
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder

_log = logger(__name__)


class WarmProcesses:
    """Starts and ends the processes of a farm.

    store_root: absolute. changed: the lock of the farm, which guards what is held. is_stopped: whether the farm was
    stopped.
    """

    def __init__(
        self, settings: FarmSettings, store_root: Path, changed: threading.Condition, is_stopped: Callable[[], bool]
    ) -> None:
        self._settings, self._store_root = settings, store_root
        self._changed, self._is_stopped = changed, is_stopped

    def process_for(self, hold: DeviceHold, order: RenderOrder, log: Path) -> DeviceProcess:
        """The process on the held device; a new one if there is none or it died while idle. `stop` sees it at once."""
        held = hold.held
        with self._changed:
            self._refuse_if_stopped()
            self._replace_grown(held)
            if held.process is not None and not held.process.alive:
                held.process.kill()
                held.process = held.loaded = None
            if held.process is None:
                start = Start(self._settings.handler, held.device, self._store_root)
                link = held.place.start(start, log)
                held.process = DeviceProcess(held.device, link, log, self._settings.growth_bytes)
            hold.process, held.loaded = held.process, loaded_by(order) or held.loaded
            return held.process

    def _replace_grown(self, held: HeldDevice) -> None:
        """End a process whose memory keeps growing, as soon as it has written the take before."""
        if held.process is None or not held.process.growth.verdict:
            return
        self._changed.wait_for(lambda: self._is_stopped() or not held.writing)
        self._refuse_if_stopped()
        _log.warning("the process on %s is replaced: %s", held.device.name, held.process.growth.verdict)
        held.process.kill()
        held.process.wait()
        held.process = held.loaded = None

    def discard(self, hold: DeviceHold) -> None:
        """Remove a hold's process after a failure, unless it can be used again."""
        held, process = hold.held, hold.process
        if process is None or process.alive:
            return
        process.kill()
        if not self._is_stopped():  # its successor needs the device's memory
            process.wait()
        with self._changed:
            if held.process is process:
                held.process = held.loaded = None

    def _refuse_if_stopped(self) -> None:
        if self._is_stopped():
            raise stopped("the farm")
