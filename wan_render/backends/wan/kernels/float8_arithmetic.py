"""The parts of a block that depend on the precision, in float8."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from wan_render.backends.wan.kernels.arithmetic import (
    Heads,
    Projections,
    attended,
    joined_heads,
    normed_heads,
    split,
)
from wan_render.backends.wan.kernels.attention import SDPA, Attend
from wan_render.backends.wan.kernels.attention_check import SAMPLED_QUERIES, LayerCheck
from wan_render.backends.wan.kernels.linear import Float8Linear
from wan_render.backends.wan.kernels.operations import HeadScales, Operations, Rope
from wan_render.backends.wan.kernels.rows import LARGEST, Activation
from wan_render.backends.wan.profiles.exchange import UNDIVIDED, Exchange, Incoming

MEAN_FROM_EVERY = 16
"""The mean of the keys is taken over every 16th token. Softmax does not change if the same vector is subtracted from
every key, so an estimate is as good as the mean."""


@dataclass(frozen=True)
class _Float8Layers:
    """Linear layers in float8."""

    operations: Operations

    @property
    def takes_rows(self) -> bool:
        """True."""
        return True

    def layer(self, layer: torch.nn.Linear, device: torch.device) -> torch.nn.Module:
        """The layer, quantised. `layer` cannot be used afterwards."""
        return Float8Linear(layer, device)

    def attending_by(self, attend: Attend) -> Float8Products:
        """See Arithmetic."""
        return Float8Products(self.operations, attend)

    def summed(self, one: Tensor, other: Tensor | None) -> Activation:
        """The sum as rows."""
        return self.operations.to_rows(one, other)

    def widened(self, layer: Any, inputs: Activation) -> Activation:
        """The product, then GELU into rows."""
        return self.operations.gelu_rows(layer(inputs))


@dataclass(frozen=True)
class Float8(_Float8Layers):
    """Linear layers and self-attention in float8.

    attend_float8: see attention.flash3_float8. attend: exact, for layers that float8 would change too much.
    """

    attend_float8: Any
    attend: Attend = SDPA.attend

    @property
    def rounds_attention(self) -> bool:
        """True."""
        return True

    def self_attention(
        self,
        projections: Projections,
        heads: Heads,
        rope: Rope,
        exchange: Exchange = UNDIVIDED,
        check: LayerCheck | None = None,
    ) -> Activation:
        """Attention in float8, with the mean subtracted from keys and values.

        The weights of an attention sum to one, so the mean of the values is added to every result. Data for other
        devices is float8 already, with scales that are the same on all devices.
        """
        if check is not None and check.is_exact:
            return self._exact(projections, heads, rope, exchange)
        operations, eps = self.operations, heads.eps

        def sent(part: Tensor) -> Incoming:
            return exchange.to_heads(split(part, heads.count))

        query = projections.query()
        of_query = HeadScales(None, safe_scales(heads.query_norm, heads.count))
        query8 = sent(operations.rms_rope(query, heads.query_norm, rope, eps, of_query))
        key = projections.key()
        common = exchange.mean(common_key(operations, key, heads, rope))
        of_key = HeadScales(common, safe_scales(heads.key_norm, heads.count) + head_peaks(common, heads.count))
        key8 = sent(operations.rms_rope(key, heads.key_norm, rope, eps, of_key))
        value = projections.value()
        of_value = value_scales(operations, value, heads.count, exchange)
        value8 = sent(operations.head_float8(value, of_value))
        scales = tuple(exchange.own_heads(each.scale) for each in (of_query, of_key, of_value))
        found = self.attend_float8(query8(), key8(), value8(), scales)
        if check is not None and check.is_due(heads.query_norm, heads.key_norm, heads.count):
            computed = Projections.of(query, key, value)
            check.note(self._error(found, of_value, computed, heads, rope, exchange))
            if check.is_exact:
                return self._exact(computed, heads, rope, exchange)
        return operations.to_rows(joined_heads(exchange.to_tokens(found)), of_value.shift)

    def _exact(self, projections: Projections, heads: Heads, rope: Rope, exchange: Exchange) -> Activation:
        exact = attended(self.operations, self.attend, projections, heads, rope, exchange)
        return self.operations.to_rows(exact, None)

    def _error(
        self,
        found: Tensor,
        of_value: HeadScales,
        projections: Projections,
        heads: Heads,
        rope: Rope,
        exchange: Exchange,
    ) -> float:
        """The relative error of some queries' results in float8, over all heads: the same on all devices. found: (1,
        all tokens, own heads, features), without the values' mean."""
        parts = normed_heads(self.operations, projections, heads, rope, exchange)
        step = max(1, found.shape[1] // SAMPLED_QUERIES)
        exact = self.attend(parts[0][:, ::step].contiguous(), *parts[1:]).float()
        rounded = found[:, ::step].float()
        if of_value.shift is not None:
            rounded = rounded + exchange.own_heads(of_value.shift.view(heads.count, -1))
        squares = torch.stack([(rounded - exact).square().mean(), exact.square().mean()])
        error, size = exchange.mean(squares).unbind()
        return float((error / size).sqrt())


@dataclass(frozen=True)
class Float8Products(_Float8Layers):
    """Linear layers in float8, with exact attention by `attend`."""

    attend: Attend

    @property
    def rounds_attention(self) -> bool:
        """False."""
        return False

    def self_attention(
        self,
        projections: Projections,
        heads: Heads,
        rope: Rope,
        exchange: Exchange = UNDIVIDED,
        check: LayerCheck | None = None,  # noqa: ARG002 - as above
    ) -> Activation:
        """Exact attention, whose result becomes rows."""
        exact = attended(self.operations, self.attend, projections, heads, rope, exchange)
        return self.operations.to_rows(exact, None)


def safe_scales(norm: Tensor, heads: int) -> Tensor:
    """Scales (heads,) with which no output of an RMS norm can overflow float8, rotated or not.

    A normed vector of n features has the length sqrt(n), so no pair of features is longer than sqrt(n) times the larger
    weight. A typical feature then is near 6, which is 400 times larger than the numbers at which float8 loses bits. A
    tighter scale would gain nothing in a floating-point format, so the largest number is not needed.
    """
    largest = norm.detach().float().abs().view(heads, -1).amax(dim=1)
    return (largest * math.sqrt(norm.numel()) / LARGEST).clamp(min=1e-12)


def head_peaks(shift: Tensor, heads: int) -> Tensor:
    """What a shift adds to the scales of its heads."""
    return shift.abs().view(heads, -1).amax(dim=1) / LARGEST


def common_key(operations: Operations, key: Tensor, heads: Heads, rope: Rope) -> Tensor:
    """The mean (features,) of the normed and rotated keys, over a sample of the tokens."""
    sample = key[::MEAN_FROM_EVERY].contiguous()
    normed = operations.rms_rope(sample, heads.key_norm, rope.every(MEAN_FROM_EVERY), heads.eps, None)
    return normed.float().mean(dim=0)


def value_scales(operations: Operations, value: Tensor, heads: int, exchange: Exchange = UNDIVIDED) -> HeadScales:
    """Scales with the mean as shift, and the tightest scale for each head after the shift."""
    mean, low, high = operations.extremes(value)
    mean = exchange.mean(mean)
    peaks = exchange.largest(torch.maximum(high - mean, mean - low).view(heads, -1).amax(dim=1))
    return HeadScales(mean, peaks.clamp(min=1e-12) / LARGEST)
