"""The state of a farm's devices, and the attempts' holds on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from wan_render.farm.device_place import DevicePlace, PlaceLock
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
    """One device of a farm: where it is, its process, and what the process has loaded.

    busy:            whether an attempt renders on it, at the take with `take_key`.
    writing:         how many rendered takes its process is still writing. They do not block the next attempt.
    wait_was_logged: whether the log already says that another run holds it.
    like:            for a device that has joined: the name of one that the orders know, and that can do the same.
    was_used:        whether an attempt was ever made on it. The device then stays locked by this run.
    """

    place: DevicePlace
    process: DeviceProcess | None = None
    loaded: LoadedModel | None = None
    take_key: str = ""
    busy: bool = False
    writing: int = 0
    wait_was_logged: bool = False
    was_used: bool = False
    like: str = ""

    def is_able(self, order: RenderOrder) -> bool:
        """Whether it can render an order."""
        return order.barred.isdisjoint((self.device.name, self.like))

    @property
    def device(self) -> Device:
        """The device."""
        return self.place.device

    @property
    def lock(self) -> PlaceLock:
        """Its lock."""
        return self.place.lock

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


def waiting_lines(held_devices: Iterable[HeldDevice]) -> Iterator[str]:
    """Which of these devices other runs hold, and which runs: one line for each run, and each device only once."""
    names_by_holder: dict[str, list[str]] = {}
    for held in held_devices:
        if not (held.busy or held.wait_was_logged or held.lock.obtainable()):
            held.wait_was_logged = True
            names_by_holder.setdefault(held.lock.holder(), []).append(held.device.name)
    for who, names in names_by_holder.items():
        yield f"waiting for {', '.join(names)}: {who}"
