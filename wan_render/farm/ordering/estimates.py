"""How long takes and loading are expected to take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from wan_render.farm.groups.formation import LOADING_SECONDS
from wan_render.farm.ordering.loaded import LoadedModel, loaded_by
from wan_render.farm.ordering.time_left import GUESSED_RATIO
from wan_render.production.render_order import RenderOrder

LORAS_SECONDS = 1.0
"""The cost of changing the LoRAs of a loaded model. On an H200 it took 0.5 to 0.6 s (docs/benchmarks.md)."""


class Estimates(Protocol):
    """Expected seconds, on one device."""

    def take(self, order: RenderOrder) -> float:
        """Seconds from the first phase of work to the written take, without loading. Not negative."""

    def loading(self, order: RenderOrder, loaded: LoadedModel | None) -> float:
        """Seconds to load what the order needs on a device that has loaded this. 0 if it needs nothing more."""

    def worst_ratio(self, order: RenderOrder) -> float:
        """By which factor the take may exceed its estimate, as far as is known before the run."""


@dataclass(frozen=True)
class KnownSeconds:
    """Estimates from a table, else from the backend.

    device_kind: for the backend's estimate. alone: seconds of takes on one device, by key.
    """

    device_kind: str
    alone: Mapping[str, float] = field(default_factory=dict)

    def take(self, order: RenderOrder) -> float:
        """See Estimates.take. A take that is joined from others takes almost no time."""
        known = self.alone.get(order.take.key)
        if known is not None:
            return known
        return 0.0 if order.take.through else order.backend.expected_seconds(order.take, self.device_kind)

    def loading(self, order: RenderOrder, loaded: LoadedModel | None) -> float:
        """See Estimates.loading."""
        return loading_seconds(order, loaded)

    def worst_ratio(self, order: RenderOrder) -> float:  # noqa: ARG002 - nothing is known
        """See Estimates.worst_ratio."""
        return GUESSED_RATIO


def loading_seconds(
    order: RenderOrder, loaded: LoadedModel | None, model: float = LOADING_SECONDS, loras: float = LORAS_SECONDS
) -> float:
    """Seconds to load what an order needs: a model, or only other LoRAs."""
    wanted = loaded_by(order)
    if wanted is None:
        return 0.0
    if loaded is None or loaded.weights != wanted.weights:
        return model
    return loras if loaded.loras != wanted.loras else 0.0
