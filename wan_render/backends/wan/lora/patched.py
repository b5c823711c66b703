"""A transformer on a device whose weights are changed and are, later, what they were, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from wan_render.backends.wan.kernels.linear import Float8Linear
from wan_render.backends.wan.lora.lora_file import Change
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer
from wan_render.take import Lora

Changes = Sequence[tuple[float, Change]]
"""What is added to one weight, each with its strength."""


LoraFiles = tuple[tuple[Lora, Path], ...]
"""LoRAs with their files, in order."""


class Place(Protocol):
    """Where a weight lies that a forward computes with."""

    @property
    def tensor(self) -> torch.Tensor:
        """What lies there, in the weight's shape."""
        ...

    def write(self, values: torch.Tensor) -> None:
        """Have other values there, given in float32."""
        ...


@dataclass(frozen=True)
class InPlace:
    """A weight that the forward uses as it was read, or its bias."""

    tensor: torch.Tensor

    def write(self, values: torch.Tensor) -> None:
        """Rounded to its type."""
        self.tensor.copy_(values)


@dataclass(frozen=True)
class Quantised:
    """A weight in float8."""

    layer: Float8Linear

    @property
    def tensor(self) -> torch.Tensor:
        """Its rows, without their scales."""
        return self.layer.weight

    def write(self, values: torch.Tensor) -> None:
        """Rounded as a weight that is read, and quantised."""
        self.layer.hold(values.to(self.layer.bias.dtype))


@dataclass(frozen=True)
class Copied:
    """A table of which the forward has a copy in a form of its own. tensor: as it was read, wherever it lies."""

    tensor: torch.Tensor
    hold: Callable[[torch.Tensor], None]

    def write(self, values: torch.Tensor) -> None:
        """Rounded to the type of what was read."""
        self.tensor.copy_(values)
        self.hold(self.tensor)


@dataclass
class PatchedTransformer:
    """places: of the weights, by their names in diffusers' transformer.
    originals: of those that are changed, what they were, on the device or in host memory; of a transformer in float8 of
    all that are quantised, always, since they cannot be had back from there.
    active: the LoRAs that are in the weights; None while they are changed, and after a change that was cut short."""

    places: Mapping[str, Place]
    originals: dict[str, torch.Tensor] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    active: LoraFiles | None = ()

    @property
    def device_bytes(self) -> int:
        """What the originals take on the device."""
        return sum(original.nbytes for name, original in self.originals.items() if self._is_beside(name))

    def change(self, changes: Mapping[str, Changes], *, is_roomy: bool) -> None:
        """Have these changes, and no others. is_roomy: originals are kept on the device, else in host memory."""
        for name in self.changed - changes.keys():
            self.places[name].write(widened(self.originals[name], self._device(name)))
        for name, each in changes.items():
            if name not in self.originals:
                where = self._device(name) if is_roomy else torch.device("cpu")
                self.originals[name] = self.places[name].tensor.detach().to(where, copy=True)
            self.changed |= {name}  # from now on: what follows may be cut short
            self.places[name].write(changed(self.originals[name], each, self._device(name)))
        self.changed = frozenset(changes)
        for name in [name for name in self.originals if name not in changes]:
            if not isinstance(self.places[name], Quantised):
                del self.originals[name]

    def make_room(self) -> None:
        """Have originals in host memory from now on, but for those that came with the transformer."""
        for name, original in self.originals.items():
            if not isinstance(self.places[name], Quantised):
                self.originals[name] = original.cpu()

    def _device(self, name: str) -> torch.device:
        return self.places[name].tensor.device

    def _is_beside(self, name: str) -> bool:
        return self.originals[name].device == self._device(name)


def changed(original: torch.Tensor, changes: Changes, device: torch.device) -> torch.Tensor:
    """A weight with changes, float32, on the device: summed before anything is rounded."""
    total = widened(original, device)
    for strength, change in changes:
        total += strength * change.delta(device).reshape(total.shape)
    return total


def widened(original: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A copy in float32 on the device, widened there: in one step torch would do it in host memory and copy twice as
    much."""
    return original.to(device).to(torch.float32, copy=True)


def places_of(weights: Mapping[str, torch.nn.Parameter], placed: torch.nn.Module) -> dict[str, Place]:
    """weights: of diffusers' transformer, which keep their identity when another takes them over, but for those that
    are quantised by then, and for tables."""
    places: dict[str, Place] = {name: InPlace(weight.data) for name, weight in weights.items()}
    if isinstance(placed, AcceleratedTransformer):
        places |= {name: Copied(weights[name].data, hold) for name, hold in placed.tables()}
        for name, layer in placed.linear_layers():
            if isinstance(layer, Float8Linear):
                places |= {f"{name}.weight": Quantised(layer), f"{name}.bias": InPlace(layer.bias)}
    return places
