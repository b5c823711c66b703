"""What a LoRA changes, by its header alone, and whether a transformer has all of that. Needs no torch.

A plan and a renderer ask the same functions here, so that they cannot disagree on a file.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any, Protocol

from wan_render.backends.wan.lora.lora_names import HIGH, LOW, TensorPlace, place_of
from wan_render.backends.wan.models.transformer_shapes import Shape
from wan_render.errors import InputError, Problem
from wan_render.safetensors_header import (
    NotSafetensors,
    SafetensorsHeader,
    TensorFacts,
    quoted,
    read_header,
    shortened_name,
)

FLOATS = frozenset({"F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2"})
"""Types of matrices and differences. Those in float8 are plain numbers: files with scales have tensors for them."""

COUNTERS = frozenset({"I64", "I32", "I16", "U8"})
"""Types that an alpha may have as well."""

NAMED = 3
"""Layers that a message names."""

_PICTURES = ("add_k_proj", "add_v_proj", "norm_added_k", "image_embedder")
"""Layers that only models with an image encoder have: a LoRA of such a model is used without them elsewhere, as the
published low-noise LoRA of Wan 2.2 is, which is the one made for Wan 2.1."""


class ShapedChange(Protocol):
    """A change of one weight."""

    @property
    def shape(self) -> Shape:
        """Of what is added."""
        ...

    def fits(self, weight: Shape) -> bool:
        """Whether it can be added to a weight of this shape."""
        ...


@dataclass(frozen=True)
class ProductForm:
    """A change of a matrix by scale · up @ down: the names of the two tensors, (rank, in) and (out, rank). Those of a
    convolution have its kernel after `in` and ones after `rank`.

    alpha: the name of the tensor that is divided by the rank and is then the scale; "": declared is the scale.
    """

    down: str
    up: str
    shape: Shape
    rank: int
    alpha: str = ""
    declared: float = 1.0

    def fits(self, weight: Shape) -> bool:
        """See product_fits."""
        return product_fits(self.shape, weight)


@dataclass(frozen=True)
class DifferenceForm:
    """A change by the tensor of this name, which is added as it is."""

    tensor: str
    shape: Shape

    def fits(self, weight: Shape) -> bool:
        """See difference_fits."""
        return difference_fits(self.shape, weight)


ChangeForm = ProductForm | DifferenceForm


def product_fits(shape: Shape, weight: Shape) -> bool:
    """Whether a matrix (out, in) can be added to a weight; a convolution's kernels are flattened."""
    return len(weight) >= 2 and (weight[0], prod(weight[1:])) == shape


def difference_fits(shape: Shape, weight: Shape) -> bool:
    """Whether a tensor can be added to a weight; a table may have further dimensions of 1."""
    return [side for side in shape if side != 1] == [side for side in weight if side != 1]


@dataclass(frozen=True)
class LoraChanges:
    """All that a file changes, by the names that diffusers' transformer has for its weights.

    parts: one for the whole file, under "", or one for each of two experts, under `high` and `low`.
    meant_for: the expert that the names of a whole file's tensors say it is for, or "".
    idle: by part, how many layers have only an alpha, which changes nothing.
    """

    parts: Mapping[str, Mapping[str, ChangeForm]]
    idle: Mapping[str, int]
    meant_for: str = ""

    @property
    def has_parts(self) -> bool:
        """Whether it holds a part for each of two experts."""
        return "" not in self.parts


@dataclass(frozen=True)
class Fitting:
    """How the changes of a part meet a transformer: the names of the weights, of each change once."""

    worn: tuple[str, ...]
    for_pictures: tuple[str, ...]


def lora_changes(file: Path) -> LoraChanges:
    """What a file changes. Raises InputError where it is no LoRA, or one that would be applied wrongly."""
    try:
        header = read_header(file)
    except OSError as fault:
        raise InputError(Problem(str(file), f"cannot be read: {fault.strerror}")) from None
    except NotSafetensors as fault:
        _refuse_other_kinds(fault.names, str(file))  # what a file is matters more than how it is broken
        raise InputError(Problem(str(file), fault.found, fault.allowed, "download or save the file again")) from None
    return changes_of(header, str(file))


