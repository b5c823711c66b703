"""Layers whose attention float8 would change too much are exact, which is decided for each take by itself."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable

import pytest
import torch

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.forwards import attend_exactly, inputs_of, loaded, reference, relative_error
from wan_render.backends.wan.kernels.arithmetic import Heads, Projections
from wan_render.backends.wan.kernels.attention import SDPA
from wan_render.backends.wan.kernels.attention_check import (
    ALLOWED_ERROR,
    EVERY,
    FLAT_LOGIT,
    ExactLayers,
    LayerCheck,
    LayerChecks,
    largest_logits,
)
from wan_render.backends.wan.kernels.float8_arithmetic import Float8, Float8Products
from wan_render.backends.wan.kernels.operations import Rope, TorchOperations
from wan_render.backends.wan.kernels.rows import Rows
from wan_render.backends.wan.profiles.render_profile import FAST, VARIANTS

pytestmark = pytest.mark.wan

TOKENS, HEADS, FEATURES = 512, 2, 64
OPERATIONS = TorchOperations()


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rope(tokens: int) -> Rope:
    angles = numbers(tokens, FEATURES // HEADS // 2, seed=9)
    return Rope(angles.cos(), angles.sin())


def logits(query: torch.Tensor, key: torch.Tensor, norms: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """The largest of each head, (heads,)."""
    normed = (
        OPERATIONS.rms_rope(part, norm, rope(len(part)), 0.0, None).view(len(part), HEADS, -1).transpose(0, 1)
        for part, norm in zip((query, key), norms, strict=True)
    )
    one, other = normed
    return (one @ other.transpose(1, 2) / math.sqrt(FEATURES // HEADS)).abs().amax(dim=(1, 2))


def test_no_logit_is_larger_than_the_norms_allow_and_one_can_be_as_large() -> None:
    one, other = (numbers(FEATURES // 2, seed=seed).abs().repeat_interleave(2) + 0.1 for seed in (1, 2))
    norms = (one, other)
    bound = largest_logits(*norms, HEADS)
    assert (logits(numbers(64, FEATURES), numbers(64, FEATURES, seed=3), norms) <= bound).all()
    worst = int((norms[0] * norms[1]).argmax())
    alone = torch.zeros(1, FEATURES)
    alone[0, worst] = 1.0
    reached = logits(alone, alone, norms)[worst // (FEATURES // HEADS)]
    assert reached == pytest.approx(float(bound.max()), rel=1e-5)


def attention(sharpness: float, check: LayerCheck) -> tuple[torch.Tensor, torch.Tensor]:
    """A layer in float8 with its check, and the same with exact attention."""
    query, key, value = (numbers(TOKENS, FEATURES, seed=seed) for seed in range(3))
    heads = Heads(sharpness * torch.ones(FEATURES), torch.ones(FEATURES), HEADS, 1e-6)
    asked = (Projections.of(query, key, value), heads, rope(TOKENS))
    rounded = Float8(OPERATIONS, attend_exactly).self_attention(*asked, check=check)
    exact = Float8Products(OPERATIONS, SDPA.attend).self_attention(*asked)
    assert isinstance(rounded, Rows)
    assert isinstance(exact, Rows)
    return rounded.float(), exact.float()


def test_a_flat_layer_stays_in_float8_and_a_peaky_one_is_exact_at_once() -> None:
    flat, peaky = LayerCheck(), LayerCheck()
    rounded, exact = attention(1.0, flat)
    assert not flat.is_exact
    assert 0.005 < flat.error < ALLOWED_ERROR
    assert flat.error == pytest.approx(relative_error(rounded, exact), rel=0.5)
    assert torch.equal(*attention(20.0, peaky)), "the measured prediction is exact already"
    assert peaky.is_exact
    assert peaky.error > ALLOWED_ERROR


def test_a_layer_that_its_norms_prove_flat_is_not_measured() -> None:
    assert float(largest_logits(0.001 * torch.ones(FEATURES), torch.ones(FEATURES), HEADS).max()) < FLAT_LOGIT
    check = LayerCheck()
    attention(0.001, check)
    assert (check.is_exact, check.error) == (False, 0.0)


def test_a_layer_is_measured_again_later_in_the_take() -> None:
    check = LayerCheck()
    norms = (torch.ones(FEATURES), torch.ones(FEATURES))
    due = [check.is_due(*norms, HEADS) for _ in range(2 * EVERY + 1)]
    assert [index for index, is_due in enumerate(due) if is_due] == [0, EVERY, 2 * EVERY]


def test_what_is_not_a_number_is_too_large() -> None:
    check = LayerCheck()
    check.note(math.nan)
    assert check.is_exact


def test_every_take_begins_anew() -> None:
    checks = LayerChecks(2)
    checks.at(900.0)
    checks.layers[1].note(1.0)
    checks.at(500.0)
    assert checks.layers[1].is_exact
    checks.at(900.0)
    assert not checks.layers[1].is_exact


@torch.no_grad()
def test_only_the_peaky_layer_of_a_model_is_exact_and_the_record_names_it(
    tiny: Callable[[str], Tiny], caplog: pytest.LogCaptureFixture
) -> None:
    stock = loaded(tiny("flf2v-2.1").folder)
    stock.blocks[1].attn1.norm_q.weight.data.mul_(60)
    asked = inputs_of(stock)
    wanted = stock(**asked)[0]
    model = reference(copy.deepcopy(stock), FAST, attend_exactly)
    with caplog.at_level(logging.INFO, logger="wan_render"):
        found = [model(**asked | {"timestep": torch.tensor([t])})[0] for t in (612.0, 400.0, 612.0)]
    words = model.exact_layers.words(2)
    assert words.startswith("1 of 2 layers (1), where float8 would err by up to ")
    assert words.endswith("steps take about 8.5 % longer")
    assert caplog.text.count("attention in bfloat16, not float8: 1 of 2 layers (1)") == 1
    assert torch.equal(found[0], found[2]), "the second take is the first"
    products = reference(copy.deepcopy(stock), VARIANTS["fast"]["exact-attention"])(**asked)[0]
    assert relative_error(found[0], wanted) < 1.3 * relative_error(products, wanted)


def test_the_words_name_the_largest_error() -> None:
    layers = ExactLayers()
    assert not layers
    assert layers.note(3, 0.08)
    assert not layers.note(3, 0.12)
    assert layers.note(0, 0.1)
    assert layers.words(40) == (
        "2 of 40 layers (0, 3), where float8 would err by up to 0.12; steps take about 0.8 % longer"
    )
