"""The state of a farm's devices, and the attempts' holds on them."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.ordering.loaded import LoadedModel
from wan_render.farm.process.device_process import DeviceProcess
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device

Model = tuple[str, str]
"""A backend's id and a model's identity."""

Make = tuple[str, str, int]
"""Kind, name and memory in bytes. Devices of one make are identical and may form a group."""


@dataclass(eq=False)
class HeldDevice:
    """One device of a farm: its lock, its process, and what the process has loaded.

    busy:            whether an attempt renders on it, at the take with `take_key`.
    writing:         how many rendered takes its process is still writing. They do not block the next attempt.
    wait_was_logged: whether the log already says that another run holds it.
    was_used:        whether an attempt was ever made on it. The device then stays locked by this run.
    """

    device: Device
    lock: DeviceLock
    process: DeviceProcess | None = None
    loaded: LoadedModel | None = None
    take_key: str = ""
    busy: bool = False
    writing: int = 0
    wait_was_logged: bool = False
    was_used: bool = False

    @property
    def make(self) -> Make:
        """The make of its device."""
        return make_of(self.device)


@dataclass(eq=False)
class DeviceHold:
    """An attempt's hold on a device: exclusive while it renders; shared with the next attempt while it is written."""

    held: HeldDevice
    process: DeviceProcess | None = None
    renders: bool = True

    def leave(self) -> None:
        """Rendering is done: the next attempt may begin on the device."""
        if self.renders:
            self.renders, self.held.busy = False, False
            self.held.writing += 1

    def end(self) -> None:
        """The attempt has ended."""
        self.leave()
        self.held.writing -= 1


def model_of(order: RenderOrder) -> Model:
    """The model that an order needs."""
    return order.backend.id, order.card.identity


def make_of(device: Device) -> Make:
    """The make of a device."""
    return device.kind, device.label, device.memory_bytes
