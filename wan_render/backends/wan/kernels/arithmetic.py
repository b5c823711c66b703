"""The parts of a block that depend on the precision: as the weights were loaded, or float8."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn import functional

from wan_render.backends.wan.kernels.attention import Attend
from wan_render.backends.wan.kernels.linear import Float8Linear
from wan_render.backends.wan.kernels.operations import HeadScales, Operations, Rope
from wan_render.backends.wan.kernels.rows import LARGEST, Activation
from wan_render.backends.wan.profiles.exchange import UNDIVIDED, Exchange

MEAN_FROM_EVERY = 16
"""The mean of the keys is taken over every 16th token. Softmax does not change if the same vector is subtracted from
every key, so an estimate is as good as the mean."""


@dataclass(frozen=True)
class Heads:
    """The norms' weights (features,) of a self-attention's queries and keys, and its number of heads."""

    query_norm: torch.Tensor
    key_norm: torch.Tensor
    count: int
    eps: float


class Arithmetic(Protocol):
    """The parts of a block that depend on the precision."""

    @property
    def takes_rows(self) -> bool:
        """Whether linear layers take rows of float8."""
        ...

    def layer(self, layer: torch.nn.Linear, device: torch.device) -> torch.nn.Module:
        """A linear layer as this arithmetic computes it, on the device."""
        ...

    def self_attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        heads: Heads,
        rope: Rope,
        exchange: Exchange = UNDIVIDED,
    ) -> Activation:
        """Self-attention of (own tokens, features) that are neither normed nor rotated yet."""
        ...

    def summed(self, one: torch.Tensor, other: torch.Tensor | None) -> Activation:
        """The sum, in the form that the next linear layer takes."""
        ...

    def widened(self, layer: Any, inputs: Activation) -> Activation:
        """The first linear layer of a feed-forward, followed by GELU."""
        ...


@dataclass(frozen=True)
class Loaded:
    """The precision of the weights, with exact attention."""

    operations: Operations
    attend: Attend

    @property
    def takes_rows(self) -> bool:
        """False."""
        return False

    def layer(self, layer: torch.nn.Linear, device: torch.device) -> torch.nn.Module:
        """The layer itself."""
        return layer.to(device)

    def self_attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        heads: Heads,
        rope: Rope,
        exchange: Exchange = UNDIVIDED,
    ) -> Activation:
        """Exact attention."""
        query = self.operations.rms_rope(query, heads.query_norm, rope, heads.eps, None)
        key = self.operations.rms_rope(key, heads.key_norm, rope, heads.eps, None)
        query, key, value = (exchange.to_heads(split(part, heads.count)) for part in (query, key, value))
        return joined_heads(exchange.to_tokens(self.attend(query, key, value)))

    def summed(self, one: torch.Tensor, other: torch.Tensor | None) -> Activation:
        """The plain sum."""
        return one if other is None else one + other

    def widened(self, layer: Any, inputs: Activation) -> Activation:
        """The product with GELU. On CUDA one kernel does both, which saves a pass over the widest tensor."""
        if isinstance(inputs, torch.Tensor) and inputs.is_cuda:
            return torch._addmm_activation(layer.bias, inputs, layer.weight.t(), use_gelu=True)
        return functional.gelu(layer(inputs), approximate="tanh")


@dataclass(frozen=True)
class Float8:
    """Linear layers in float8, and, with `attend_float8`, self-attention as well."""

    operations: Operations
    attend_float8: Any

    @property
    def takes_rows(self) -> bool:
        """True."""
        return True

    def layer(self, layer: torch.nn.Linear, device: torch.device) -> torch.nn.Module:
        """The layer, quantised. `layer` cannot be used afterwards."""
        return Float8Linear(layer, device)

    def self_attention(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        heads: Heads,
        rope: Rope,
        exchange: Exchange = UNDIVIDED,
    ) -> Activation:
        """Attention in float8, with the mean subtracted from keys and values.

        The weights of an attention sum to one, so the mean of the values is added to every result. Data for other
        devices is float8 already, with scales that are the same on all devices.
        """
        operations, eps = self.operations, heads.eps
        of_query = HeadScales(None, safe_scales(heads.query_norm, heads.count))
        query = operations.rms_rope(query, heads.query_norm, rope, eps, of_query)
        common = exchange.mean(common_key(operations, key, heads, rope))
        of_key = HeadScales(common, safe_scales(heads.key_norm, heads.count) + head_peaks(common, heads.count))
        key = operations.rms_rope(key, heads.key_norm, rope, eps, of_key)
        of_value = value_scales(operations, value, heads.count, exchange)
        value = operations.head_float8(value, of_value)
        parts = (exchange.to_heads(split(part, heads.count)) for part in (query, key, value))
        scales = tuple(exchange.own_heads(each.scale) for each in (of_query, of_key, of_value))
        found = exchange.to_tokens(self.attend_float8(*parts, scales))
        return operations.to_rows(joined_heads(found), of_value.shift)

    def summed(self, one: torch.Tensor, other: torch.Tensor | None) -> Activation:
        """The sum as rows."""
        return self.operations.to_rows(one, other)

    def widened(self, layer: Any, inputs: Activation) -> Activation:
        """The product, then GELU into rows."""
        return self.operations.gelu_rows(layer(inputs))


def safe_scales(norm: torch.Tensor, heads: int) -> torch.Tensor:
    """Scales (heads,) with which no output of an RMS norm can overflow float8, rotated or not.

    A normed vector of n features has the length sqrt(n), so no pair of features is longer than sqrt(n) times the larger
    weight. A typical feature then is near 6, which is 400 times larger than the numbers at which float8 loses bits. A
    tighter scale would gain nothing in a floating-point format, so the largest number is not needed.
    """
    largest = norm.detach().float().abs().view(heads, -1).amax(dim=1)
    return (largest * math.sqrt(norm.numel()) / LARGEST).clamp(min=1e-12)


def head_peaks(shift: torch.Tensor, heads: int) -> torch.Tensor:
    """What a shift adds to the scales of its heads."""
    return shift.abs().view(heads, -1).amax(dim=1) / LARGEST


def common_key(operations: Operations, key: torch.Tensor, heads: Heads, rope: Rope) -> torch.Tensor:
    """The mean (features,) of the normed and rotated keys, over a sample of the tokens."""
    sample = key[::MEAN_FROM_EVERY].contiguous()
    normed = operations.rms_rope(sample, heads.key_norm, rope.every(MEAN_FROM_EVERY), heads.eps, None)
    return normed.float().mean(dim=0)


def value_scales(operations: Operations, value: torch.Tensor, heads: int, exchange: Exchange = UNDIVIDED) -> HeadScales:
    """Scales with the mean as shift, and the tightest scale for each head after the shift."""
    mean, low, high = operations.extremes(value)
    mean = exchange.mean(mean)
    peaks = exchange.largest(torch.maximum(high - mean, mean - low).view(heads, -1).amax(dim=1))
    return HeadScales(mean, peaks.clamp(min=1e-12) / LARGEST)


def split(features: torch.Tensor, heads: int) -> torch.Tensor:
    """(tokens, features) as (1, tokens, heads, features of a head)."""
    return features.view(1, len(features), heads, -1)


def joined_heads(heads: torch.Tensor) -> torch.Tensor:
    """(1, tokens, heads, features of a head) as (tokens, features)."""
    return heads[0].flatten(1)
