"""How much work waits for each model, in seconds."""

from __future__ import annotations

from collections.abc import Sequence

from wan_render.farm.ordering.loaded import LoadedModel, Weights


def loaded_weights(loads: LoadedModel | None) -> Weights | None:
    """The weights that an order needs on its device; None if it needs none."""
    return None if loads is None else loads.weights


class WaitingWork:
    """The estimates of the orders that have not begun, summed for each model. Not thread-safe."""

    def __init__(self) -> None:
        self._seconds: dict[Weights | None, float] = {}

    def add(self, loads: LoadedModel | None, seconds: float) -> None:
        """An order waits. It is taken off with its seconds below 0."""
        weights = loaded_weights(loads)
        self._seconds[weights] = self._seconds.get(weights, 0.0) + seconds

    @property
    def seconds(self) -> float:
        """Of all models together."""
        return sum(self._seconds.values())

    def pull(self, loads: LoadedModel | None, holders: Sequence[Weights]) -> float:
        """How strongly work pulls a further device to its model: seconds for each device that would then hold it.
        holders: the weights that are on devices, once for each device."""
        weights = loaded_weights(loads)
        return self._seconds.get(weights, 0.0) / (1 + sum(each == weights for each in holders))
