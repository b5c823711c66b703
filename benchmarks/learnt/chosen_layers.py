"""Which layers of a transformer attend in float8, chosen from outside, and how much each of them errs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer

LayerErrors = dict[int, float]
"""The largest error of attention in float8 that was measured in each layer, as a share of the exact result."""


@contextmanager
def chosen_layers(transformer: Any, in_float8: Collection[int] | None) -> Iterator[LayerErrors]:
    """Inside, only these layers attend in float8; None leaves the choice to each layer's check. Yields the errors of
    the layers, which grow while predictions are made. diffusers' transformers have none."""
    errors: LayerErrors = {}
    with ExitStack() as hooks:
        if isinstance(transformer, AcceleratedTransformer):
            for layer, block in enumerate(transformer.blocks):
                if in_float8 is not None:
                    hooks.callback(block.register_forward_pre_hook(partial(_choose, in_float8, layer)).remove)
                hooks.callback(block.register_forward_hook(partial(_note, errors, layer)).remove)
        yield errors


def _choose(in_float8: Collection[int], layer: int, _: Any, inputs: tuple[Any, ...]) -> None:
    """The check is the last input of a block."""
    inputs[-1].is_exact = layer not in in_float8


def _note(errors: LayerErrors, layer: int, _: Any, inputs: tuple[Any, ...], __: Any) -> None:
    if inputs[-1].error > 0:
        errors[layer] = max(errors.get(layer, 0.0), inputs[-1].error)
