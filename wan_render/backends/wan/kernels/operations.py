"""The operations between the matrix products of a transformer block, in few passes over memory.

`Operations` is the interface; `TorchOperations` is the reference in plain torch. Tensors are (tokens, features), for a
batch of one. Everything is computed in float32 and rounded once, when it is stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from wan_render.backends.wan.kernels.rows import FLOAT8, LARGEST, Activation, Rows, quantised


@dataclass(frozen=True)
class Rope:
    """Rotary positions: cosines and sines (tokens, pairs of a head) float32."""

    cos: Tensor
    sin: Tensor

    def every(self, step: int) -> Rope:
        """The positions of every step-th token."""
        return Rope(self.cos[::step].contiguous(), self.sin[::step].contiguous())


@dataclass(frozen=True)
class Update:
    """A value to add to the stream of tokens: (tokens, features), times a gate (1 or tokens, features) float32."""

    value: Tensor
    gate: Tensor | None


@dataclass(frozen=True)
class HeadScales:
    """How a tensor of heads is converted to float8: (number - shift) / scale, clipped.

    shift: (features,) float32, or None. scale: (heads,) float32.
    """

    shift: Tensor | None
    scale: Tensor


class Operations(Protocol):
    """The operations; implemented in plain torch and in Triton."""

    def norm(
        self, stream: Tensor, update: Update | None, scale: Tensor, shift: Tensor, eps: float, *, to_rows: bool
    ) -> tuple[Tensor, Activation]:
        """The stream with the update added, and its layer norm times scale plus shift (1 or tokens, features). The norm
        uses the sum before it is rounded to the stream's type.

        The given stream may be overwritten with the returned one.
        """

    def rms_rope(self, numbers: Tensor, weight: Tensor, rope: Rope | None, eps: float, to: HeadScales | None) -> Tensor:
        """RMS norm over all features times weight, then rotated. In float8 with scales `to`, else in the input's
        type."""

    def head_float8(self, numbers: Tensor, to: HeadScales) -> Tensor:
        """The numbers in float8, with scales `to`."""

    def extremes(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean, minimum and maximum over all tokens, each (features,) float32."""

    def to_rows(self, numbers: Tensor, more: Tensor | None) -> Rows:
        """The sum with `more` (tokens, features) or (features,), as rows."""

    def gelu_rows(self, numbers: Tensor) -> Rows:
        """GELU with the tanh approximation, as rows."""

    def unpacked(self, weight: Tensor, scales: Tensor) -> Tensor:
        """A float8 weight (out, in) times its scales (out, 1), in the type of the scales; rounded once."""


@dataclass(frozen=True)
class TorchOperations:
    """The reference in plain torch, on any device."""

    def norm(
        self, stream: Tensor, update: Update | None, scale: Tensor, shift: Tensor, eps: float, *, to_rows: bool
    ) -> tuple[Tensor, Activation]:
        """See Operations."""
        wide = stream.float()
        if update is not None:
            wide = wide + (update.value if update.gate is None else update.value.float() * update.gate)
            stream = wide.to(stream.dtype)
        normed = functional.layer_norm(wide, wide.shape[-1:], eps=eps) * scale + shift
        return stream, quantised(normed) if to_rows else normed.to(stream.dtype)

    def rms_rope(self, numbers: Tensor, weight: Tensor, rope: Rope | None, eps: float, to: HeadScales | None) -> Tensor:
        """See Operations."""
        wide = functional.rms_norm(numbers.float(), numbers.shape[-1:], weight.float(), eps)
        if rope is not None:
            pairs = wide.view(len(wide), -1, rope.cos.shape[-1], 2)
            cos, sin = rope.cos.unsqueeze(1), rope.sin.unsqueeze(1)
            one, other = pairs.unbind(-1)
            wide = torch.stack([one * cos - other * sin, one * sin + other * cos], dim=-1).flatten(1)
        return wide.to(numbers.dtype) if to is None else self.head_float8(wide, to)

    def head_float8(self, numbers: Tensor, to: HeadScales) -> Tensor:
        """See Operations."""
        wide = numbers.float() if to.shift is None else numbers.float() - to.shift
        scaled = wide.reshape(len(wide), to.scale.numel(), -1) / to.scale.view(1, -1, 1)
        return scaled.flatten(1).clamp(-LARGEST, LARGEST).to(FLOAT8)

    def extremes(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See Operations."""
        wide = numbers.float()
        return wide.mean(dim=0), wide.amin(dim=0), wide.amax(dim=0)

    def to_rows(self, numbers: Tensor, more: Tensor | None) -> Rows:
        """See Operations."""
        return quantised(numbers if more is None else numbers.float() + more.float())

    def gelu_rows(self, numbers: Tensor) -> Rows:
        """See Operations."""
        return quantised(functional.gelu(numbers.float(), approximate="tanh"))

    def unpacked(self, weight: Tensor, scales: Tensor) -> Tensor:
        """See Operations."""
        return weight.to(scales.dtype) * scales
