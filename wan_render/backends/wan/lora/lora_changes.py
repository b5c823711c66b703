"""The weights that a LoRA file changes, from its header alone. Needs no torch."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any

from wan_render.backends.wan.lora.lora_forms import ChangeForm, DifferenceForm, ProductForm
from wan_render.backends.wan.lora.lora_names import HIGH, LOW, TensorPlace, place_of
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
"""Types of matrices and differences. Float8 values are plain numbers: scales would be separate tensors."""

COUNTERS = frozenset({"I64", "I32", "I16", "U8"})
"""Further types that an alpha may have."""


@dataclass(frozen=True)
class LoraChanges:
    """The changes in a file, by the names of weights in diffusers' transformer.

    parts:     one for the whole file, under "", or one for each of two experts, under `high` and `low`.
    meant_for: the expert that all tensors of a file without parts are named for, or "".
    idle:      by part, how many layers have only an alpha, which changes nothing.
    """

    parts: Mapping[str, Mapping[str, ChangeForm]]
    idle: Mapping[str, int]
    meant_for: str = ""

    @property
    def has_parts(self) -> bool:
        """Whether the file has a part for each of two experts."""
        return "" not in self.parts


def lora_changes(file: Path) -> LoraChanges:
    """The changes in a file. Raises InputError if it is not a LoRA, or of a kind that is not supported."""
    try:
        header = read_header(file)
    except OSError as fault:
        raise InputError(Problem(str(file), f"cannot be read: {fault.strerror}")) from None
    except NotSafetensors as fault:
        _refuse_other_kinds(fault.names, str(file))  # the kind of file is the more useful message
        raise InputError(Problem(str(file), fault.found, fault.allowed, "download or save the file again")) from None
    return changes_of(header, str(file))


def changes_of(header: SafetensorsHeader, file: str) -> LoraChanges:
    """The changes in a file with this header. file: its name in messages. Raises what `lora_changes` raises."""
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


@dataclass(frozen=True)
class _Tensors:
    """The tensors of one file. Errors name the file."""

    file: str
    header: SafetensorsHeader

    def facts(self, name: str) -> TensorFacts:
        return self.header.tensors[name]

    def floats(self, name: str) -> TensorFacts:
        """The facts of a matrix or a difference. Raises InputError if it is empty or not floating-point."""
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
        raise _refused(file, f"holds {quoted(name)}, which is not part of a known LoRA format")
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
    """The changes by part. If some tensors name the low-noise expert, those that name none are for the high-noise one:
    diffusers' pipeline names its two transformers this way."""
    unnamed, high, low = (found.get(expert, {}) for expert in ("", HIGH, LOW))
    if twice := unnamed.keys() & high.keys():
        raise _refused(file, f"changes {shortened_name(min(twice))} in two ways")
    if low and (unnamed or high):
        return LoraChanges({HIGH: unnamed | high, LOW: low}, {HIGH: idle[""] + idle[HIGH], LOW: idle[LOW]})
    meant_for = next(iter(found)) if len(found) == 1 else ""
    return LoraChanges({"": unnamed | high | low}, {"": idle.total()}, meant_for)


def _refuse_other_kinds(names: Iterable[str], file: str) -> None:
    """Raise InputError for a DoRA, LoKr or LoHa, known by the names of its tensors."""
    small = [name.lower() for name in names]
    if any("dora_scale" in name for name in small):
        raise _refused(file, "is a DoRA, which is not supported")
    if any("lokr_" in name or "hada_" in name for name in small):
        raise _refused(file, "is a LoKr or LoHa, which is not supported")


def _declared_scale(tensors: _Tensors, expert: str) -> float:
    """alpha / rank from the metadata that diffusers saves for each transformer; 1 if there are none."""
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
    """The settings in the metadata for one transformer, by the last part of each name."""
    try:
        declared = json.loads(text)
    except (ValueError, RecursionError):
        declared = None
    if not isinstance(declared, dict):
        raise _refused(file, "declares settings (lora_adapter_metadata) that are not a JSON object")
    of_low = {key for key in declared if key.startswith("transformer_2.")}
    own = {key: value for key, value in declared.items() if (key in of_low) == (expert == LOW)} or declared
    return {key.rpartition(".")[2]: value for key, value in own.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e30


def _refused(file: str, found: str, allowed: str = "a LoRA of a Wan transformer is expected") -> InputError:
    return InputError(Problem(file, found, allowed, "use another file"))
