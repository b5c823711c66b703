"""The seam between the caller who wants takes rendered and the devices that render them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen
from wan_render.store import Clip

Begins = Callable[[Sequence[Device]], None]
"""Called with the devices that an attempt gets, before it begins on them; without any, now and then, while it waits for
some."""


def at_any_time(_devices: Sequence[Device]) -> None:
    """An attempt may begin at any time."""


class Farm(Protocol):
    """Devices that render. Every method may be called from any thread."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that it renders on. As many orders are rendered at once, and as many more may be written."""

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        """Tell the farm which orders of the run have no outcome yet, in the order in which they will be rendered. Each
        call replaces the one before. It is a forecast, not a promise."""

    def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
        """Make one attempt at an order, on one device or on a group; block until it ends.

        `begins` is called in this thread when the order has its devices, and without devices while it waits for them.
        What it raises ends the attempt, and the devices are free again. `listen` is called in the same thread. From its
        first WRITING on, the device can render another order. Raises the attempt's error; its `worth_retrying` says
        whether another attempt may succeed. The next attempt goes to another device if there is one. Raises Stopped
        after `stop` or `close`.
        """

    def abort(self, orders: Collection[RenderOrder]) -> None:
        """Give up the attempts at these orders: each `render` raises OverrunError. One that is about to end may end as
        usual. An attempt whose process still writes another take goes on; it is aborted by a later call. Does not
        wait."""

    def stop(self) -> None:
        """Kill all attempts now; every `render` in flight raises Stopped. Idempotent."""

    def close(self) -> None:
        """Let the current attempts end, then free the devices."""


@runtime_checkable
class DevicesMayChange(Protocol):
    """A farm whose devices may join and leave while it renders."""

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call this after each change of `devices`, in any thread, without a lock."""


class AttemptWatch(Protocol):
    """Hears which devices make which attempts. Called from the thread that renders; it must not block."""

    def attempt_begins(self, order: RenderOrder, devices: Sequence[str], log: Path) -> None:
        """These devices, by name, begin an attempt. log: what it prints."""

    def take_rendered(self, order: RenderOrder) -> None:
        """The attempt's devices are free. The take is still being written."""

    def attempt_ends(self, order: RenderOrder, error: BaseException | None) -> None:
        """The attempt has ended; error: why it failed."""


class NoWatch:
    """An AttemptWatch that ignores everything."""

    def attempt_begins(self, order: RenderOrder, devices: Sequence[str], log: Path) -> None:
        """Ignored."""

    def take_rendered(self, order: RenderOrder) -> None:
        """Ignored."""

    def attempt_ends(self, order: RenderOrder, error: BaseException | None) -> None:
        """Ignored."""
