"""Gives diffusers' transformer the sparse-linear attention that its weights were trained with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from wan_render.backends.wan.kernels.sparse_linear import SparseLinearAttention
from wan_render.backends.wan.models.transformer_shapes import SPARSE_LINEAR_LAYER
from wan_render.backends.wan.profiles.exchange import UNDIVIDED
from wan_render.backends.wan.profiles.self_attention import SelfAttentionProcessor

_LAYER = SPARSE_LINEAR_LAYER.rpartition(".")[2]


def use_sparse_linear(transformer: Any, weights: Mapping[str, torch.Tensor], share: float) -> None:
    """Let the self-attention of every block be sparse-linear. weights: by their names in the transformer.

    Raises KeyError for a missing weight, RuntimeError for one of another shape.
    """
    for place, block in enumerate(transformer.blocks):
        own = block.attn1
        layer = SparseLinearAttention(own.inner_dim // own.heads, share)
        names = {name: f"blocks.{place}.{SPARSE_LINEAR_LAYER}.{name}" for name in layer.state_dict()}
        layer.load_state_dict({name: weights[full] for name, full in names.items()})
        own.add_module(_LAYER, layer.to(own.to_q.weight.dtype).eval())
        own.set_processor(SelfAttentionProcessor(UNDIVIDED, layer))


def sparse_linear_of(attention: torch.nn.Module) -> SparseLinearAttention | None:
    """The sparse-linear attention of one of diffusers' self-attentions; None if it has none."""
    found = getattr(attention, _LAYER, None)
    return found if isinstance(found, SparseLinearAttention) else None


def sparse_linear_layers(transformer: torch.nn.Module) -> Iterator[SparseLinearAttention]:
    """Those of a transformer, in any form."""
    return (module for module in transformer.modules() if isinstance(module, SparseLinearAttention))
