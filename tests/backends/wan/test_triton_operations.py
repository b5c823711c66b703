"""The fused operations against plain torch: on a GPU, or where there is none in Triton's interpreter.

Which takes 7 ms for a program, that is for a token: sizes are the smallest that go every way.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.forwards import inputs_of, loaded, reference, relative_error
from tests.backends.wan.triton_here import DEVICE, IS_INTERPRETED, needs_triton
from wan_render.backends.wan.kernels.arithmetic import Loaded
from wan_render.backends.wan.kernels.attention import SDPA, Chosen
from wan_render.backends.wan.kernels.launches import CHOICES, UNPACKED_CHOICES, Launches
from wan_render.backends.wan.kernels.operations import HeadScales, Operations, Rope, TorchOperations, Update
from wan_render.backends.wan.kernels.rows import Rows
from wan_render.backends.wan.profiles.render_profile import EXACT
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer

pytestmark = [pytest.mark.wan, pytest.mark.gpu, pytest.mark.usefixtures("kernels"), needs_triton]

HEADS = 5
SIZES = [(7, 160), (3, 60), (3, 40), (3, 5120)]
"""Tokens and features: a part of a block of columns, of heads, the fewest columns of a head, the width of the 14B."""

MANY = (130, 40)
"""More tokens than a program of `extremes` goes through; of the others each goes through one."""

Work = Callable[[Operations], Any]
Tinies = Callable[[str], Tiny]


@pytest.fixture(autouse=True)
def unrounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter cuts bits off where a GPU rounds to the nearest float8: there, compare what is to be rounded."""
    if IS_INTERPRETED:
        for module in ("operations", "rows", "triton_operations"):
            name = f"wan_render.backends.wan.kernels.{module}"
            monkeypatch.setattr(import_module(name), "FLOAT8", torch.float32)


def fused() -> Operations:
    from wan_render.backends.wan.kernels.triton_operations import TritonOperations

    return TritonOperations()


