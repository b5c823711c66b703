"""A part of a model: a file whose weights all have their place in one component."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import prod
from typing import Any

from wan_render.backends.wan.layouts.weight_names import UNKNOWN, Rule
from wan_render.backends.wan.layouts.weights_file import WeightsFile
from wan_render.errors import InputError, Problem

Shape = tuple[int, ...]

OTHER_FILE = "download it again, or use another file"


class PartKind(StrEnum):
    """A part of a model, named as the component is in diffusers' layout."""

    TRANSFORMER = "transformer"
    TEXT_ENCODER = "text_encoder"
    IMAGE_ENCODER = "image_encoder"
    VAE = "vae"


@dataclass(frozen=True)
class Part:
    """A file that is a part of a model.

    names: where each of its weights goes, by its name in the file. config: its configuration in diffusers' or
    transformers' form. words: what it is, for people.
    """

    kind: PartKind
    file: WeightsFile
    names: Mapping[str, tuple[str, ...]]
    config: Mapping[str, Any]
    words: str


@dataclass(frozen=True)
class NoPart:
    """A file that is no part of a Wan model. words: what it is."""

    file: WeightsFile
    words: str


def targets_of(file: WeightsFile, rule: Rule) -> dict[str, tuple[str, ...]]:
    """Where each weight goes. Raises InputError for those that no rule knows, and for a name that is given twice."""
    names = {name: rule(name) for name in file.weights}
    if strange := [name for name, found in names.items() if found == UNKNOWN]:
        raise InputError(Problem(str(file.path), f"has weights with unknown names: {few(strange)}"))
    targets = [target for found in names.values() for target in found]
    if (
        twice := {target for target in targets if targets.count(target) > 1}
        if len(targets) != len(set(targets))
        else ()
    ):
        raise InputError(Problem(str(file.path), f"has two weights for {few(sorted(twice))}"))
    return names


def placed_shapes(file: WeightsFile, names: Mapping[str, tuple[str, ...]]) -> dict[str, Shape]:
    """The shape of every weight, by the name that it gets."""
    return dict(_shapes_in_order(file, names))


def _shapes_in_order(file: WeightsFile, names: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Shape]]:
    weights = file.weights
    for name, targets in names.items():
        shape = weights[name].shape
        for target in targets:
            yield target, (shape[0] // len(targets), *shape[1:]) if len(targets) > 1 else shape


def require_shapes(file: WeightsFile, found: Mapping[str, Shape], expected: Mapping[str, Shape]) -> None:
    """Raise InputError with the weights that are missing, too many or of another shape."""
    problems = []
    if missing := [name for name in expected if name not in found]:
        problems.append(f"lacks {few(missing)}")
    if strange := [name for name in found if name not in expected]:
        problems.append(f"has weights with unknown names: {few(strange)}")
    if wrong := [name for name in found if name in expected and prod(found[name]) != prod(expected[name])]:
        problems.append(f"{wrong[0]} has the shape {list(found[wrong[0]])}, expected {list(expected[wrong[0]])}")
    if problems:
        raise InputError(Problem(str(file.path), "; ".join(problems), "", OTHER_FILE))


def few(names: list[str]) -> str:
    """The first names of a list, and how many more there are."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def layer_count(shapes: Mapping[str, Shape], prefix: str) -> int:
    """How many layers these weights are of. Raises ValueError for a number of a layer that is above that of weights."""
    layers = 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in shapes if name.startswith(prefix))
    if layers > len(shapes):
        raise ValueError(layers)
    return layers
