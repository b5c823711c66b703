"""One open renderer per device: a model is loaded once for all of its shots."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.backend_contract import Backend, Renderer
from wan_render.model_card import ModelCard
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import NOTHING_KEPT, Device, Listen, Stages, Workspace


@dataclass(frozen=True)
class _Open:
    backend: Backend
    card: ModelCard
    device: Device
    tighter: int
    renderer: Renderer


class WarmRenderer:
    """Keeps the renderer of the last model open. Not thread-safe."""

    def __init__(self, stages: Stages = NOTHING_KEPT) -> None:
        """stages: where renderers store intermediate results."""
        self._stages = stages
        self._open: _Open | None = None

    def renderer(self, order: RenderOrder, device: Device, listen: Listen) -> Renderer:
        """The renderer for an order's model. It is opened if necessary, after the one of another model was closed."""
        wanted = (order.backend, order.card, device, order.tighter)
        found = self._open
        if found is not None and (found.backend, found.card, found.device, found.tighter) == wanted:
            return found.renderer
        self.close()
        renderer = order.backend.open(order.card, device, listen, Workspace(self._stages, order.tighter))
        self._open = _Open(*wanted, renderer)
        return renderer

    def close(self) -> None:
        """Free the device. Call it after the last order, and after a failure, whose effects on the device are
        unknown."""
        if self._open is not None:
            renderer, self._open = self._open.renderer, None
            renderer.close()
