"""What diffusers' own transformer does with compiled blocks and FlashAttention 3, in bfloat16 and with linear layers in
torchao's float8: the alternatives to our forward."""

from __future__ import annotations

import copy
from importlib import import_module
from typing import Any

import torch

from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.kernels.attention import Attend


class Processor:
    """diffusers' WanAttnProcessor with another kernel, written so that the compiler can fuse the rotation."""

    def __init__(self, attend: Attend) -> None:
        self._attend = attend

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        _: torch.Tensor | None = None,
        rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        words, pictures = encoder_hidden_states, None
        if words is not None and attn.add_k_proj is not None:
            pictures, words = words[:, :-512], words[:, -512:]
        query = attn.norm_q(attn.to_q(hidden_states)).unflatten(2, (attn.heads, -1))
        source = hidden_states if words is None else words
        key = attn.norm_k(attn.to_k(source)).unflatten(2, (attn.heads, -1))
        value = attn.to_v(source).unflatten(2, (attn.heads, -1))
        if rotary_emb is not None:
            query, key = rotated(query, *rotary_emb), rotated(key, *rotary_emb)
        found = self._attend(query, key, value).flatten(2)
        if pictures is not None:
            key = attn.norm_added_k(attn.add_k_proj(pictures)).unflatten(2, (attn.heads, -1))
            value = attn.add_v_proj(pictures).unflatten(2, (attn.heads, -1))
            found = found + self._attend(query, key, value).flatten(2)
        projected: torch.Tensor = attn.to_out[0](found)
        return projected


def rotated(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    one, other = states.view(*states.shape[:-1], -1, 2).unbind(-1)
    c, s = cos[..., 0::2], sin[..., 1::2]
    return torch.stack([one * c - other * s, one * s + other * c], dim=-1).flatten(-2).type_as(states)


def compiled(transformer: Any, device: torch.device) -> Any:
    """The transformer, changed in place; with the kernels that the compiler can trace, not with ours, which import."""
    attend: Attend = attention.CUDNN.attend
    if attention.runs_flash3(device):
        attend = import_module("fa3_fwd_interface").flash_attn_func
    for block in transformer.blocks:
        block.attn1.processor = block.attn2.processor = Processor(attend)
    transformer.compile_repeated_blocks(fullgraph=True, dynamic=False)
    return transformer


KEYS_AND_VALUES_OF_SHOT = ("attn2.to_k", "attn2.to_v", "attn2.add_k_proj", "attn2.add_v_proj")
"""Layers of a block that see words and pictures only. `fast` leaves them as they are loaded."""


def in_float8(transformer: Any, *, leaves: tuple[str, ...] = (), is_tuned: bool = False) -> Any:
    """The transformer, changed in place: the linear layers of its blocks in torchao's float8, a scale for each token
    and each output; quantised block by block where they lie.

    leaves: layers of a block that stay as they are.
    is_tuned: with the compiler's settings that torchao recommends, for this whole process. Among them is coordinate
    descent, which tries dozens of forms of each kernel, one after the other.
    """
    torchao = import_module("torchao.quantization")
    config = torchao.Float8DynamicActivationFloat8WeightConfig(
        granularity=torchao.PerRow(), set_inductor_config=is_tuned
    )

    def is_quantised(layer: torch.nn.Module, name: str) -> bool:
        return isinstance(layer, torch.nn.Linear) and name not in leaves

    for block in transformer.blocks:
        torchao.quantize_(block, config, filter_fn=is_quantised)
    return transformer


def sharing_weights(transformer: Any) -> Any:
    """A copy whose layers may be exchanged, and which has the same weights: they are read, never written."""
    weights = {id(weight): weight for weight in (*transformer.parameters(), *transformer.buffers())}
    return copy.deepcopy(transformer, weights)
