"""A transformer on a device whose weights can be changed and restored, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch

from wan_render.backends.wan.kernels.linear import Float8Linear, StoredLinear
from wan_render.backends.wan.lora.lora_file import Change
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer
from wan_render.take import Lora

Changes = Sequence[tuple[float, Change]]
"""The changes of one weight, each with its strength."""

LoraFiles = tuple[tuple[Lora, Path], ...]
"""LoRAs with their files, in order."""


class Place(Protocol):
    """A weight on the device, in the form that the forward uses."""

    @property
    def tensor(self) -> torch.Tensor:
        """The tensor on the device, in the weight's shape."""

    def write(self, values: torch.Tensor) -> None:
        """Replace its values. values: float32."""


@dataclass(frozen=True)
class InPlace:
    """A weight or bias that the forward uses as it was loaded."""

    tensor: torch.Tensor

    def write(self, values: torch.Tensor) -> None:
        """Replace the values, rounded to the tensor's type."""
        self.tensor.copy_(values)


@dataclass(frozen=True)
class Quantised:
    """A weight in float8."""

    layer: Float8Linear | StoredLinear

    @property
    def tensor(self) -> torch.Tensor:
        """The float8 values, without their scales."""
        return self.layer.weight

    def write(self, values: torch.Tensor) -> None:
        """Replace the values: round them as a loaded weight is rounded, then quantise."""
        self.layer.hold(values.to(self.layer.dtype))


@dataclass(frozen=True)
class Copied:
    """A table that the forward has copied in its own form. tensor: the original. hold: updates the copy."""

    tensor: torch.Tensor
    hold: Callable[[torch.Tensor], None]

    def write(self, values: torch.Tensor) -> None:
        """Replace the values, rounded to the original's type, and update the copy."""
        self.tensor.copy_(values)
        self.hold(self.tensor)


@dataclass
class PatchedTransformer:
    """A transformer with its weights' places and originals.

    places:    the weights, by their names in diffusers' transformer.
    originals: the original values of changed weights, on the device or in host memory; of quantised weights always,
               because float8 values do not give them back.
    changed:   the names of the weights that are changed now.
    applied:   the LoRAs that are applied; None during a change and after an interrupted one.
    """

    places: Mapping[str, Place]
    originals: dict[str, torch.Tensor] = field(default_factory=dict)
    changed: frozenset[str] = frozenset()
    applied: LoraFiles | None = ()

    @property
    def device_bytes(self) -> int:
        """Bytes of the originals on the device."""
        beside = (original for name, original in self.originals.items() if original.device == self._device(name))
        return sum(original.nbytes for original in beside)

    def change(self, changes: Mapping[str, Changes], *, is_roomy: bool) -> None:
        """Apply these changes, and no others. is_roomy: keep originals on the device, not in host memory."""
        for name in self.changed - changes.keys():
            self.places[name].write(widened(self.originals[name], self._device(name)))
        for name, each in changes.items():
            if name not in self.originals:
                where = self._device(name) if is_roomy else torch.device("cpu")
                self.originals[name] = self.places[name].tensor.detach().to(where, copy=True)
            self.changed |= {name}  # noted before the write, which may be interrupted
            self.places[name].write(changed(self.originals[name], each, self._device(name)))
        self.changed = frozenset(changes)
        for name in [name for name in self.originals if name not in changes]:
            if not isinstance(self.places[name], Quantised):
                del self.originals[name]

    def make_room(self) -> None:
        """Move originals to host memory, except those of quantised weights."""
        for name, original in self.originals.items():
            if not isinstance(self.places[name], Quantised):
                self.originals[name] = original.cpu()

    def _device(self, name: str) -> torch.device:
        return self.places[name].tensor.device


def changed(original: torch.Tensor, changes: Changes, device: torch.device) -> torch.Tensor:
    """A weight with its changes, float32, on the device. Everything is summed before it is rounded."""
    total = widened(original, device)
    for strength, change in changes:
        total += strength * change.delta(device).reshape(total.shape)
    return total


def widened(original: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A float32 copy on the device. It is widened there: in one step torch would widen in host memory and copy twice as
    many bytes."""
    return original.to(device).to(torch.float32, copy=True)


def places_of(weights: Mapping[str, torch.nn.Parameter], placed: torch.nn.Module) -> dict[str, Place]:
    """The places of a transformer's weights. weights: of diffusers' transformer, by name. An accelerated transformer
    takes over the same tensors, except quantised weights and tables."""
    places: dict[str, Place] = {name: InPlace(weight.data) for name, weight in weights.items()}
    if isinstance(placed, AcceleratedTransformer):
        places |= {name: Copied(weights[name].data, hold) for name, hold in placed.tables()}
        for name, layer in placed.linear_layers():
            if isinstance(layer, Float8Linear | StoredLinear):
                places[f"{name}.weight"] = Quantised(layer)
                if layer.bias is not None:
                    places[f"{name}.bias"] = InPlace(layer.bias)
    return places
