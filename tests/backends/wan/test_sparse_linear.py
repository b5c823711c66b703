"""Sparse-linear attention against the formula, computed densely in float64."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.backends.wan.forwards import relative_error
from tests.backends.wan.triton_here import DEVICE, IS_INTERPRETED, needs_triton
from wan_render.backends.wan.kernels.sparse_linear import (
    KEYS_PER_BLOCK,
    QUERIES_PER_BLOCK,
    SparseLinearAttention,
    attend_gathered,
    chosen_blocks,
)

pytestmark = [pytest.mark.wan, pytest.mark.gpu]

HEADS, FEATURES = 10, 16
"""More heads than the linear part takes at once."""

ROUNDING = 1e-5
"""Of float32. Sums go over hundreds of tokens, in another order than the formula's."""


TYPE = torch.float16 if IS_INTERPRETED else torch.bfloat16
"""Of the kernel's inputs: Triton's interpreter has no products in bfloat16."""


def dense_formula(query: Tensor, key: Tensor, value: Tensor, weight: Tensor, bias: Tensor, share: float) -> Tensor:
    """The published formula, token by token: (1, tokens, heads, features), float64."""
    q, k, v = (part[0].double().transpose(0, 1) for part in (query, key, value))
    centred = k - k.mean(dim=1, keepdim=True)
    of_queries = torch.stack([part.mean(dim=1) for part in torch.split(q, 128, dim=1)], dim=1)
    of_keys = torch.stack([part.mean(dim=1) for part in torch.split(centred, 64, dim=1)], dim=1)
    scores = of_queries @ of_keys.transpose(1, 2)
    best = scores.topk(max(1, min(scores.shape[-1], int(share * scores.shape[-1]))), dim=-1).indices
    chosen = torch.zeros_like(scores, dtype=torch.bool).scatter_(-1, best, value=True)
    seen = chosen.repeat_interleave(128, dim=1)[:, : q.shape[1]].repeat_interleave(64, dim=2)[:, :, : k.shape[1]]
    logits = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).masked_fill(~seen, -torch.inf)
    weights = q.softmax(-1) @ k.softmax(-1).transpose(1, 2)
    linear = (weights @ v) / (1e-5 + weights.sum(dim=-1, keepdim=True))
    found: Tensor = logits.softmax(-1) @ v + linear @ weight.double().T + bias.double()
    return found.transpose(0, 1).unsqueeze(0)


def numbers(tokens: int, heads: int = HEADS, features: int = FEATURES) -> tuple[Tensor, Tensor, Tensor]:
    """With differences between blocks, as a picture has them."""
    generator = torch.Generator().manual_seed(tokens)
    shape = (1, tokens, heads, features)
    places = 3 * torch.sin(torch.arange(tokens) / 50).view(1, -1, 1, 1)
    query, key, value = (torch.randn(shape, generator=generator) + places * (part < 2) for part in range(3))
    return query.to(DEVICE), key.to(DEVICE), value.to(DEVICE)


def attention(share: float, features: int = FEATURES) -> SparseLinearAttention:
    torch.manual_seed(3)
    return SparseLinearAttention(features, share).to(DEVICE).eval()


def dense(made: SparseLinearAttention, parts: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    return dense_formula(*parts, made.project.weight, made.project.bias, made.share)


@torch.no_grad()
@pytest.mark.parametrize("tokens", [640, 700, 100])
@pytest.mark.parametrize("share", [0.1, 0.35])
def test_it_is_the_formula(tokens: int, share: float) -> None:
    """With whole blocks, with shorter last blocks of queries and of keys, and with a single block of queries."""
    made, parts = attention(share), numbers(tokens)
    assert relative_error(made(*parts), dense(made, parts)) < ROUNDING


@torch.no_grad()
def test_all_blocks_are_full_attention_and_the_linear_part() -> None:
    made, parts = attention(1.0), numbers(700)
    query, key, value = (part.transpose(1, 2) for part in parts)
    full = torch.nn.functional.scaled_dot_product_attention(query, key, value).transpose(1, 2)
    assert relative_error(made(*parts), dense(made, parts)) < ROUNDING
    made.project.weight.zero_()
    made.project.bias.fill_(0.25)
    assert relative_error(made(*parts), full + 0.25) < ROUNDING


@torch.no_grad()
def test_few_blocks_are_something_else_than_all() -> None:
    """The tests above can fail: what is left out decides here."""
    few, parts = attention(0.1), numbers(640)
    assert relative_error(attention(1.0)(*parts), dense(few, parts)) > 0.05


def test_at_least_one_block_is_chosen_and_a_common_part_of_the_keys_decides_nothing() -> None:
    query, key, _ = (part[0] for part in numbers(700))
    assert chosen_blocks(query, key, 0.01).shape == (HEADS, 6, 1)
    chosen = chosen_blocks(query, key, 0.3)
    assert chosen.shape == (HEADS, -(-700 // QUERIES_PER_BLOCK), int(0.3 * -(-700 // KEYS_PER_BLOCK)))
    assert torch.equal(chosen, chosen_blocks(query, key + key.mean(dim=0), 0.3))


def test_a_batch_is_refused() -> None:
    both = torch.zeros(2, 64, HEADS, FEATURES)
    with pytest.raises(ValueError, match="a batch of one, got 2"):
        attention(0.1)(both, both, both)


@torch.no_grad()
@pytest.mark.parametrize("at_once", [1, 1 << 28])
def test_blocks_of_queries_are_gathered_some_at_a_time(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wan_render.backends.wan.kernels.sparse_linear.GATHERED_BYTES", at_once)
    made, parts = attention(0.3), numbers(700)
    assert relative_error(made(*parts), dense(made, parts)) < ROUNDING


@torch.no_grad()
@needs_triton
@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize(("tokens", "heads"), [(200, 2), (384, 1)])
def test_the_kernel_gives_what_gathering_gives(tokens: int, heads: int) -> None:
    from wan_render.backends.wan.kernels.triton_blocks import attend_chosen

    query, key, value = (part[0].to(TYPE) for part in numbers(tokens, heads))
    chosen = chosen_blocks(query, key, 0.7)
    assert chosen.shape[-1] > 1
    wanted = attend_gathered(query.float(), key.float(), value.float(), chosen)
    assert relative_error(attend_chosen(query, key, value, chosen).float(), wanted) < 0.01
    apart = torch.cat([value, value], dim=-1)[..., :FEATURES]
    assert torch.equal(attend_chosen(query, key, apart, chosen), attend_chosen(query, key, value, chosen))
