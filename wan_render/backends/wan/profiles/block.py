"""One transformer block: the function of diffusers' WanTransformerBlock, in other operations."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from wan_render.backends.wan.kernels.arithmetic import Arithmetic, Heads, Projections, joined_heads, split
from wan_render.backends.wan.kernels.attention import Attend
from wan_render.backends.wan.kernels.attention_check import LayerCheck
from wan_render.backends.wan.kernels.operations import Operations, Rope, Update
from wan_render.backends.wan.profiles.context import Crossed
from wan_render.backends.wan.profiles.exchange import Exchange
from wan_render.backends.wan.profiles.sparse_attention import sparse_linear_of

SCALES = (1, 4)
"""The scales among a block's six modulations: shift, scale, gate of the attention, then of the feed-forward."""

LAYERS = {
    "to_q": "attn1.to_q",
    "to_k": "attn1.to_k",
    "to_v": "attn1.to_v",
    "to_out": "attn1.to_out.0",
    "cross_q": "attn2.to_q",
    "cross_out": "attn2.to_out.0",
    "widen": "ffn.net.0.proj",
    "narrow": "ffn.net.2",
}
"""A block's linear layers, and their names in diffusers' block."""

TABLES = {"modulation": "scale_shift_table", "cross_scale": "norm2.weight", "cross_shift": "norm2.bias"}
"""A block's float32 tables, here as (rows, features), and their names in diffusers' block."""


class Block(torch.nn.Module):
    """The weights of a block, and its forward in an arithmetic.

    The last addition of a block is left to the next norm, which reads the same numbers. Sparse-linear self-attention
    stays as loaded, whatever the arithmetic.
    """

    to_q: torch.nn.Module
    to_k: torch.nn.Module
    to_v: torch.nn.Module
    to_out: torch.nn.Module
    cross_q: torch.nn.Module
    cross_out: torch.nn.Module
    widen: torch.nn.Module
    narrow: torch.nn.Module
    modulation: torch.Tensor
    cross_scale: torch.Tensor
    cross_shift: torch.Tensor

    def __init__(self, block: Any, arithmetic: Arithmetic, operations: Operations, device: torch.device) -> None:
        """Take over diffusers' block."""
        super().__init__()
        self._arithmetic, self._operations = arithmetic, operations
        own, cross = block.attn1, block.attn2
        if (sparse := sparse_linear_of(own)) is not None:
            self.sparse_linear = sparse.to(device)
            self._arithmetic = arithmetic.attending_by(self.sparse_linear)
        for name, theirs in LAYERS.items():
            self.add_module(name, arithmetic.layer(block.get_submodule(theirs), device))
        for name, theirs in TABLES.items():
            table = block.get_parameter(theirs)
            shape = table.view(-1, own.inner_dim).shape
            self.register_buffer(name, torch.empty(shape, dtype=torch.float32, device=device))
            self.hold(name, table)
        self.own_norm_q, self.own_norm_k = own.norm_q.to(device), own.norm_k.to(device)
        self.cross_norm_q = cross.norm_q.to(device)
        self._heads = own.heads
        self._eps = block.norm1.eps
        self._qk_eps = own.norm_q.eps

    def hold(self, name: str, table: torch.Tensor) -> None:
        """Replace a table. name: one of TABLES."""
        held = self.get_buffer(name)
        held.copy_(table.detach().view(held.shape))
        if name == "modulation":
            held[list(SCALES)] += 1

    def forward(
        self,
        stream: torch.Tensor,
        update: Update | None,
        time: torch.Tensor,
        crossed: Crossed,
        rope: Rope,
        attend: Attend,
        exchange: Exchange,
        check: LayerCheck,
    ) -> tuple[torch.Tensor, Update]:
        """The stream and its next update.

        stream:   (tokens, features). update: to be added to it first.
        time:     modulation by the timestep, (1 or tokens, 6, features) float32.
        attend:   computes the cross-attention, which needs no tokens of other devices.
        exchange: for the self-attention, which needs them.
        check:    whether the self-attention may be in float8.
        """
        shift, scale, gate, shift_wide, scale_wide, gate_wide = (time + self.modulation).unbind(1)
        rows = self._arithmetic.takes_rows
        stream, inputs = self._operations.norm(stream, update, scale, shift, self._eps, to_rows=rows)
        attended = self._attention(inputs, rope, exchange, check)
        update = Update(attended, gate)
        stream, inputs = self._operations.norm(
            stream, update, self.cross_scale, self.cross_shift, self._eps, to_rows=rows
        )
        update = Update(self._cross_attention(inputs, crossed, attend), None)
        stream, inputs = self._operations.norm(stream, update, scale_wide, shift_wide, self._eps, to_rows=rows)
        return stream, Update(self.narrow(self._arithmetic.widened(self.widen, inputs)), gate_wide)

    def _attention(self, inputs: Any, rope: Rope, exchange: Exchange, check: LayerCheck) -> torch.Tensor:
        heads = Heads(self.own_norm_q.weight, self.own_norm_k.weight, self._heads, self._qk_eps)
        projections = Projections(*(partial(layer, inputs) for layer in (self.to_q, self.to_k, self.to_v)))
        attended = self._arithmetic.self_attention(projections, heads, rope, exchange, check)
        del inputs, projections
        found: torch.Tensor = self.to_out(attended)
        return found

    def _cross_attention(self, inputs: Any, crossed: Crossed, attend: Attend) -> torch.Tensor:
        query = self._operations.rms_rope(self.cross_q(inputs), self.cross_norm_q.weight, None, self._qk_eps, None)
        query = split(query, self._heads)
        words = joined_heads(attend(query, *crossed.words))
        pictures = None if crossed.pictures is None else joined_heads(attend(query, *crossed.pictures))
        found: torch.Tensor = self.cross_out(self._arithmetic.summed(words, pictures))
        return found