def changes_of(header: SafetensorsHeader, file: str) -> LoraChanges:
    """What a file with this header changes; `file` is its name in messages. Raises as `lora_changes`."""
    _refuse_other_kinds(header.tensors, file)
    if not any(map(place_of, header.tensors)):
        raise _refused(file, "holds no LoRA")
    tensors = _Tensors(file, header)
    by_layer = _by_layer(header, file)
    declared = {expert: _declared_scale(tensors, expert) for expert, _ in by_layer}
    found: dict[str, dict[str, ChangeForm]] = {}
    idle = Counter[str]()
    for (expert, layer), roles in by_layer.items():
        changes = list(_of_layer(tensors, declared[expert], layer, roles))
        if not changes:
            idle[expert] += 1
        for weight, change in changes:
            if weight in found.setdefault(expert, {}):
                raise _refused(file, f"changes {shortened_name(weight)} in two ways")
            found[expert][weight] = change
    if not found:
        raise _refused(file, "holds no LoRA")
    return _in_parts(found, idle, file)


def fitting(changes: Mapping[str, ShapedChange], weights: Mapping[str, Shape], file: str, model: str) -> Fitting:
    """How changes meet the weights of a transformer. Raises InputError where any of them is another model's, or none
    is for this one."""
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
    """The layers that weights belong to, each once: a weight, its bias and a table are one layer each."""
    return tuple(dict.fromkeys(name.removesuffix(".weight").removesuffix(".bias") for name in weights))


@dataclass(frozen=True)
class _Tensors:
    """The tensors of one file. Each refusal names the file."""

    file: str
    header: SafetensorsHeader

    def facts(self, name: str) -> TensorFacts:
        return self.header.tensors[name]

    def floats(self, name: str) -> TensorFacts:
        """Of a matrix or a difference."""
        facts = self.facts(name)
        if facts.dtype not in FLOATS:
            raise _refused(self.file, f"holds {quoted(name)} as {facts.dtype}", "its numbers must be floating-point")
        if not facts.elements:
            raise _refused(self.file, f"holds {quoted(name)} with the shape {facts.shape}: it is empty")
        return facts

    def check_alpha(self, name: str) -> None:
        facts = self.facts(name)
        if facts.elements != 1 or facts.dtype not in FLOATS | COUNTERS:
            raise _refused(self.file, f"holds {quoted(name)} as {facts.dtype} {facts.shape}", "an alpha is one number")


def _by_layer(header: SafetensorsHeader, file: str) -> dict[tuple[str, str], dict[str, str]]:
    """The names of the tensors of each layer, by expert and layer, then by role."""
    found: defaultdict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for name in header.tensors:
        place = _place(file, name)
        roles = found[place.expert, place.layer]
        if place.role in roles:
            parts = f"{quoted(roles[place.role])}, {quoted(name)}"
            raise _refused(file, f"has the same part of {shortened_name(place.layer)} twice: {parts}")
        roles[place.role] = name
    return found


def _place(file: str, name: str) -> TensorPlace:
    place = place_of(name)
    if place is None:
        raise _refused(file, f"holds {quoted(name)}, which is no part of a LoRA that is known here")
    return place


def _of_layer(
    tensors: _Tensors, declared: float, layer: str, roles: Mapping[str, str]
) -> Iterator[tuple[str, ChangeForm]]:
    """The changes of one layer, by the weights that they change."""
    if ("down" in roles) != ("up" in roles):
        there, lacking = ("A", "B") if "down" in roles else ("B", "A")
        found = f"has half of the change of {shortened_name(layer)}: its matrix {there} without {lacking}"
        raise _refused(tensors.file, found)
    if {"down", "diff"} <= roles.keys() or {"diff_b", "up_bias"} <= roles.keys():
        raise _refused(tensors.file, f"changes {shortened_name(layer)} in two ways")
    if "alpha" in roles:
        tensors.check_alpha(roles["alpha"])
    if "down" in roles:
        yield f"{layer}.weight", _product(tensors, declared, layer, roles)
    elif "diff" in roles:
        is_table = layer.endswith("scale_shift_table")
        yield layer if is_table else f"{layer}.weight", _difference(tensors, roles["diff"])
    for role in ("diff_b", "up_bias"):
        if role in roles:
            yield f"{layer}.bias", _difference(tensors, roles[role])
    if "diff_m" in roles:
        yield layer, _difference(tensors, roles["diff_m"])