class Numbers:
    """Inputs of one size, the same for both implementations."""

    def __init__(self, tokens: int, width: int) -> None:
        self.tokens, self.width, self._seed = tokens, width, 0
        self.stream, self.update = self.wide(tokens, width).bfloat16(), self.wide(tokens, width).bfloat16()
        self.gate, self.scale, self.shift = (self.wide(1, width) for _ in range(3))
        self.each = tuple(self.wide(tokens, 6, width).unbind(1))
        self.weight = self.wide(width).abs().bfloat16()
        angles = self.wide(tokens, width // HEADS // 2) if width % (2 * HEADS) == 0 else self.wide(tokens, 1)
        self.rope = Rope(angles.cos(), angles.sin())
        self.to = HeadScales(self.wide(width), self.wide(HEADS).abs() / 50 + 0.02)

    def wide(self, *shape: int) -> torch.Tensor:
        self._seed += 1
        return torch.randn(shape, generator=torch.Generator().manual_seed(self._seed)).to(DEVICE)


def norm(n: Numbers, update: Update | None, *, to_rows: bool) -> Work:
    return lambda of: of.norm(n.stream.clone(), update, n.scale, n.shift, 1e-6, to_rows=to_rows)


def norm_of_each(n: Numbers) -> Work:
    """With a modulation for every token: slices of one tensor, and one that lies by itself."""
    gate, scale, shift = n.each[:3]
    return lambda of: of.norm(n.stream.clone(), Update(n.update, gate), 1 + scale, shift, 1e-6, to_rows=False)


WORKS: dict[str, Callable[[Numbers], Work]] = {
    "norm": lambda n: norm(n, None, to_rows=False),
    "norm to rows": lambda n: norm(n, None, to_rows=True),
    "add, norm": lambda n: norm(n, Update(n.update, n.gate), to_rows=False),
    "add, norm to rows": lambda n: norm(n, Update(n.update, n.gate), to_rows=True),
    "add without gate, norm": lambda n: norm(n, Update(n.update, None), to_rows=False),
    "a modulation for every token": norm_of_each,
    "rms norm": lambda n: lambda of: of.rms_rope(n.stream, n.weight, None, 1e-6, None),
    "rms norm, rope": lambda n: lambda of: of.rms_rope(n.stream, n.weight, n.rope, 1e-6, None),
    "rms norm to float8": lambda n: lambda of: of.rms_rope(n.stream, n.weight, None, 1e-6, n.to),
    "rms norm, rope to float8": lambda n: lambda of: of.rms_rope(n.stream, n.weight, n.rope, 1e-6, n.to),
    "rms norm, rope to float8 without shift": lambda n: (
        lambda of: of.rms_rope(n.stream, n.weight, n.rope, 1e-6, HeadScales(None, n.to.scale))
    ),
    "heads to float8": lambda n: lambda of: of.head_float8(n.stream, n.to),
    "heads to float8 without shift": lambda n: lambda of: of.head_float8(n.stream, HeadScales(None, n.to.scale)),
    "extremes": lambda n: lambda of: of.extremes(n.stream),
    "extremes of a slice": lambda n: lambda of: of.extremes(torch.cat([n.stream, n.update], 1)[:, : n.width]),
    "rows": lambda n: lambda of: of.to_rows(n.stream, None),
    "sum to rows": lambda n: lambda of: of.to_rows(n.stream, n.update),
    "a vector added, to rows": lambda n: lambda of: of.to_rows(n.stream, n.shift[0]),
    "gelu to rows": lambda n: lambda of: of.gelu_rows(n.stream),
}


CASES = [(name, *size) for name in WORKS for size in (*SIZES, MANY) if size != MANY or name.startswith("extremes")]


def tensors(result: Any) -> list[torch.Tensor]:
    parts = result if isinstance(result, tuple) else (result,)
    return [part.float() for part in parts]


@pytest.mark.parametrize(("name", "tokens", "width"), CASES)
def test_it_is_what_plain_torch_computes(name: str, tokens: int, width: int) -> None:
    work = WORKS[name](Numbers(tokens, width))
    mine, wanted = work(fused()), work(TorchOperations())
    for found, right in zip(tensors(mine), tensors(wanted), strict=True):
        assert found.shape == right.shape
        error = float((found - right).norm() / right.norm())
        assert error < 0.006, error  # a number that is rounded the other way, here and there


@pytest.mark.skipif(not IS_INTERPRETED, reason="float8 would hide it: only the interpreter's rows are left unrounded")
@pytest.mark.filterwarnings("ignore:overflow encountered in exp2")  # of -40, divided by which it is 0
def test_gelu_is_that_of_torch_to_float32s_last_digits() -> None:
    numbers = torch.linspace(-40, 40, 4096, device=DEVICE).view(-1, 64)
    mine, wanted = (of.gelu_rows(numbers).float() for of in (fused(), TorchOperations()))
    torch.testing.assert_close(mine, wanted, rtol=1e-5, atol=1e-6)


def test_rows_of_zeros_are_zeros() -> None:
    found = fused().to_rows(torch.zeros(3, 40, dtype=torch.bfloat16, device=DEVICE), None)
    assert isinstance(found, Rows)
    assert torch.equal(found.float(), torch.zeros(3, 40, device=DEVICE))


def test_what_is_larger_than_float8_can_say_is_clipped() -> None:
    numbers = torch.full((2, 40), 1000.0, dtype=torch.bfloat16, device=DEVICE)
    found = fused().head_float8(numbers, HeadScales(None, torch.ones(HEADS, device=DEVICE)))
    assert torch.equal(found.float(), torch.full((2, 40), 448.0, device=DEVICE))


@pytest.mark.parametrize("threshold", [None, 0.0, 1e9])
@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
@torch.no_grad()
def test_a_whole_forward_is_that_of_plain_torch(tiny: Tinies, name: str, threshold: float | None) -> None:
    """The fused operations overwrite the stream: nothing that is needed later may lie in it."""
    stock = loaded(tiny(name).folder).to(DEVICE)
    operations, attend = fused(), Chosen(SDPA)
    mine = AcceleratedTransformer(copy.deepcopy(stock), Loaded(operations, attend), operations, attend, DEVICE)
    plain = reference(stock, EXACT)
    mine.first_block_threshold = plain.first_block_threshold = threshold
    inputs = inputs_of(stock, latents=(2, 4, 6))
    asked = {k: v.to(DEVICE) if isinstance(v, torch.Tensor) else v for k, v in inputs.items()}
    steps = [torch.tensor([900.0]), torch.tensor([700.0]), torch.tensor([900.0])]
    if name == "ti2v-5b":
        steps.append(torch.tensor([[0.0] * 6 + [612.0] * 6]))
    for timestep in steps:
        case = asked | {"timestep": timestep.to(DEVICE)}
        assert relative_error(mine(**case)[0], plain(**case)[0]) < 3e-6
        if threshold is not None:  # what decides about skipping, at any threshold
            assert relative_error(contribution(mine, asked), contribution(plain, asked)) < 1e-5


def contribution(transformer: AcceleratedTransformer, asked: dict[str, Any]) -> torch.Tensor:
    """What its first block added to the tokens in the last step that was computed in full."""
    pictures = asked.get("encoder_hidden_states_image")
    found = transformer._contexts.of(asked["encoder_hidden_states"], pictures).first_block.contribution
    assert found is not None
    return found


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_every_float8_number_is_made_wide_as_torch_does(dtype: torch.dtype) -> None:
    """Without the type, which compilers for Ampere refuse; to the last bit, zeros with their signs and subnormals
    included. Two codes are NaN, which no stored weight is. Products need no rounding, which the interpreter lacks."""
    codes = torch.arange(256, dtype=torch.uint8)
    codes = codes[codes % 128 != 127].repeat(3, 1).to(DEVICE)
    weight, scales = (
        codes.view(torch.float8_e4m3fn),
        torch.tensor([[1.0], [0.375], [1.5 * 2**-16]], dtype=dtype, device=DEVICE),
    )
    found, wanted = (of.unpacked(weight, scales) for of in (fused(), TorchOperations()))
    assert found.dtype == wanted.dtype == dtype
    assert torch.equal(found, wanted)
    assert torch.equal(found.signbit(), wanted.signbit())


def test_results_are_the_same_bit_for_bit_with_every_launch() -> None:
    """So a take does not depend on what was fastest when its device was first used."""
    from wan_render.backends.wan.kernels.triton_operations import TritonOperations

    n = Numbers(3, 5120 if not IS_INTERPRETED else 160)
    stored, scales = n.update.to(torch.float8_e4m3fn), n.wide(n.tokens, 1).abs().bfloat16()
    works: tuple[Work, ...] = (
        lambda of: of.to_rows(n.stream, n.update),
        lambda of: of.gelu_rows(n.stream),
        lambda of: of.head_float8(n.stream, n.to),
        lambda of: of.unpacked(stored, scales),
    )
    for rows, unpacked in zip(CHOICES, UNPACKED_CHOICES, strict=True):
        other = TritonOperations(Launches(rows=rows, head_float8=rows, unpacked=unpacked))
        for work in works:
            for one, same in zip(_parts(work(fused())), _parts(work(other)), strict=True):
                assert torch.equal(one, same)


def _parts(result: Any) -> list[torch.Tensor]:
    """The float32 numbers of a result."""
    parts = [result.values, result.scales] if isinstance(result, Rows) else [result]
    return [part.float() for part in parts]
