"""One open renderer per device: a model is loaded once for all of its shots."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.backend_contract import Backend, Renderer
from wan_render.model_card import ModelCard
from wan_render.production.order import RenderOrder
from wan_render.render_values import NOTHING_KEPT, Device, Listen, Stages, Workspace


@dataclass(frozen=True)
class _Open:
    backend: Backend
    card: ModelCard
    device: Device
    tighter: int
    renderer: Renderer


class Warm:
    """Keeps the renderer of the last model that was asked for. Not for several threads."""

    def __init__(self, stages: Stages = NOTHING_KEPT) -> None:
        """stages: where renderers keep what they worked out."""
        self._stages = stages
        self._open: _Open | None = None

    def renderer(self, order: RenderOrder, device: Device, listen: Listen) -> Renderer:
        """The renderer for an order's model, opened where it is not open yet; another model's is closed first."""
        wanted = (order.backend, order.card, device, order.tighter)
        found = self._open
        if found is not None and (found.backend, found.card, found.device, found.tighter) == wanted:
            return found.renderer
        self.close()
        renderer = order.backend.open(order.card, device, listen, Workspace(self._stages, order.tighter))
        self._open = _Open(*wanted, renderer)
        return renderer

    def close(self) -> None:
        """Free the device: after the last order, and after a failure, since nobody knows what that left behind."""
        if self._open is not None:
            renderer, self._open = self._open.renderer, None
            renderer.close()
