"""Attention to chosen blocks of keys, as a Triton kernel: the keys and values of sparse-linear attention are read where
they are, once for each block of queries that chose them."""

from __future__ import annotations

from typing import Any

import torch
import triton
from torch import Tensor
from triton import language as tl

from wan_render.backends.wan.kernels.sparse_linear import KEYS_PER_BLOCK, QUERIES_PER_BLOCK

LOG2_E: Any = tl.constexpr(1.4426950408889634)
"""Exponents are of 2, for which GPUs have an instruction."""

WARPS, STAGES = 8, 3
"""Of a program: the next two blocks of keys and values are loaded while one is computed. That is 96 KB on GPUs that
have 99 KB for it."""


@triton.jit  # type: ignore[untyped-decorator]
def block_attention_kernel(  # type: ignore[no-untyped-def]
    query,
    key,
    value,
    chosen,
    out,
    tokens,
    query_stride,
    key_stride,
    value_stride,
    scale,
    heads: tl.constexpr,
    count,
    features: tl.constexpr,
    queries: tl.constexpr,
    keys: tl.constexpr,
):
    """One block of queries of one head. Softmax goes over the chosen keys block by block, as FlashAttention does it."""
    block, head = tl.program_id(0).to(tl.int64), tl.program_id(1).to(tl.int64)
    places = chosen + (head * tl.num_programs(0) + block) * count
    rows, cols, within = block * queries + tl.arange(0, queries), tl.arange(0, features), tl.arange(0, keys)
    is_query = rows[:, None] < tokens
    column = head * features + cols
    q = tl.load(query + rows[:, None] * query_stride + column[None, :], mask=is_query, other=0.0)
    largest = tl.full([queries], -float("inf"), tl.float32)
    total = tl.zeros([queries], tl.float32)
    summed = tl.zeros([queries, features], tl.float32)
    for place in range(count):
        seen = tl.load(places + place) * keys + within
        is_key = seen < tokens
        k = tl.load(key + seen[None, :] * key_stride + column[:, None], mask=is_key[None, :], other=0.0)
        logits = tl.dot(q, k) * (scale * LOG2_E)
        logits = tl.where(is_key[None, :], logits, -float("inf"))
        higher = tl.maximum(largest, tl.max(logits, axis=1))
        weights = tl.exp2(logits - higher[:, None])
        faded = tl.exp2(largest - higher)
        total = total * faded + tl.sum(weights, axis=1)
        v = tl.load(value + seen[:, None] * value_stride + column[None, :], mask=is_key[:, None], other=0.0)
        summed = tl.dot(weights.to(v.dtype), v, summed * faded[:, None])
        largest = higher
    found = (summed / total[:, None]).to(out.dtype.element_ty)
    tl.store(out + rows[:, None] * (heads * features) + column[None, :], found, mask=is_query)


def attend_chosen(query: Tensor, key: Tensor, value: Tensor, chosen: Tensor) -> Tensor:
    """An AttendBlocks for CUDA devices. Heads must have 16, 32, 64 or 128 features."""
    tokens, heads, features = query.shape
    query, key, value = (_packed(numbers) for numbers in (query, key, value))
    out = torch.empty((tokens, heads, features), dtype=query.dtype, device=query.device)
    block_attention_kernel[(chosen.shape[1], heads)](
        query,
        key,
        value,
        chosen,
        out,
        tokens,
        query.stride(0),
        key.stride(0),
        value.stride(0),
        features**-0.5,
        heads,
        chosen.shape[2],
        features,
        QUERIES_PER_BLOCK,
        KEYS_PER_BLOCK,
        num_warps=WARPS,
        num_stages=STAGES,
    )
    return out


def _packed(numbers: Tensor) -> Tensor:
    """The numbers with all features of a token side by side."""
    is_packed = numbers.stride(1) == numbers.shape[2] and numbers.stride(2) == 1
    return numbers if is_packed else numbers.contiguous()
