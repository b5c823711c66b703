"""What the devices of a run do, as far as the scheduler knows. Not thread-safe."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wan_render.farm.ordering.loaded import LoadedModel, loaded_by, misfit
from wan_render.production.render_order import RenderOrder


@dataclass(frozen=True)
class IdleDevice:
    """A device that renders nothing. loaded: None if nothing is loaded, or if that is not known."""

    name: str
    loaded: LoadedModel | None = None


class DevicesInUse:
    """Which orders are on which devices.

    An order that was begun waits until the farm has placed it. Until then it is assumed to get the device that suits it
    best, as the farm would choose.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._loaded: dict[str, LoadedModel | None] = dict.fromkeys(self.names)
        self._placed: dict[RenderOrder, tuple[str, ...]] = {}
        self._waiting: dict[RenderOrder, None] = {}

    def follow(self, names: Sequence[str]) -> None:
        """These are the devices from now on. On one that has joined, nothing is loaded."""
        self.names = tuple(names)
        self._loaded = {name: self._loaded.get(name) for name in self.names}

    def load(self, loaded: Mapping[str, LoadedModel | None]) -> None:
        """These devices have loaded this before the run began."""
        self._loaded |= loaded

    def begin(self, order: RenderOrder) -> None:
        """The order waits for a device, unless it already has one."""
        if order not in self._placed:
            self._waiting.setdefault(order)

    def place(self, order: RenderOrder, names: Sequence[str]) -> None:
        """The order is rendered on these devices from now on."""
        self._waiting.pop(order, None)
        self._placed[order] = tuple(names)
        if (loaded := loaded_by(order)) is not None:
            self._loaded |= dict.fromkeys(names, loaded)

    def leave(self, order: RenderOrder) -> None:
        """The order needs no device any longer."""
        self._waiting.pop(order, None)
        self._placed.pop(order, None)

    def fail(self, order: RenderOrder) -> None:
        """The order failed on its devices and waits again. Their processes may be replaced, so nothing counts as loaded
        on them."""
        self._loaded |= dict.fromkeys(self._placed.pop(order, ()))
        self.begin(order)

    @property
    def idle(self) -> list[IdleDevice]:
        """The devices for which an order can begin."""
        return self._foreseen()[0]

    @property
    def placed(self) -> list[tuple[RenderOrder, tuple[str, ...]]]:
        """The orders that are being rendered, and on which devices."""
        return list(self._placed.items())

    @property
    def unoccupied(self) -> list[IdleDevice]:
        """The devices that render nothing, whatever waits for them."""
        busy = {name for names in self._placed.values() for name in names}
        return [IdleDevice(name, loaded) for name, loaded in self._loaded.items() if name not in busy]

    @property
    def loaded(self) -> Collection[LoadedModel | None]:
        """What each device has loaded, or will load for the order that it gets."""
        return self._foreseen()[1].values()

    def _foreseen(self) -> tuple[list[IdleDevice], Mapping[str, LoadedModel | None]]:
        """Idle devices, and what each device has loaded, once the farm has placed the orders that wait."""
        idle, loaded = self.unoccupied, dict(self._loaded)
        for order in self._waiting:
            if found := best_suited(order, idle):
                idle.remove(found)
                loaded[found.name] = loaded_by(order) or found.loaded
        return idle, loaded


def best_suited(order: RenderOrder, idle: Sequence[IdleDevice]) -> IdleDevice | None:
    """The idle device on which an order has the least to load. None if none can render it."""
    able = (device for device in idle if device.name not in order.barred)
    return min(able, key=lambda device: misfit(order, device.loaded), default=None)
