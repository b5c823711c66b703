"""What a device has loaded, as far as it decides what the next take has to load. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from wan_render.production.render_order import RenderOrder
from wan_render.take import Lora, ProfileVariant

Weights = tuple[str, str, ProfileVariant]
"""A backend's id, a model's identity, and the profile and variant, which may need their own weights."""


@dataclass(frozen=True)
class LoadedModel:
    """Weights on a device, and the LoRAs that are applied to them."""

    weights: Weights
    loras: tuple[Lora, ...] = ()


def loaded_by(order: RenderOrder) -> LoadedModel | None:
    """What a device has loaded once it renders this order. None for a take that is joined from others: it needs no
    model and leaves the loaded one alone."""
    if order.take.through:
        return None
    weights = order.backend.id, order.card.identity, order.take.sampling.profile_variant
    return LoadedModel(weights, order.take.loras)


def misfit(order: RenderOrder, loaded: LoadedModel | None) -> int:
    """How badly a device that has loaded this suits an order: 0 if the order needs nothing more, 1 if other LoRAs, 2 if
    nothing is loaded, 3 if another model is."""
    wanted = loaded_by(order)
    if wanted is None or loaded == wanted:
        return 0
    if loaded is None:
        return 2
    return 1 if loaded.weights == wanted.weights else 3
