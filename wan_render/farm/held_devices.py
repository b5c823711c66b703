"""What a farm keeps of its devices and of the attempts on them."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.farm.locks.device_lock import DeviceLock
from wan_render.farm.process.device_process import DeviceProcess
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device

Model = tuple[str, str]
"""A backend and a model: what a process is warm with."""

Make = tuple[str, str, int]
"""The same for two devices that may be in one group."""


@dataclass(eq=False)
class HeldDevice:
    """One device: who works on it, and with which model its process is warm.

    busy: an attempt renders on it, at the take `take`. writing: attempts that its process writes; they do not keep it
    from the next. told: whether it was said that another run holds it. was_used: whether an attempt was ever made on
    it: the device then stays this run's, as do the model that is loaded there and, after a failure, the next attempt.
    """

    device: Device
    lock: DeviceLock
    process: DeviceProcess | None = None
    model: Model | None = None
    take_key: str = ""
    busy: bool = False
    writing: int = 0
    wait_was_logged: bool = False
    was_used: bool = False

    def suits(self, model: Model) -> int:
        """Larger where less has to be loaded, or thrown away."""
        return 2 if self.model == model else 1 if self.model is None else 0

    @property
    def make(self) -> Make:
        """Of its device."""
        return make_of(self.device)


@dataclass(eq=False)
class DeviceHold:
    """An attempt's hold on a device: while it renders, alone; while it is written, beside the next."""

    held: HeldDevice
    process: DeviceProcess | None = None
    renders: bool = True

    def leave(self) -> None:
        """What is left needs no device."""
        if self.renders:
            self.renders, self.held.busy = False, False
            self.held.writing += 1

    def end(self) -> None:
        """Over."""
        self.leave()
        self.held.writing -= 1


def model_of(order: RenderOrder) -> Model:
    """What a process that renders it is warm with."""
    return order.backend.id, order.card.identity


def make_of(device: Device) -> Make:
    """Kind, name and memory."""
    return device.kind, device.label, device.memory_bytes
