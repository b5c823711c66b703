"""The farm of a Ray cluster."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from wan_render.errors import MachineError, Problem
from wan_render.farm.cluster.hosted_devices import HostedDevices, HostedPlace
from wan_render.farm.cluster.ray_cluster import WHERE, connect
from wan_render.farm.device_farm import DeviceFarm
from wan_render.farm.device_place import DevicePlace, LocalPlace
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.held_devices import make_of
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder
from wan_render.quiet_time import patience
from wan_render.render_values import Device
from wan_render.store.disk import disk_errors

OPENING_SECONDS = 20.0
"""How long the farm waits for the rest of its devices once it has the first. Later ones join it."""

DESERTED_SECONDS = 300.0
"""How long takes wait for a device after the last one was lost: a node may be starting again."""

NO_GROUPS = "a farm on Ray forms no groups"

_log = logger(__name__)


class RayFarm(DeviceFarm):
    """A Farm of the devices that a Ray cluster has. Nodes may be lost and join while it renders.

    Every device is held from the beginning until the farm ends. All nodes see the outputs folder at the same path:
    device processes publish their takes there themselves, as on one machine. Groups of devices are not formed.
    """

    def __init__(self, devices: Sequence[Device], store_root: Path, settings: FarmSettings | None = None) -> None:
        """devices: as `cluster_devices` found them; the orders are made for these. Others of this machine may be among
        them. Returns when the first of the cluster can be used. Raises MachineError, UsageError or DiskError."""
        connect()
        settings = replace(settings or FarmSettings(), groups="off", why_off=NO_GROUPS, memory=None)
        self._expected = {device.name: device for device in devices if device.machine}
        here = [device for device in devices if not device.machine]
        self._opened: list[HostedPlace] = []
        self._refusals: list[Problem] = []
        self._is_built, self._opening = False, threading.Condition()
        self._listeners: list[Callable[[], None]] = []
        self._deserted_since: float | None = None
        self._mark = _marked(store_root.absolute())
        kind = next(iter(self._expected.values())).kind
        self._hosts = HostedDevices(kind, store_root.absolute(), self._mark.name, self._open, self._lose, self._refuse)
        try:
            self._await_devices()
            places: list[DevicePlace] = [LocalPlace(device, settings.lock(device)) for device in here]
            with self._opening:
                super().__init__([*places, *self._opened], store_root, settings)
                self._is_built = True
        except BaseException:
            self._end()
            raise

    def on_change(self, changed: Callable[[], None]) -> None:
        """See farm_contract.DevicesMayChange."""
        self._listeners.append(changed)

    def stop(self) -> None:
        """See Farm.stop."""
        super().stop()
        self._end()

    def close(self) -> None:
        """See Farm.close."""
        super().close()
        self._end()

    def _refuse_if_none_is_able(self, order: RenderOrder) -> None:
        """Wait a while for another node before an order is refused."""
        if self._held_devices:
            self._deserted_since = None
            super()._refuse_if_none_is_able(order)
            return
        self._deserted_since = self._deserted_since or time.monotonic()
        if time.monotonic() - self._deserted_since > patience(DESERTED_SECONDS):
            raise MachineError(Problem(WHERE, "has no node left that renders", remedy="see `ray status`; render again"))

    # What happens in the cluster

    def _open(self, place: HostedPlace) -> None:
        with self._opening:
            if not self._is_built:
                self._opened.append(place)
                self._opening.notify_all()
                return
        name, like = place.device.name, self._like(place.device)
        if not like:
            _log.warning("%s has joined; it renders from the next run on, since no take was planned for its make", name)
            return
        _log.warning("%s has joined", name)
        self.join(place, like)
        self._tell()

    def _lose(self, place: HostedPlace) -> None:
        with self._opening:
            if not self._is_built:
                self._opened.remove(place)
                return
        self.leave(place)
        self._tell()

    def _refuse(self, problem: Problem) -> None:
        with self._opening:
            self._refusals.append(problem)
            self._opening.notify_all()

    def _tell(self) -> None:
        for changed in self._listeners:
            changed()

    def _like(self, device: Device) -> str:
        """The device whose orders it can render, since it is of the same make; "" if there is none."""
        if device.name in self._expected:
            return device.name
        alike = (name for name, each in self._expected.items() if make_of(each) == make_of(device))
        return next(alike, "")

    def _await_devices(self) -> None:
        """Wait for the first device, and then for the others, but not for long."""
        with self._opening:
            while not self._opened:
                self._opening.wait(1.0)
                if not self._opened and len(self._refusals) >= len(self._expected):
                    raise MachineError(*dict.fromkeys(self._refusals))
            self._opening.wait_for(self._are_all_decided, patience(OPENING_SECONDS))

    def _are_all_decided(self) -> bool:
        return len(self._opened) + len(self._refusals) >= len(self._expected)

    def _end(self) -> None:
        self._hosts.end()
        with disk_errors(self._mark):
            self._mark.unlink(missing_ok=True)


def _marked(store: Path) -> Path:
    """A new file in the store, by which nodes see that it is theirs as well."""
    mark = store / f".ray-{uuid.uuid4().hex[:12]}"
    with disk_errors(mark):
        store.mkdir(parents=True, exist_ok=True)
        mark.touch(exist_ok=False)
    return mark
