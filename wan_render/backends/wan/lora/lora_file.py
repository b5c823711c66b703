"""Reads the tensors of a LoRA file as changes of a transformer's weights; lora_changes finds them in its header."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from wan_render.backends.wan.lora.lora_changes import lora_changes
from wan_render.backends.wan.lora.lora_forms import ChangeForm, DifferenceForm, ProductForm
from wan_render.backends.wan.translation import translated
from wan_render.errors import InputError, Problem


@dataclass(frozen=True)
class Product:
    """A change of a matrix by scale · up @ down. down: (rank, in), up: (out, rank); kernels of convolutions follow."""

    form: ProductForm
    down: torch.Tensor
    up: torch.Tensor
    scale: float

    def delta(self, device: torch.device) -> torch.Tensor:
        """The change at strength 1, float32, on the device."""
        up, down = (matrix.flatten(1).to(device, torch.float32) for matrix in (self.up, self.down))
        return self.scale * (up @ down)


@dataclass(frozen=True)
class Difference:
    """A value that is added to a bias, a norm or a table."""

    form: DifferenceForm
    value: torch.Tensor

    def delta(self, device: torch.device) -> torch.Tensor:
        """The change at strength 1, float32, on the device."""
        return self.value.to(device, torch.float32)


Change = Product | Difference


def read_changes(file: Path, part: str = "") -> dict[str, Change]:
    """The changes in one part of a file, by the names of weights in diffusers' transformer.

    part: `high` or `low` if the file has a part for each of two experts, else "". Raises InputError if the file is not
    a LoRA, is of an unsupported kind, or has no such part; RenderError if reading fails.
    """
    with translated(f"the LoRA {file}"):
        forms = _part(lora_changes(file).parts, part, file)
        with safe_open(str(file), framework="pt") as opened:
            return {weight: _read(opened, form) for weight, form in forms.items()}


def _part(parts: Mapping[str, Mapping[str, ChangeForm]], part: str, file: Path) -> Mapping[str, ChangeForm]:
    if part in parts:
        return parts[part]
    found = "has a part for each of two experts" if part == "" else f"has no separate part for the {part}-noise expert"
    raise InputError(
        Problem(str(file), found, "the file is not the one that was planned", "run the same command again")
    )


def _read(opened: Any, form: ChangeForm) -> Change:
    match form:
        case DifferenceForm(tensor):
            return Difference(form, opened.get_tensor(tensor))
        case ProductForm(down, up, _, rank, alpha, declared):
            scale = float(opened.get_tensor(alpha)) / rank if alpha else declared
            return Product(form, opened.get_tensor(down), opened.get_tensor(up), scale)
