"""A farm without processes: every take is rendered at once, or fails as the test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from wan_render.errors import Problem, Stopped
from wan_render.farm.farm_contract import Begins, at_any_time
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Device, Listen, Phase, Progress
from wan_render.store import Clip


def clip_of(order: RenderOrder) -> Clip:
    return Clip(order.take.key, Path("/nowhere"), order.take.frames, order.take.size, order.take.rate)


class InstantFarm:
    """Renders one order per device at a time. `script` is called for each order, in its thread."""

    def __init__(self, *names: str, script: Callable[[RenderOrder], None] = lambda _: None) -> None:
        self.devices = tuple(Device(name, "under test", 0) for name in names)
        self._script = script
        self._free = list(self.devices)
        self._changed = threading.Condition()
        self._is_stopped = False
        self.rendered: list[str] = []

    def expect(self, orders: Sequence[RenderOrder]) -> None: ...

    def render(self, order: RenderOrder, listen: Listen, begins: Begins = at_any_time) -> Clip:
        with self._changed:
            self._changed.wait_for(lambda: self._free or self._is_stopped)
            if self._is_stopped:
                raise Stopped(Problem(order.shot, "was stopped"))
            device = self._free.pop()
        try:
            begins((device,))
            with self._changed:
                self.rendered.append(f"{order.film} {order.shot} {order.number}".strip())
            listen(Progress(Phase.STEP, 1, 1))
            self._script(order)
        finally:
            with self._changed:
                self._free.append(device)
                self._changed.notify_all()
        listen(Progress(Phase.WRITING))
        return clip_of(order)

    def abort(self, orders: Collection[RenderOrder]) -> None: ...

    def stop(self) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def close(self) -> None: ...
