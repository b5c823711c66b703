"""What a device process does with an order. `render_takes` makes the real handler; tests name their own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from wan_render.production.render_order import RenderOrder
from wan_render.production.render_take import assist_take, begin_take
from wan_render.production.warm_renderer import WarmRenderer
from wan_render.render_values import Device, Listen
from wan_render.store import Clip, Store

Write = Callable[[], Clip]
"""The rest of an order, when the device has done its part: encode and write. May be called in another thread."""

OrderHandler = Callable[[RenderOrder, Listen], Clip | Write | None]
"""Makes one attempt at an order. One process calls it for order after order, always in the same thread. Ranks of a
group other than 0 return None."""


def render_takes(device: Device, store: Path) -> OrderHandler:
    """Renders takes into the store with this root, or into the one that an order names. The model stays loaded between
    orders that share it. Stages of all of them are kept in the first store."""
    stores = {store: Store(store)}
    warm = WarmRenderer(stores[store].stages)

    def handle(order: RenderOrder, listen: Listen) -> Clip | Write | None:
        if order.group is not None and order.group.rank:
            assist_take(order, warm, device, listen)
            return None
        root = order.store or store
        takes = stores.setdefault(root, Store(root))
        begun = begin_take(order, warm, device, takes, listen)
        return begun if isinstance(begun, Clip) else begun.write

    return handle


def handler_named(name: str) -> Callable[[Device, Path], OrderHandler]:
    """The function `module:function`, which makes an OrderHandler."""
    module, _, function = name.partition(":")
    maker: Callable[[Device, Path], OrderHandler] = getattr(import_module(module), function)
    return maker
