"""Sparse-linear attention (SLA), which TurboDiffusion's models were trained with, in plain torch.

Each block of queries attends to the few blocks of keys that match it best. A linear attention over all keys, projected
by learnt weights, is added: it stands for the keys that were left out.

Sources: Zhang et al. 2025, arXiv:2509.24006; `turbodiffusion/SLA` of thu-ml/TurboDiffusion. The models follow the code,
which differs from the paper: the linear part is over all keys, not over those that were left out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

QUERIES_PER_BLOCK, KEYS_PER_BLOCK = 128, 64
"""Tokens of a block. Source: `replace_attention` in `turbodiffusion/inference/modify_model.py`, for `sla`."""

SMALLEST_SUM = 1e-5
"""Added to the sum of a linear attention's weights. Source: `turbodiffusion/SLA/core.py`."""

GATHERED_BYTES = 1 << 28
"""Of the keys and values that are gathered at once."""

HEADS_AT_ONCE = 8
"""Of the linear part: its numbers for all 40 heads of a 14B would take 1.7 GB."""

AttendBlocks = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Attention of each block of queries to the blocks of keys that were chosen for it.

Takes queries, keys and values (tokens, heads, features), and for each head and block of queries the numbers of blocks
of keys (heads, blocks, chosen). Gives (tokens, heads, features).
"""


class SparseLinearAttention(torch.nn.Module):
    """An Attend with weights. share: of the blocks of keys that each block of queries attends to, from 0 to 1.

    attend_blocks may be replaced, by a faster one with the same results.
    """

    def __init__(self, features: int, share: float) -> None:
        """features: of a head."""
        super().__init__()
        self.project = torch.nn.Linear(features, features)
        self.share = share
        self.attend_blocks: AttendBlocks = attend_gathered

    def forward(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """(1, tokens, heads, features) each; the result as well."""
        if len(query) != 1:
            raise ValueError(f"expected a batch of one, got {len(query)}")
        query, key, value = query[0], key[0], value[0]
        found = self.attend_blocks(query, key, value, chosen_blocks(query, key, self.share))
        for first in range(0, query.shape[1], HEADS_AT_ONCE):
            heads = slice(first, first + HEADS_AT_ONCE)
            found[:, heads] += self.project(attend_linearly(query[:, heads], key[:, heads], value[:, heads]))
        return found.unsqueeze(0)


def chosen_blocks(query: Tensor, key: Tensor, share: float) -> Tensor:
    """The blocks of keys whose mean matches the mean of each block of queries best: (heads, blocks of queries, chosen).

    At least one is chosen. TurboDiffusion subtracts the mean of all keys before, which lowers all scores of a block of
    queries by the same number: it changes no choice.
    """
    of_queries, of_keys = block_means(query, QUERIES_PER_BLOCK), block_means(key, KEYS_PER_BLOCK)
    count = max(1, int(share * of_keys.shape[1]))
    return (of_queries @ of_keys.transpose(1, 2)).topk(count, dim=-1).indices


def block_means(numbers: Tensor, size: int) -> Tensor:
    """The mean of each block of `size` tokens, the last of which may be shorter: (tokens, heads, features) to (heads,
    blocks, features), float32."""
    whole, rest = divmod(len(numbers), size)
    blocks = numbers[: whole * size].reshape(whole, size, *numbers.shape[1:])
    means = blocks.mean(dim=1, dtype=torch.float32)
    if rest:
        means = torch.cat([means, numbers[-rest:].mean(dim=0, keepdim=True, dtype=torch.float32)])
    return means.transpose(0, 1)


def attend_linearly(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Attention whose weights are the products of queries and keys after a softmax over the features of each: one pass
    over the tokens. (tokens, heads, features) each, and the result."""
    of_queries, of_keys = (numbers.softmax(dim=-1).transpose(0, 1) for numbers in (query, key))
    summed = of_keys.transpose(1, 2) @ value.transpose(0, 1)
    weights = of_queries @ of_keys.sum(dim=1).unsqueeze(-1)
    return (of_queries @ summed / (SMALLEST_SUM + weights)).transpose(0, 1)


def attend_gathered(query: Tensor, key: Tensor, value: Tensor, chosen: Tensor) -> Tensor:
    """An AttendBlocks for any device. It copies the chosen keys and values together, a few blocks of queries at a
    time."""
    tokens, heads, features = query.shape
    queries = _blocks(query, QUERIES_PER_BLOCK)
    keys, values = _blocks(key, KEYS_PER_BLOCK), _blocks(value, KEYS_PER_BLOCK)
    found = torch.empty_like(queries)
    per_block = 2 * heads * chosen.shape[-1] * KEYS_PER_BLOCK * features * query.element_size()
    at_once = max(1, GATHERED_BYTES // per_block)
    for first in range(0, queries.shape[1], at_once):
        part = slice(first, first + at_once)
        places = chosen[:, part]
        found[:, part] = functional.scaled_dot_product_attention(
            queries[:, part], _gathered(keys, places), _gathered(values, places), _exists(places, tokens)
        )
    return found.flatten(1, 2)[:, :tokens].transpose(0, 1).contiguous()


def _blocks(numbers: Tensor, size: int) -> Tensor:
    """(tokens, heads, features) to (heads, blocks, size, features). The last block is filled up with zeros."""
    filled = functional.pad(numbers, (0, 0, 0, 0, 0, -len(numbers) % size))
    return filled.transpose(0, 1).reshape(numbers.shape[1], -1, size, numbers.shape[2])


def _gathered(blocks: Tensor, places: Tensor) -> Tensor:
    """(heads, blocks, size, features) to (heads, blocks of queries, chosen times size, features)."""
    heads = torch.arange(len(blocks), device=blocks.device).view(-1, 1, 1)
    return blocks[heads, places].flatten(2, 3)


def _exists(places: Tensor, tokens: int) -> Tensor | None:
    """Which gathered keys are tokens, and not a filling of the last block. None if all are."""
    if tokens % KEYS_PER_BLOCK == 0:
        return None
    within = torch.arange(KEYS_PER_BLOCK, device=places.device)
    return (places.unsqueeze(-1) * KEYS_PER_BLOCK + within < tokens).flatten(2).unsqueeze(2)