def _product(tensors: _Tensors, declared: float, layer: str, roles: Mapping[str, str]) -> ProductForm:
    down, up = tensors.floats(roles["down"]), tensors.floats(roles["up"])
    dimensions, rank = len(down.shape), down.shape[0] if down.shape else 0
    if dimensions < 2 or len(up.shape) != dimensions or up.shape[1:] != (rank, *[1] * (dimensions - 2)):
        raise _refused(tensors.file, f"changes {shortened_name(layer)} by {up.shape} times {down.shape}")
    shape = (up.shape[0], prod(down.shape[1:]))
    return ProductForm(roles["down"], roles["up"], shape, rank, roles.get("alpha", ""), declared)


def _difference(tensors: _Tensors, name: str) -> DifferenceForm:
    return DifferenceForm(name, tensors.floats(name).shape)


def _in_parts(found: Mapping[str, dict[str, ChangeForm]], idle: Counter[str], file: str) -> LoraChanges:
    """Tensors without the name of an expert are the high-noise one's where others name the low-noise one: that is
    how diffusers' pipeline calls its two transformers."""
    unnamed, high, low = (found.get(expert, {}) for expert in ("", HIGH, LOW))
    if twice := unnamed.keys() & high.keys():
        raise _refused(file, f"changes {shortened_name(min(twice))} in two ways")
    if low and (unnamed or high):
        return LoraChanges({HIGH: unnamed | high, LOW: low}, {HIGH: idle[""] + idle[HIGH], LOW: idle[LOW]})
    meant_for = next(iter(found)) if len(found) == 1 else ""
    return LoraChanges({"": unnamed | high | low}, {"": idle.total()}, meant_for)


def _refuse_other_kinds(names: Iterable[str], file: str) -> None:
    """By the names of its tensors."""
    small = [name.lower() for name in names]
    if any("dora_scale" in name for name in small):
        raise _refused(file, "is a DoRA, which is not rendered")
    if any("lokr_" in name or "hada_" in name for name in small):
        raise _refused(file, "is a LoKr or LoHa, which is not rendered")


def _declared_scale(tensors: _Tensors, expert: str) -> float:
    """alpha / rank, where the file's metadata declare them as diffusers saves them: for each transformer."""
    text = tensors.header.metadata.get("lora_adapter_metadata")
    if text is None:
        return 1.0
    settings = _settings(tensors.file, text, expert)
    for name in ("use_dora", "use_rslora", "alpha_pattern", "rank_pattern"):
        if settings.get(name):
            raise _refused(tensors.file, f"declares {name}")
    alpha, rank = settings.get("lora_alpha"), settings.get("r")
    if not alpha or not rank:
        return 1.0
    scale = float(alpha) / float(rank) if _is_number(alpha) and _is_number(rank) else float("nan")
    if not isfinite(scale):
        raise _refused(tensors.file, f"declares an alpha of {str(alpha)[:40]} and a rank of {str(rank)[:40]}")
    return scale


def _settings(file: str, text: str, expert: str) -> dict[str, Any]:
    """What the metadata declare for one transformer, by the last word of each name."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise _refused(file, "declares settings (lora_adapter_metadata) that are not a JSON object")
    of_low = {key for key in told if key.startswith("transformer_2.")}
    own = {key: value for key, value in told.items() if (key in of_low) == (expert == LOW)} or told
    return {key.rpartition(".")[2]: value for key, value in own.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _unfit(file: str, model: str, examples: Sequence[str], why: str) -> InputError:
    listed = ", ".join(map(shortened_name, examples[:NAMED])) + (", …" if len(examples) > NAMED else "")
    found = f"does not fit {model}: {listed}; {why}"
    return InputError(Problem(file, found, "expected a LoRA of this model", "remove it from render.loras"))


def _refused(file: str, found: str, allowed: str = "a LoRA of a Wan transformer is expected") -> InputError:
    return InputError(Problem(file, found, allowed, "use another file"))
