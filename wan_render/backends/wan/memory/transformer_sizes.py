"""How large the parts of a transformer are on a device, from its configuration. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from wan_render.backends.wan.checkpoint.configs import TransformerConfig
from wan_render.backends.wan.models.transformer_shapes import block_shapes, sees_only_context, weight_shapes
from wan_render.backends.wan.profiles.render_profile import Precision


@dataclass(frozen=True)
class TransformerSizes:
    """Bytes on a device.

    whole:  of all weights.
    aside:  of those that only make keys and values of the cross-attention, if they can wait in host memory.
    blocks: of each block, without `aside`.
    """

    whole: int
    aside: int
    blocks: tuple[int, ...]


def transformer_sizes(config: TransformerConfig, read: int, linears: Precision, *, fuses: bool) -> TransformerSizes:
    """The sizes of a transformer that has `read` bytes as it is loaded. fuses: whether wan-render's forward computes
    it, which uses the layers of `aside` once per text."""
    shapes = block_shapes(config)
    numbers = {name: prod(shape) for name, shape in shapes.items()}
    context = {name for name in shapes if sees_only_context(name)}
    quantised = {name for name, shape in shapes.items() if len(shape) == 2} - context
    per_number = read / sum(map(prod, weight_shapes(config).values()))
    smaller = (per_number - 1) * sum(numbers[name] for name in quantised) if linears is not Precision.LOADED else 0
    aside = per_number * sum(numbers[name] for name in context) if fuses else 0
    block = per_number * sum(numbers.values()) - smaller - aside
    layers = config.num_layers
    return TransformerSizes(int(read - layers * smaller), int(layers * aside), (int(block),) * layers)
