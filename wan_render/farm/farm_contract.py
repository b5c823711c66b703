"""The seam between who wants takes rendered and the machines that render them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen
from wan_render.store import Clip


class Farm(Protocol):
    """Devices that render. Every method may be called from any thread."""

    @property
    def devices(self) -> tuple[Device, ...]:
        """What it renders on; so many orders are rendered at once, and as many may be written meanwhile."""
        ...

    def expect(self, orders: Sequence[RenderOrder]) -> None:
        """These orders of the night have no outcome yet, and no others, in the order in which they will be asked for:
        tells the farm what is still to come, and replaces what it was told before. Promises nothing: it may be left."""
        ...

    def render(self, order: RenderOrder, listen: Listen) -> Clip:
        """One attempt at an order, on a device that is idle or will be, or on several equal ones together; blocks
        until it ends.

        `listen` is called in this thread; from its first WRITING on, the device takes another order. Raises the
        attempt's own error, whose `worth_retrying` says whether another one may succeed: it then goes to another
        device where there is one. Raises Stopped once `stop` or `close` was called.
        """
        ...

    def stop(self) -> None:
        """Now: kill what is rendered; every `render` in flight raises Stopped. Again: nothing."""
        ...

    def close(self) -> None:
        """After what is rendered now: free the devices."""
        ...
