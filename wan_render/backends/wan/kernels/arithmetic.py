"""The parts of a block that depend on the precision, and how they are computed as the weights were loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from wan_render.backends.wan.kernels.attention import Attend
from wan_render.backends.wan.kernels.attention_check import LayerCheck
from wan_render.backends.wan.kernels.linear import StoredLinear
from wan_render.backends.wan.kernels.operations import Operations, Rope
from wan_render.backends.wan.kernels.rows import Activation
from wan_render.backends.wan.profiles.exchange import UNDIVIDED, Exchange, Incoming


@dataclass(frozen=True)
class Heads:
    """The norms' weights (features,) of a self-attention's queries and keys, and its number of heads."""

    query_norm: Tensor
    key_norm: Tensor
    count: int
    eps: float


@dataclass(frozen=True)
class Projections:
    """Compute the queries, keys and values of a self-attention: (own tokens, features) each, neither normed nor rotated
    yet. Each is computed when it is needed, while others are on their way to other devices."""

    query: Callable[[], Tensor]
    key: Callable[[], Tensor]
    value: Callable[[], Tensor]

    @staticmethod
    def of(query: Tensor, key: Tensor, value: Tensor) -> Projections:
        """Those that are computed already."""
        return Projections(lambda: query, lambda: key, lambda: value)


class Arithmetic(Protocol):
    """The parts of a block that depend on the precision."""

    @property
    def takes_rows(self) -> bool:
        """Whether linear layers take rows of float8."""

    def layer(self, layer: torch.nn.Linear, device: torch.device) -> torch.nn.Module:
        """A linear layer as this arithmetic computes it, on the device."""

    @property
    def rounds_attention(self) -> bool:
        """Whether self-attention is in float8, so that a check may ask for an exact one."""

    def self_attention(
        self,
        projections: Projections,
        heads: Heads,
        rope: Rope,
        exchange: Exchange = UNDIVIDED,
        check: LayerCheck | None = None,
    ) -> Activation:
        """Self-attention, (own tokens, features). check: of this layer; only one in float8 needs it."""

    def attending_by(self, attend: Attend) -> Arithmetic:
        """The same, with a self-attention by `attend` as loaded."""

    def summed(self, one: Tensor, other: Tensor | None) -> Activation:
        """The sum, in the form that the next linear layer takes."""

    def widened(self, layer: Any, inputs: Activation) -> Activation:
        """The first linear layer of a feed-forward, followed by GELU."""


@dataclass(frozen=True)
class Loaded:
    """The precision of the weights, with exact attention."""

    operations: Operations
    attend: Attend

    @property
    def takes_rows(self) -> bool:
        """False."""
        return False

    @property
    def rounds_attention(self) -> bool:
        """False."""
        return False

    def layer(self, layer: torch.nn.Linear, device: torch.device) -> torch.nn.Module:
        """The layer itself."""
        return layer.to(device)

    def self_attention(
        self,
        projections: Projections,
        heads: Heads,
        rope: Rope,
        exchange: Exchange = UNDIVIDED,
        check: LayerCheck | None = None,  # noqa: ARG002 - nothing to check
    ) -> Activation:
        """Exact attention."""
        return attended(self.operations, self.attend, projections, heads, rope, exchange)

    def attending_by(self, attend: Attend) -> Loaded:
        """See Arithmetic."""
        return replace(self, attend=attend)

    def summed(self, one: Tensor, other: Tensor | None) -> Activation:
        """The plain sum."""
        return one if other is None else one + other

    def widened(self, layer: Any, inputs: Activation) -> Activation:
        """The product with GELU. On CUDA one kernel does both, which saves a pass over the widest tensor."""
        if isinstance(inputs, Tensor) and inputs.is_cuda:
            return torch._addmm_activation(layer.bias, inputs, layer.weight.t(), use_gelu=True)
        return functional.gelu(layer(inputs), approximate="tanh")


@dataclass(frozen=True)
class StoredFloat8(Loaded):
    """As Loaded, with the weights of linear layers stored in float8. It saves memory, and no time."""

    def layer(self, layer: torch.nn.Linear, device: torch.device) -> torch.nn.Module:
        """The layer, with its weight in 8 bits. `layer` cannot be used afterwards."""
        return StoredLinear(layer, device, self.operations)

    def widened(self, layer: Any, inputs: Activation) -> Activation:
        """The product, then GELU."""
        return functional.gelu(layer(inputs), approximate="tanh")


def attended(
    operations: Operations,
    attend: Attend,
    projections: Projections,
    heads: Heads,
    rope: Rope,
    exchange: Exchange,
) -> Tensor:
    """Exact self-attention."""
    return joined_heads(exchange.to_tokens(attend(*normed_heads(operations, projections, heads, rope, exchange))))


def normed_heads(
    operations: Operations, projections: Projections, heads: Heads, rope: Rope, exchange: Exchange
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries and keys, normed and rotated, and values: (1, all tokens, own heads, features of a head) each. Each is on
    its way while the next one is computed."""

    def sent(part: Tensor) -> Incoming:
        return exchange.to_heads(split(part, heads.count))

    query = sent(operations.rms_rope(projections.query(), heads.query_norm, rope, heads.eps, None))
    key = sent(operations.rms_rope(projections.key(), heads.key_norm, rope, heads.eps, None))
    value = sent(projections.value())
    return query(), key(), value()


def split(features: Tensor, heads: int) -> Tensor:
    """(tokens, features) as (1, tokens, heads, features of a head)."""
    return features.view(1, len(features), heads, -1)


def joined_heads(heads: Tensor) -> Tensor:
    """(1, tokens, heads, features of a head) as (tokens, features)."""
    return heads[0].flatten(1)
