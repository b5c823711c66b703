"""A LoRA's changes of a transformer, as values, and whether they fit one. Needs no torch.

A plan and a renderer use the same functions, so they cannot disagree about a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod

from wan_render.backends.wan.models.transformer_shapes import Shape
from wan_render.errors import InputError, Problem
from wan_render.safetensors_header import shortened_name

NAMED = 3
"""How many layers a message names."""

_PICTURES = ("add_k_proj", "add_v_proj", "norm_added_k", "image_embedder")
"""Layers that only models with an image encoder have. In other models a LoRA is used without them. An example is the
published low-noise LoRA of Wan 2.2, which was made for Wan 2.1."""


@dataclass(frozen=True)
class ProductForm:
    """A change of a matrix by scale · up @ down.

    down, up: the names of the tensors, (rank, in) and (out, rank). For a convolution its kernel follows `in`, and ones
              follow `rank`.
    alpha:    the name of the tensor whose value / rank is the scale; "" if `declared` is the scale.
    """

    down: str
    up: str
    shape: Shape
    rank: int
    alpha: str = ""
    declared: float = 1.0

    def fits(self, weight: Shape) -> bool:
        """Whether the matrix (out, in) can be added to a weight. A convolution's kernels are flattened."""
        return len(weight) >= 2 and (weight[0], prod(weight[1:])) == self.shape


@dataclass(frozen=True)
class DifferenceForm:
    """A change by adding a tensor. tensor: its name."""

    tensor: str
    shape: Shape

    def fits(self, weight: Shape) -> bool:
        """Whether the tensor can be added to a weight. A table may have additional dimensions of 1."""
        return [side for side in self.shape if side != 1] == [side for side in weight if side != 1]


ChangeForm = ProductForm | DifferenceForm


@dataclass(frozen=True)
class Fitting:
    """The names of the weights that a part of a LoRA changes.

    applied:      those that the transformer has.
    for_pictures: those that it lacks because it has no image encoder; they are left out.
    """

    applied: tuple[str, ...]
    for_pictures: tuple[str, ...]


def fitting(changes: Mapping[str, ChangeForm], weights: Mapping[str, Shape], file: str, model: str) -> Fitting:
    """How changes fit the weights of a transformer. Raises InputError if one is for another model, or none is for this
    one."""
    absent = [name for name in changes if name not in weights]
    pictures = [name for name in absent if any(part in name for part in _PICTURES)]
    strange = [name for name in absent if name not in set(pictures)]
    misshapen = {
        name: f"{name} {change.shape} for {weights[name]}"
        for name, change in changes.items()
        if name in weights and not change.fits(weights[name])
    }
    total = len(layers_of(changes))
    if misshapen:
        why = f"{len(layers_of(misshapen))} of {total} layers have another shape"
        raise _unfit(file, model, list(misshapen.values()), why)
    if strange:
        raise _unfit(file, model, strange, f"{len(layers_of(strange))} of {total} layers are not in the model")
    if len(pictures) == len(changes):
        found = f"changes nothing: none of its {total} layers is for {model}, all are for pictures that CLIP sees"
        raise InputError(Problem(file, found, "expected a LoRA of this model", "remove it from render.loras"))
    return Fitting(tuple(name for name in changes if name in weights), tuple(pictures))


def layers_of(weights: Iterable[str]) -> tuple[str, ...]:
    """The layers of the weights, each once. A weight and its bias are one layer; a table is one of its own."""
    return tuple(dict.fromkeys(name.removesuffix(".weight").removesuffix(".bias") for name in weights))


def _unfit(file: str, model: str, examples: Sequence[str], why: str) -> InputError:
    listed = ", ".join(map(shortened_name, examples[:NAMED])) + (", …" if len(examples) > NAMED else "")
    found = f"does not fit {model}: {listed}; {why}"
    return InputError(Problem(file, found, "expected a LoRA of this model", "remove it from render.loras"))
