"""Float8 rows and heads, the smoothing of keys and values, and the choice of an attention kernel."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from wan_render.backends.wan.kernels import attention_choice
from wan_render.backends.wan.kernels.arithmetic import Heads, Projections, joined_heads, split
from wan_render.backends.wan.kernels.attention import CUDNN, FLASH_3, SDPA, Kernel
from wan_render.backends.wan.kernels.attention_choice import Shape, fastest
from wan_render.backends.wan.kernels.float8_arithmetic import Float8, common_key, safe_scales, value_scales
from wan_render.backends.wan.kernels.linear import Float8Linear
from wan_render.backends.wan.kernels.operations import HeadScales, Rope, TorchOperations, Update
from wan_render.backends.wan.kernels.rows import FLOAT8, LARGEST, Rows, quantised
from wan_render.facts import FactCache

pytestmark = pytest.mark.wan

CPU = torch.device("cpu")
OPERATIONS = TorchOperations()
TOKENS, HEADS, FEATURES = 96, 4, 64


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rope() -> Rope:
    angles = numbers(TOKENS, FEATURES // HEADS // 2, seed=9)
    return Rope(angles.cos(), angles.sin())


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_rows_keep_three_bits_whatever_their_size(size: float) -> None:
    wanted = numbers(20, 512) * size * torch.logspace(-3, 3, 20)[:, None]
    found = quantised(wanted)
    assert found.values.dtype is FLOAT8
    assert found.scales.shape == (20, 1)
    assert relative_error(found.float(), wanted) < 0.03
    assert ((found.float() - wanted).abs() <= wanted.abs() / 16 + wanted.abs().amax(1, keepdim=True) / 2**18).all()


def test_a_row_of_zeros_stays_one() -> None:
    assert torch.equal(quantised(torch.zeros(2, 8)).float(), torch.zeros(2, 8))


def test_a_float8_layer_is_near_its_layer_and_uses_it_up() -> None:
    torch.manual_seed(1)
    layer = torch.nn.Linear(512, 64)
    inputs = numbers(30, 512)
    wanted = layer(inputs).detach()
    found = Float8Linear(layer, CPU)(quantised(inputs))
    assert relative_error(found, wanted) < 0.06
    assert layer.weight.numel() == 0


def test_nothing_that_an_rms_norm_can_give_overflows() -> None:
    """The worst case: a vector with all of its length in one pair, under the largest weight."""
    weight = numbers(FEATURES, seed=2).abs() + 0.1
    scales = safe_scales(weight, HEADS)
    worst = torch.zeros(TOKENS, FEATURES)
    worst[:, 20] = worst[:, 21] = 1e3
    found = OPERATIONS.rms_rope(worst, weight, rope(), 1e-6, None)
    assert (found.view(TOKENS, HEADS, -1).abs().amax(dim=(0, 2)) <= scales * LARGEST).all()


def test_scales_by_the_bound_are_as_good_as_the_tightest() -> None:
    """A floating format: a typical number lies far above where bits are lost."""
    weight = torch.ones(5120)
    wanted = OPERATIONS.rms_rope(numbers(64, 5120), weight, None, 1e-6, None)
    bound = safe_scales(weight, 40)
    tight = wanted.abs().view(64, 40, -1).amax(dim=(0, 2)) / LARGEST
    errors = []
    for scale in (bound, tight):
        rounded = OPERATIONS.head_float8(wanted, HeadScales(None, scale)).float().view(64, 40, -1)
        errors.append(relative_error((rounded * scale.view(1, -1, 1)).flatten(1), wanted))
    assert errors[0] < 1.03 * errors[1]


def attend(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    return joined_heads(SDPA.attend(*(split(part, HEADS) for part in (query, key, value))))


def test_attention_does_not_see_what_is_subtracted_from_every_key() -> None:
    query, key, value = (numbers(TOKENS, FEATURES, seed=seed) for seed in range(3))
    shift = 3 * numbers(FEATURES, seed=4)
    assert torch.allclose(attend(query, key - shift, value), attend(query, key, value), atol=1e-5)


def test_what_is_subtracted_from_every_value_is_what_the_result_lacks() -> None:
    query, key, value = (numbers(TOKENS, FEATURES, seed=seed) for seed in range(3))
    shift = 3 * numbers(FEATURES, seed=4)
    assert torch.allclose(attend(query, key, value - shift) + shift, attend(query, key, value), atol=1e-5)


def test_what_keys_have_in_common_is_found() -> None:
    common = 5 * numbers(FEATURES, seed=5)
    key = numbers(TOKENS, FEATURES, seed=6) + common
    still = Rope(torch.ones(TOKENS, 8), torch.zeros(TOKENS, 8))
    found = common_key(OPERATIONS, key, Heads(torch.ones(FEATURES), torch.ones(FEATURES), HEADS, 1e-6), still)
    left = OPERATIONS.rms_rope(key, torch.ones(FEATURES), still, 1e-6, None) - found
    assert left.norm() < 0.3 * OPERATIONS.rms_rope(key, torch.ones(FEATURES), still, 1e-6, None).norm()


class Unrounded(TorchOperations):
    """Gives results as they are, to see what attention alone did to them."""

    def to_rows(self, numbers: torch.Tensor, more: torch.Tensor | None) -> Rows:
        return Rows(numbers if more is None else numbers + more, torch.ones(len(numbers), 1))


def float8_error(*, smooths: bool) -> float:
    """Of an attention whose keys and values have much in common, as a model's have."""
    still = Rope(torch.ones(TOKENS, FEATURES // HEADS // 2), torch.zeros(TOKENS, FEATURES // HEADS // 2))
    query, key, value = (numbers(TOKENS, FEATURES, seed=seed) for seed in range(3))
    key, value = key + 4 * numbers(FEATURES, seed=5), value + 4 * numbers(FEATURES, seed=6)
    heads = Heads(torch.ones(FEATURES), torch.ones(FEATURES), HEADS, 1e-6)
    normed = [OPERATIONS.rms_rope(part, heads.query_norm, still, 1e-6, None) for part in (query, key)]
    wanted = attend(normed[0], normed[1], value)

    def float8_attend(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, scales: tuple[torch.Tensor, ...]
    ) -> torch.Tensor:
        return SDPA.attend(*(part.float() * s.view(1, 1, -1, 1) for part, s in zip((q, k, v), scales, strict=True)))

    if smooths:
        rows = Float8(Unrounded(), float8_attend).self_attention(Projections.of(query, key, value), heads, still)
        assert isinstance(rows, Rows)
        return relative_error(rows.float(), wanted)
    scales = tuple(part.view(TOKENS, HEADS, -1).abs().amax(dim=(0, 2)) / LARGEST for part in (*normed, value))
    parts = (
        OPERATIONS.head_float8(part, HeadScales(None, s)) for part, s in zip((*normed, value), scales, strict=True)
    )
    q8, k8, v8 = (split(part, HEADS) for part in parts)
    found = joined_heads(float8_attend(q8, k8, v8, scales))
    return relative_error(found, wanted)


def test_smoothing_lowers_the_error_of_float8_attention() -> None:
    assert float8_error(smooths=True) < 0.4 * float8_error(smooths=False)


def test_values_get_the_tightest_scale_after_their_mean_is_gone() -> None:
    value = numbers(TOKENS, FEATURES, seed=7) + 10
    scales = value_scales(OPERATIONS, value, HEADS)
    assert scales.shift is not None
    peaks = (value - scales.shift).view(TOKENS, HEADS, -1).abs().amax(dim=(0, 2))
    assert torch.allclose(scales.scale * LARGEST, peaks, rtol=1e-5)


def test_a_norm_adds_its_update_first_and_sees_the_sum_unrounded() -> None:
    stream, update = numbers(TOKENS, FEATURES).bfloat16(), numbers(TOKENS, FEATURES, seed=1).bfloat16()
    gate, scale, shift = (numbers(1, FEATURES, seed=seed) for seed in (2, 3, 4))
    after, normed = OPERATIONS.norm(stream.clone(), Update(update, gate), scale, shift, 1e-6, to_rows=False)
    exact = stream.float() + update.float() * gate
    assert torch.equal(after, exact.bfloat16())
    wanted = functional.layer_norm(exact, (FEATURES,), eps=1e-6) * scale + shift
    assert isinstance(normed, torch.Tensor)
    assert torch.equal(normed, wanted.bfloat16())


SHAPE = Shape(1024, 4, 16)


def timer(seconds: dict[str, float | None], calls: list[str]) -> attention_choice.Timer:
    def measured(kernel: Kernel, shape: Shape, device: torch.device) -> float:
        assert (shape, device) == (SHAPE, CPU)
        calls.append(kernel.name)
        if (found := seconds[kernel.name]) is None:
            raise RuntimeError("No available kernel. Aborting execution.")
        return found

    return measured


@pytest.fixture
def three(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention_choice, "candidates", lambda _: (SDPA, CUDNN, FLASH_3))


@pytest.mark.usefixtures("three")
def test_the_fastest_kernel_is_measured_once_and_remembered(tmp_path: Path) -> None:
    calls: list[str] = []
    seconds: dict[str, float | None] = {SDPA.name: 3.0, CUDNN.name: 2.0, FLASH_3.name: 1.0}
    for _ in range(2):
        assert fastest(SHAPE, CPU, FactCache(tmp_path), timer(seconds, calls)) is FLASH_3
    assert calls == [SDPA.name, CUDNN.name, FLASH_3.name]


@pytest.mark.usefixtures("three")
def test_another_shape_or_version_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    seconds: dict[str, float | None] = {SDPA.name: 3.0, CUDNN.name: 2.0, FLASH_3.name: 1.0}
    fastest(SHAPE, CPU, FactCache(tmp_path), timer(seconds, calls))
    monkeypatch.setattr(attention_choice, "versions", lambda: {"torch": "another"})
    fastest(SHAPE, CPU, FactCache(tmp_path), timer(seconds, calls))
    assert len(calls) == 6


@pytest.mark.usefixtures("three")
def test_a_kernel_that_cannot_do_the_shape_is_left_out(tmp_path: Path) -> None:
    seconds: dict[str, float | None] = {SDPA.name: 3.0, CUDNN.name: 2.0, FLASH_3.name: None}
    assert fastest(SHAPE, CPU, FactCache(tmp_path), timer(seconds, [])) is CUDNN


def test_a_kernel_that_errs_is_not_timed() -> None:
    halved = Kernel("halved", lambda q, k, v: SDPA.attend(q, k, v) / 2)
    with pytest.raises(RuntimeError, match=r"off by 0\.5"):
        attention_choice.time_kernel(halved, SHAPE, CPU)


def test_on_a_cpu_there_is_one_and_nothing_is_measured(tmp_path: Path) -> None:
    calls: list[str] = []
    assert fastest(SHAPE, CPU, FactCache(tmp_path), timer({}, calls)) is SDPA
    assert calls == []
