"""The operations of `operations` on a CUDA device, by the kernels of `triton_kernels`."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
from torch import Tensor

from wan_render.backends.wan.kernels.launches import NUMBERS_PER_WARP, USUAL, Launches
from wan_render.backends.wan.kernels.operations import HeadScales, Rope, Update
from wan_render.backends.wan.kernels.rows import FLOAT8, Activation, Rows
from wan_render.backends.wan.kernels.triton_kernels import (
    extremes_kernel,
    head_float8_kernel,
    norm_kernel,
    rms_rope_kernel,
    rows_kernel,
    unpack_kernel,
)

TOKENS_PER_PARTIAL = 128
"""Tokens that one program of `extremes` handles."""

TOKENS_AT_ONCE = 8
"""How many of these tokens are loaded at once."""

COLUMNS_UNPACKED = 2048
"""Columns of a stored weight that one program of `unpacked` handles."""


@dataclass(frozen=True)
class TritonOperations:
    """The operations on a CUDA device."""

    launches: Launches = USUAL

    def norm(
        self, stream: Tensor, update: Update | None, scale: Tensor, shift: Tensor, eps: float, *, to_rows: bool
    ) -> tuple[Tensor, Activation]:
        """See Operations. Overwrites the stream."""
        tokens, width = stream.shape
        out = torch.empty_like(stream, dtype=FLOAT8 if to_rows else stream.dtype)
        scales = stream.new_empty(tokens if to_rows else 1, 1, dtype=torch.float32)
        gate = update.gate if update is not None else None
        norm_kernel[(tokens,)](
            stream,
            stream if update is None else update.value,
            scale if gate is None else gate,
            scale,
            shift,
            out,
            scales,
            0 if gate is None else _row_stride(gate),
            _row_stride(scale),
            _row_stride(shift),
            eps,
            has_update=update is not None,
            has_gate=gate is not None,
            to_rows=to_rows,
            **_launch(width),
        )
        return stream, Rows(out, scales) if to_rows else out

    def rms_rope(self, numbers: Tensor, weight: Tensor, rope: Rope | None, eps: float, to: HeadScales | None) -> Tensor:
        """See Operations."""
        tokens, width = numbers.shape
        out = numbers.new_empty(tokens, width, dtype=numbers.dtype if to is None else FLOAT8)
        head = width  # unused in this case
        if rope is not None:
            head = 2 * rope.cos.shape[-1]
        elif to is not None:
            head = width // to.scale.numel()
        rms_rope_kernel[(tokens,)](
            numbers,
            weight,
            weight if rope is None else rope.cos,
            weight if rope is None else rope.sin,
            weight if to is None or to.shift is None else to.shift,
            weight if to is None else to.scale,
            out,
            numbers.stride(0),
            eps,
            has_rope=rope is not None,
            has_shift=to is not None and to.shift is not None,
            to_float8=to is not None,
            **_launch_heads(width, head),
        )
        return out

    def head_float8(self, numbers: Tensor, to: HeadScales) -> Tensor:
        """See Operations."""
        tokens, width = numbers.shape
        out = numbers.new_empty(tokens, width, dtype=FLOAT8)
        head_float8_kernel[(tokens,)](
            numbers,
            to.scale if to.shift is None else to.shift,
            to.scale,
            out,
            numbers.stride(0),
            has_shift=to.shift is not None,
            **_launch_heads(width, width // to.scale.numel(), self.launches.head_float8),
        )
        return out

    def extremes(self, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See Operations."""
        tokens, width = numbers.shape
        parts, block = triton.cdiv(tokens, TOKENS_PER_PARTIAL), 512
        sums, low, high = (numbers.new_empty(parts, width, dtype=torch.float32) for _ in range(3))
        grid = (parts, triton.cdiv(width, block))
        extremes_kernel[grid](
            numbers,
            sums,
            low,
            high,
            tokens,
            numbers.stride(0),
            width,
            tokens_here=TOKENS_PER_PARTIAL,
            at_once=TOKENS_AT_ONCE,
            block=block,
            num_warps=2,
        )
        return sums.sum(dim=0) / tokens, low.amin(dim=0), high.amax(dim=0)

    def to_rows(self, numbers: Tensor, more: Tensor | None) -> Rows:
        """See Operations."""
        stride = 0 if more is None or more.dim() == 1 else more.stride(0)
        return self._rows(numbers, more, stride, has_gelu=False)

    def gelu_rows(self, numbers: Tensor) -> Rows:
        """See Operations."""
        return self._rows(numbers, None, 0, has_gelu=True)

    def unpacked(self, weight: Tensor, scales: Tensor) -> Tensor:
        """See Operations."""
        rows, width = weight.shape
        out = weight.new_empty(rows, width, dtype=scales.dtype)
        block = min(COLUMNS_UNPACKED, triton.next_power_of_2(width))
        grid = (rows, triton.cdiv(width, block))
        warps = max(block // self.launches.unpacked, 1)
        unpack_kernel[grid](weight.view(torch.uint8), scales, out, width, block=block, num_warps=warps)
        return out

    def _rows(self, numbers: Tensor, more: Tensor | None, more_stride: int, *, has_gelu: bool) -> Rows:
        tokens, width = numbers.shape
        out = numbers.new_empty(tokens, width, dtype=FLOAT8)
        scales = numbers.new_empty(tokens, 1, dtype=torch.float32)
        rows_kernel[(tokens,)](
            numbers,
            numbers if more is None else more,
            out,
            scales,
            more_stride,
            has_more=more is not None,
            has_gelu=has_gelu,
            **_launch(width, self.launches.rows),
        )
        return Rows(out, scales)


def _row_stride(modulation: Tensor) -> int:
    """The stride between rows; 0 if one row applies to all tokens."""
    return modulation.stride(0) if modulation.shape[0] > 1 else 0


def _launch(width: int, per_warp: int = NUMBERS_PER_WARP) -> dict[str, int]:
    return {"width": width, "block": triton.next_power_of_2(width), "num_warps": _warps(width, per_warp)}


def _launch_heads(width: int, head: int, per_warp: int = NUMBERS_PER_WARP) -> dict[str, int]:
    count = width // head
    blocks, block = triton.next_power_of_2(count), triton.next_power_of_2(head)
    return {"count": count, "head": head, "blocks": blocks, "block": block, "num_warps": _warps(width, per_warp)}


def _warps(width: int, per_warp: int) -> int:
    return int(triton.next_power_of_2(triton.cdiv(width, per_warp)))
