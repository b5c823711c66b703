"""One open renderer per device: a model is loaded once for all of its shots."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.production.order import RenderOrder
from wan_render.render import Backend, Device, Listen, ModelCard, Renderer


@dataclass(frozen=True)
class _Open:
    backend: Backend
    card: ModelCard
    device: Device
    renderer: Renderer


class Warm:
    """Keeps the renderer of the last model that was asked for. Not for several threads."""

    def __init__(self) -> None:
        self._open: _Open | None = None

    def renderer(self, order: RenderOrder, device: Device, listen: Listen) -> Renderer:
        """The renderer for an order's model, opened where it is not open yet; another model's is closed first."""
        wanted = (order.backend, order.card, device)
        if self._open is not None and (self._open.backend, self._open.card, self._open.device) == wanted:
            return self._open.renderer
        self.close()
        renderer = order.backend.open(order.card, device, listen)
        self._open = _Open(*wanted, renderer)
        return renderer

    def close(self) -> None:
        """Free the device: after the last order, and after a failure, since nobody knows what that left behind."""
        if self._open is not None:
            renderer, self._open = self._open.renderer, None
            renderer.close()
