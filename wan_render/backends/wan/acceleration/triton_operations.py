"""The operations of `operations`, each one pass over memory: Triton kernels, a program for a row.

At 32,760 tokens of 5,120 features a tensor is 335 MB in bfloat16, more than any cache holds; a row is 10 KB and stays
in registers. Compiled for a width, not for a number of tokens: another length or raster compiles nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import triton
from triton import language as tl

from wan_render.backends.wan.acceleration.operations import HeadScales, Rope, Update
from wan_render.backends.wan.acceleration.rows import FLOAT8, LARGEST, Activation, Rows

LARGEST_FLOAT8: Any = tl.constexpr(LARGEST)

TOKENS_PER_PARTIAL = 64
"""Tokens that one program of `extremes` goes through."""


@triton.jit  # type: ignore[untyped-decorator]
def _store_row(x, mask, cols, out, scales, row, width, to_rows: tl.constexpr):  # type: ignore[no-untyped-def]
    if to_rows:
        largest = tl.max(tl.where(mask, tl.abs(x), 0.0), axis=0)
        scale = tl.maximum(largest, 1e-12) / LARGEST_FLOAT8
        tl.store(scales + row, scale)
        x = tl.minimum(tl.maximum(x / scale, -LARGEST_FLOAT8), LARGEST_FLOAT8)
    tl.store(out + row * width + cols, x.to(out.dtype.element_ty), mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def _norm_kernel(  # type: ignore[no-untyped-def]
    stream,
    update,
    gate,
    scale,
    shift,
    out,
    scales,
    width,
    gate_stride,
    scale_stride,
    shift_stride,
    eps,
    has_update: tl.constexpr,
    has_gate: tl.constexpr,
    to_rows: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, block)
    mask = cols < width
    stored = tl.load(stream + row * width + cols, mask=mask, other=0.0)
    x = stored.to(tl.float32)
    if has_update:
        y = tl.load(update + row * width + cols, mask=mask, other=0.0).to(tl.float32)
        if has_gate:
            y = y * tl.load(gate + row * gate_stride + cols, mask=mask, other=0.0)
        rounded = (x + y).to(stored.dtype)
        tl.store(stream + row * width + cols, rounded, mask=mask)
        x = rounded.to(tl.float32)
    centred = tl.where(mask, x - tl.sum(x, axis=0) / width, 0.0)
    variance = tl.sum(centred * centred, axis=0) / width
    factor = tl.load(scale + row * scale_stride + cols, mask=mask, other=0.0)
    offset = tl.load(shift + row * shift_stride + cols, mask=mask, other=0.0)
    normed = centred * tl.rsqrt(variance + eps) * factor + offset
    _store_row(normed, mask, cols, out, scales, row, width, to_rows)


@triton.jit  # type: ignore[untyped-decorator]
def _rms_rope_kernel(  # type: ignore[no-untyped-def]
    numbers,
    weight,
    cos,
    sin,
    head_shift,
    head_scale,
    out,
    row_stride,
    width,
    eps,
    pairs_of_head: tl.constexpr,
    has_rope: tl.constexpr,
    has_shift: tl.constexpr,
    to_float8: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, block)
    mask = cols < width
    x = tl.load(numbers + row * row_stride + cols, mask=mask, other=0.0).to(tl.float32)
    mean_square = tl.sum(x * x, axis=0) / width
    x = x * tl.rsqrt(mean_square + eps) * tl.load(weight + cols, mask=mask, other=0.0).to(tl.float32)
    if has_rope:
        pairs = tl.arange(0, block // 2)
        place = row * pairs_of_head + pairs % pairs_of_head
        c = tl.load(cos + place, mask=pairs < width // 2, other=0.0)
        s = tl.load(sin + place, mask=pairs < width // 2, other=0.0)
        one, other = tl.split(tl.reshape(x, (block // 2, 2)))
        x = tl.reshape(tl.join(one * c - other * s, one * s + other * c), (block,))
    if to_float8:
        if has_shift:
            x = x - tl.load(head_shift + cols, mask=mask, other=0.0)
        x = x / tl.load(head_scale + cols // (2 * pairs_of_head), mask=mask, other=1.0)
        x = tl.minimum(tl.maximum(x, -LARGEST_FLOAT8), LARGEST_FLOAT8)
    tl.store(out + row * width + cols, x.to(out.dtype.element_ty), mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def _head_float8_kernel(  # type: ignore[no-untyped-def]
    numbers,
    head_shift,
    head_scale,
    out,
    row_stride,
    width,
    head: tl.constexpr,
    has_shift: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, block)
    mask = cols < width
    x = tl.load(numbers + row * row_stride + cols, mask=mask, other=0.0).to(tl.float32)
    if has_shift:
        x = x - tl.load(head_shift + cols, mask=mask, other=0.0)
    x = x / tl.load(head_scale + cols // head, mask=mask, other=1.0)
    x = tl.minimum(tl.maximum(x, -LARGEST_FLOAT8), LARGEST_FLOAT8)
    tl.store(out + row * width + cols, x.to(out.dtype.element_ty), mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def _extremes_kernel(  # type: ignore[no-untyped-def]
    numbers, sums, smallest, largest, tokens, row_stride, width, rows: tl.constexpr, block: tl.constexpr
):
    part = tl.program_id(0).to(tl.int64)
    cols = tl.program_id(1) * block + tl.arange(0, block)
    mask = cols < width
    total = tl.zeros([block], tl.float32)
    low = tl.full([block], float("inf"), tl.float32)
    high = tl.full([block], float("-inf"), tl.float32)
    for step in range(rows):
        row = part * rows + step
        there = cols < tl.where(row < tokens, width, 0)  # one comparison: Triton 3.9's interpreter makes numbers of two
        x = tl.load(numbers + row * row_stride + cols, mask=there, other=0.0).to(tl.float32)
        total += x
        low = tl.where(there, tl.minimum(low, x), low)
        high = tl.where(there, tl.maximum(high, x), high)
    tl.store(sums + part * width + cols, total, mask=mask)
    tl.store(smallest + part * width + cols, low, mask=mask)
    tl.store(largest + part * width + cols, high, mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def _rows_kernel(  # type: ignore[no-untyped-def]
    numbers,
    more,
    out,
    scales,
    width,
    more_stride,
    has_more: tl.constexpr,
    has_gelu: tl.constexpr,
    block: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    cols = tl.arange(0, block)
    mask = cols < width
    x = tl.load(numbers + row * width + cols, mask=mask, other=0.0).to(tl.float32)
    if has_more:
        x = x + tl.load(more + row * more_stride + cols, mask=mask, other=0.0).to(tl.float32)
    if has_gelu:
        # x·(1 + tanh u)/2 = x·sigmoid(2u); u = sqrt(2/pi)·(x + 0.044715·x³)
        x = x * tl.sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))
    _store_row(x, mask, cols, out, scales, row, width, to_rows=True)


@dataclass(frozen=True)
class TritonOperations:
    """The operations on a CUDA device."""

    def norm(
        self,
        stream: torch.Tensor,
        update: Update | None,
        scale: torch.Tensor,
        shift: torch.Tensor,
        eps: float,
        *,
        to_rows: bool,
    ) -> tuple[torch.Tensor, Activation]:
        """See Operations; the stream is overwritten."""
        tokens, width = stream.shape
        out = torch.empty_like(stream, dtype=FLOAT8 if to_rows else stream.dtype)
        scales = stream.new_empty(tokens if to_rows else 1, 1, dtype=torch.float32)
        gate = update.gate if update is not None else None
        _norm_kernel[(tokens,)](
            stream,
            stream if update is None else update.value,
            scale if gate is None else gate,
            scale,
            shift,
            out,
            scales,
            width,
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

    def rms_rope(
        self, numbers: torch.Tensor, weight: torch.Tensor, rope: Rope | None, eps: float, to: HeadScales | None
    ) -> torch.Tensor:
        """See Operations."""
        tokens, width = numbers.shape
        out = numbers.new_empty(tokens, width, dtype=numbers.dtype if to is None else FLOAT8)
        pairs = width // 2  # of a head, where it matters
        if rope is not None:
            pairs = rope.cos.shape[-1]
        elif to is not None:
            pairs = width // to.scale.numel() // 2
        _rms_rope_kernel[(tokens,)](
            numbers,
            weight,
            weight if rope is None else rope.cos,
            weight if rope is None else rope.sin,
            weight if to is None or to.shift is None else to.shift,
            weight if to is None else to.scale,
            out,
            numbers.stride(0),
            width,
            eps,
            pairs_of_head=pairs,
            has_rope=rope is not None,
            has_shift=to is not None and to.shift is not None,
            to_float8=to is not None,
            **_launch(width),
        )
        return out

    def head_float8(self, numbers: torch.Tensor, to: HeadScales) -> torch.Tensor:
        """See Operations."""
        tokens, width = numbers.shape
        out = numbers.new_empty(tokens, width, dtype=FLOAT8)
        _head_float8_kernel[(tokens,)](
            numbers,
            to.scale if to.shift is None else to.shift,
            to.scale,
            out,
            numbers.stride(0),
            width,
            head=width // to.scale.numel(),
            has_shift=to.shift is not None,
            **_launch(width),
        )
        return out

    def extremes(self, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """See Operations."""
        tokens, width = numbers.shape
        parts, block = triton.cdiv(tokens, TOKENS_PER_PARTIAL), 1024
        sums, low, high = (numbers.new_empty(parts, width, dtype=torch.float32) for _ in range(3))
        grid = (parts, triton.cdiv(width, block))
        _extremes_kernel[grid](
            numbers, sums, low, high, tokens, numbers.stride(0), width, rows=TOKENS_PER_PARTIAL, block=block
        )
        return sums.sum(dim=0) / tokens, low.amin(dim=0), high.amax(dim=0)

    def to_rows(self, numbers: torch.Tensor, more: torch.Tensor | None) -> Rows:
        """See Operations."""
        stride = 0 if more is None or more.dim() == 1 else more.stride(0)
        return self._rows(numbers, more, stride, has_gelu=False)

    def gelu_rows(self, numbers: torch.Tensor) -> Rows:
        """See Operations."""
        return self._rows(numbers, None, 0, has_gelu=True)

    def _rows(self, numbers: torch.Tensor, more: torch.Tensor | None, more_stride: int, *, has_gelu: bool) -> Rows:
        tokens, width = numbers.shape
        out = numbers.new_empty(tokens, width, dtype=FLOAT8)
        scales = numbers.new_empty(tokens, 1, dtype=torch.float32)
        _rows_kernel[(tokens,)](
            numbers,
            numbers if more is None else more,
            out,
            scales,
            width,
            more_stride,
            has_more=more is not None,
            has_gelu=has_gelu,
            **_launch(width),
        )
        return Rows(out, scales)


def _row_stride(modulation: torch.Tensor) -> int:
    """0 where one row counts for all tokens."""
    return modulation.stride(0) if modulation.shape[0] > 1 else 0


def _launch(width: int) -> dict[str, int]:
    """Sixteen to thirty-two numbers a thread."""
    block = triton.next_power_of_2(width)
    return {"block": block, "num_warps": min(max(block // 1024, 1), 16)}
