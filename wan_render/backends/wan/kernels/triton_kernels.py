"""Triton kernels of the operations. Each makes one pass over memory, with one program per row.

At 32,760 tokens of 5,120 features a tensor is 335 MB in bfloat16, more than any cache holds. A row is 10 KB and stays
in registers. Kernels are compiled for a width, not for a number of tokens, so another length or raster compiles
nothing.

A block of columns is a power of two, 8,192 for 5,120. The width is a constant, so the compiler skips columns beyond it.
To be limited by memory alone, a kernel may use about 20 instructions per number on an H200. So a scale is inverted once
per row or head, and a head's position in the tile selects its scale, cosine and sine.
"""

from __future__ import annotations

from typing import Any

import triton
from triton import language as tl

from wan_render.backends.wan.kernels.rows import LARGEST

LARGEST_FLOAT8: Any = tl.constexpr(LARGEST)

NEIGHBOURS: Any = tl.constexpr(8)
"""Columns per thread: 16 bytes of bfloat16. For float8 Triton would take 16 columns, and then move numbers between
threads before each store."""


@triton.jit  # type: ignore[untyped-decorator]
def _columns(width: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    cols = tl.max_contiguous(tl.arange(0, block), NEIGHBOURS)
    return cols, cols < width


@triton.jit  # type: ignore[untyped-decorator]
def _store_row(x, mask, cols, out, scales, row, width: tl.constexpr, to_rows: tl.constexpr):  # type: ignore[no-untyped-def]
    if to_rows:
        largest = tl.maximum(tl.max(tl.where(mask, tl.abs(x), 0.0), axis=0), 1e-12)
        tl.store(scales + row, largest / LARGEST_FLOAT8)
        x = x * (LARGEST_FLOAT8 / largest)  # may exceed the largest by rounding; the conversion rounds it back
    tl.store(out + row * width + cols, x.to(out.dtype.element_ty), mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def norm_kernel(  # type: ignore[no-untyped-def]
    stream,
    update,
    gate,
    scale,
    shift,
    out,
    scales,
    gate_stride,
    scale_stride,
    shift_stride,
    eps,
    width: tl.constexpr,
    has_update: tl.constexpr,
    has_gate: tl.constexpr,
    to_rows: tl.constexpr,
    block: tl.constexpr,
):
    """Operations.norm for one token: add the update, store the sum, norm and modulate it."""
    row = tl.program_id(0).to(tl.int64)
    cols, mask = _columns(width, block)
    stored = tl.load(stream + row * width + cols, mask=mask, other=0.0)
    x = stored.to(tl.float32)
    if has_update:
        y = tl.load(update + row * width + cols, mask=mask, other=0.0).to(tl.float32)
        if has_gate:
            y = y * tl.load(gate + row * gate_stride + cols, mask=mask, other=0.0)
        x = x + y  # the norm uses the unrounded sum; only the stored one is rounded
        tl.store(stream + row * width + cols, x.to(stored.dtype), mask=mask)
    x = tl.where(mask, x, 0.0)
    centred = tl.where(mask, x - tl.sum(x, axis=0) / width, 0.0)
    variance = tl.sum(centred * centred, axis=0) / width
    factor = tl.load(scale + row * scale_stride + cols, mask=mask, other=0.0)
    offset = tl.load(shift + row * shift_stride + cols, mask=mask, other=0.0)
    normed = centred * tl.rsqrt(variance + eps) * factor + offset
    _store_row(normed, mask, cols, out, scales, row, width, to_rows)


@triton.jit  # type: ignore[untyped-decorator]
def _heads(count: tl.constexpr, head: tl.constexpr, blocks: tl.constexpr, block: tl.constexpr):  # type: ignore[no-untyped-def]
    heads = tl.arange(0, blocks)[:, None]
    within = tl.max_contiguous(tl.arange(0, block), NEIGHBOURS)[None, :]
    return heads, heads * head + within, (heads < count) & (within < head)


@triton.jit  # type: ignore[untyped-decorator]
def _float8(x, heads, cols, mask, shift, scale, count: tl.constexpr, has_shift: tl.constexpr):  # type: ignore[no-untyped-def]
    if has_shift:
        x = x - tl.load(shift + cols, mask=mask, other=0.0)
    x = x * (1.0 / tl.load(scale + heads, mask=heads < count, other=1.0))
    return tl.clamp(x, -LARGEST_FLOAT8, LARGEST_FLOAT8)


@triton.jit  # type: ignore[untyped-decorator]
def rms_rope_kernel(  # type: ignore[no-untyped-def]
    numbers,
    weight,
    cos,
    sin,
    head_shift,
    head_scale,
    out,
    row_stride,
    eps,
    count: tl.constexpr,
    head: tl.constexpr,
    has_rope: tl.constexpr,
    has_shift: tl.constexpr,
    to_float8: tl.constexpr,
    blocks: tl.constexpr,
    block: tl.constexpr,
):
    """Operations.rms_rope for one token: norm all heads together and rotate each."""
    row = tl.program_id(0).to(tl.int64)
    heads, cols, mask = _heads(count, head, blocks, block)
    x = tl.load(numbers + row * row_stride + cols, mask=mask, other=0.0).to(tl.float32)
    x = tl.where(mask, x, 0.0)
    mean_square = tl.sum(x * x) / (count * head)
    x = x * tl.rsqrt(mean_square + eps) * tl.load(weight + cols, mask=mask, other=0.0).to(tl.float32)
    if has_rope:
        pairs = tl.arange(0, block // 2)[None, :]
        c = tl.load(cos + row * (head // 2) + pairs, mask=pairs < head // 2, other=0.0)
        s = tl.load(sin + row * (head // 2) + pairs, mask=pairs < head // 2, other=0.0)
        one, other = tl.split(tl.reshape(x, (blocks, block // 2, 2)))
        x = tl.reshape(tl.join(one * c - other * s, one * s + other * c), (blocks, block))
    if to_float8:
        x = _float8(x, heads, cols, mask, head_shift, head_scale, count, has_shift)
    tl.store(out + row * (count * head) + cols, x.to(out.dtype.element_ty), mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def head_float8_kernel(  # type: ignore[no-untyped-def]
    numbers,
    head_shift,
    head_scale,
    out,
    row_stride,
    count: tl.constexpr,
    head: tl.constexpr,
    has_shift: tl.constexpr,
    blocks: tl.constexpr,
    block: tl.constexpr,
):
    """Operations.head_float8 for one token."""
    row = tl.program_id(0).to(tl.int64)
    heads, cols, mask = _heads(count, head, blocks, block)
    x = tl.load(numbers + row * row_stride + cols, mask=mask, other=0.0).to(tl.float32)
    x = _float8(x, heads, cols, mask, head_shift, head_scale, count, has_shift)
    tl.store(out + row * (count * head) + cols, x.to(out.dtype.element_ty), mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def extremes_kernel(  # type: ignore[no-untyped-def]
    numbers,
    sums,
    smallest,
    largest,
    tokens,
    row_stride,
    width,
    tokens_here: tl.constexpr,
    at_once: tl.constexpr,
    block: tl.constexpr,
):
    """Operations.extremes: sums and extremes of one block of columns, over some tokens."""
    part = tl.program_id(0)
    cols = tl.program_id(1) * block + tl.max_contiguous(tl.arange(0, block), NEIGHBOURS)
    mask = cols < width
    total = tl.zeros([block], tl.float32)
    low = tl.full([block], float("inf"), tl.float32)
    high = tl.full([block], float("-inf"), tl.float32)
    for first in range(0, tokens_here, at_once):
        token = part * tokens_here + first + tl.arange(0, at_once)[:, None]
        row = tl.minimum(token, tokens - 1).to(tl.int64)  # beyond the end the last token again: extremes stay the same
        x = tl.load(numbers + row * row_stride + cols[None, :], mask=mask[None, :], other=0.0).to(tl.float32)
        total += tl.sum(tl.where(token < tokens, x, 0.0), axis=0)
        low = tl.minimum(low, tl.min(x, axis=0))
        high = tl.maximum(high, tl.max(x, axis=0))
    at = part * width + cols
    tl.store(sums + at, total, mask=mask)
    tl.store(smallest + at, low, mask=mask)
    tl.store(largest + at, high, mask=mask)


@triton.jit  # type: ignore[untyped-decorator]
def rows_kernel(  # type: ignore[no-untyped-def]
    numbers,
    more,
    out,
    scales,
    more_stride,
    width: tl.constexpr,
    has_more: tl.constexpr,
    has_gelu: tl.constexpr,
    block: tl.constexpr,
):
    """Operations.to_rows and gelu_rows for one token."""
    row = tl.program_id(0).to(tl.int64)
    cols, mask = _columns(width, block)
    x = tl.load(numbers + row * width + cols, mask=mask, other=0.0).to(tl.float32)
    if has_more:
        x = x + tl.load(more + row * more_stride + cols, mask=mask, other=0.0).to(tl.float32)
    if has_gelu:
        # x·(1 + tanh u)/2 = x/(1 + exp(-2u)); u = sqrt(2/pi)·(x + 0.044715·x³); -2·log2(e)·u as a power of two
        half = tl.rsqrt(1.0 + tl.exp2(x * (-2.302208198 - 0.1029432397 * (x * x))))
        x = x * half * half  # its square is the quotient, in fewer instructions than a division
    _store_row(x, mask, cols, out, scales, row, width, to_rows=True)


@triton.jit  # type: ignore[untyped-decorator]
def unpack_kernel(codes, scales, out, width, block: tl.constexpr):  # type: ignore[no-untyped-def]
    """Operations.unpacked for some columns of one row. codes: float8 e4m3 as bytes, because Triton refuses that type
    for Ampere.

    The bits of e4m3, moved to the left by seven, are those of a float16 that is 256 times smaller, subnormals
    included."""
    row = tl.program_id(0).to(tl.int64)
    cols = tl.program_id(1) * block + tl.max_contiguous(tl.arange(0, block), NEIGHBOURS)
    mask = cols < width
    code = tl.load(codes + row * width + cols, mask=mask, other=0).to(tl.uint16)
    half = (((code & 0x80) << 8) | ((code & 0x7F) << 7)).to(tl.float16, bitcast=True)
    x = half.to(tl.float32) * 256.0 * tl.load(scales + row).to(tl.float32)
    tl.store(out + row * width + cols, x.to(out.dtype.element_ty), mask=mask)
