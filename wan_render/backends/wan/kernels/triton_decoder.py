"""The operations of `decoder` as Triton kernels. A program handles some pixels, whose channels are contiguous."""

from __future__ import annotations

import torch
import triton
from triton import language as tl

NUMBERS = 4096
"""The numbers that one program handles: 32 per thread."""


@triton.jit  # type: ignore[untyped-decorator]
def _places(pixels, channels, rows: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """The channels of this program's pixels and their mask; the offsets of all numbers and their mask."""
    row = tl.program_id(0).to(tl.int64) * rows + tl.arange(0, rows)
    col = tl.arange(0, block)
    is_channel = col < channels
    return col, is_channel, row[:, None] * channels + col[None, :], (row < pixels)[:, None] & is_channel[None, :]


@triton.jit  # type: ignore[untyped-decorator]
def _norm_silu_kernel(  # type: ignore[no-untyped-def]
    numbers, bias, gamma, out, pixels, channels, root, has_bias: tl.constexpr, rows: tl.constexpr, block: tl.constexpr
):
    col, is_channel, place, mask = _places(pixels, channels, rows, block)
    x = tl.load(numbers + place, mask=mask, other=0.0).to(tl.float32)
    if has_bias:
        x += tl.load(bias + col, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    factor = root / tl.maximum(tl.sqrt(tl.sum(x * x, axis=1)), 1e-12)
    x = x * factor[:, None] * tl.load(gamma + col, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    tl.store(out + place, (x * tl.sigmoid(x)).to(out.dtype.element_ty), mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def _add_kernel(  # type: ignore[no-untyped-def]
    numbers, bias, other, pixels, channels, rows: tl.constexpr, block: tl.constexpr
):
    col, is_channel, place, mask = _places(pixels, channels, rows, block)
    x = tl.load(numbers + place, mask=mask, other=0.0)
    added = tl.load(other + place, mask=mask, other=0.0).to(tl.float32)
    added += tl.load(bias + col, mask=is_channel, other=0.0).to(tl.float32)[None, :]
    tl.store(numbers + place, (x.to(tl.float32) + added).to(x.dtype), mask=mask)


class TritonVaeOperations:
    """The operations on a CUDA device."""

    def norm_silu(
        self, pixels: torch.Tensor, bias: torch.Tensor | None, gamma: torch.Tensor, out: torch.Tensor
    ) -> None:
        """See VaeOperations."""
        channels = len(gamma)
        count = pixels.numel() // channels
        rows, block = _shape(channels)
        _norm_silu_kernel[(triton.cdiv(count, rows),)](
            _lined_up(pixels),
            gamma if bias is None else bias,
            gamma,
            _lined_up(out),
            count,
            channels,
            channels**0.5,
            has_bias=bias is not None,
            rows=rows,
            block=block,
        )

    def add(self, pixels: torch.Tensor, bias: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """See VaeOperations. Overwrites `pixels`."""
        channels = len(bias)
        count = pixels.numel() // channels
        rows, block = _shape(channels)
        _add_kernel[(triton.cdiv(count, rows),)](
            _lined_up(pixels), bias, _lined_up(other), count, channels, rows=rows, block=block
        )
        return pixels


def _shape(channels: int) -> tuple[int, int]:
    block = triton.next_power_of_2(channels)
    return max(NUMBERS // block, 1), block


def _lined_up(pixels: torch.Tensor) -> torch.Tensor:
    """`pixels` itself. Raises ValueError unless it is one dense, channels-last video."""
    if not pixels[0].permute(1, 2, 3, 0).is_contiguous() or len(pixels) != 1:
        raise ValueError(f"expected one video with its channels last, got strides {pixels.stride()}")
    return pixels
