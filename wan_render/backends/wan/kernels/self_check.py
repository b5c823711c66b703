"""Checks the fused kernels on this device against plain torch: Triton, drivers and devices differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import functional

from wan_render.backends.wan.kernels.arithmetic import Heads, Loaded, Projections
from wan_render.backends.wan.kernels.attention import SDPA, flash3_float8, runs_flash3
from wan_render.backends.wan.kernels.decoder import TorchVaeOperations, VaeOperations
from wan_render.backends.wan.kernels.float8_arithmetic import Float8
from wan_render.backends.wan.kernels.linear import Float8Linear
from wan_render.backends.wan.kernels.operations import HeadScales, Operations, Rope, TorchOperations, Update
from wan_render.backends.wan.kernels.rows import Rows, quantised
from wan_render.backends.wan.kernels.sparse_linear import (
    QUERIES_PER_BLOCK,
    AttendBlocks,
    attend_gathered,
    chosen_blocks,
)
from wan_render.backends.wan.profiles.render_profile import Precision
from wan_render.printable import logger

_log = logger(__name__)

TOKENS = 256

ALLOWED = 0.01
"""The largest relative error. In bfloat16 it is below 0.003; float8 values rarely round differently."""

VAE_CHANNELS = (96, 160, 192, 256, 320, 384, 512, 640, 1024)
"""The numbers of channels in the layers of Wan's two VAEs."""

ALLOWED_FLOAT8_PRODUCT = 0.06
"""The largest relative error of a product of two numbers, each rounded to three bits: 0.037 is usual."""

ALLOWED_FLOAT8_ATTENTION = 0.12
"""The largest relative error with queries, keys, values and probabilities rounded to three bits. On random numbers it
is 0.054."""

Work = Callable[[Operations], Any]


@torch.no_grad()
def wrong_operations(fused: Operations, width: int, heads: int, linears: Precision, device: torch.device) -> list[str]:
    """The names of the operations with wrong results. This also compiles the kernels for a width, which a render
    needs."""
    numbers = _Numbers(width, heads, device)
    checks = _checks(numbers, fused, linears)
    return [name for name, check in checks if not _holds(name, check)]


@torch.no_grad()
def wrong_vae_operations(fused: VaeOperations, device: torch.device) -> list[str]:
    """The same for the operations of a VAE between its convolutions, in both precisions."""
    return [
        f"{name} of {channels} channels in {dtype}"
        for channels in VAE_CHANNELS
        for dtype in (torch.float32, torch.bfloat16)
        for name, check in _decoder_checks(fused, channels, dtype, device)
        if not _holds(name, check)
    ]


@torch.no_grad()
def wrong_block_attention(attend_blocks: AttendBlocks, features: int, device: torch.device) -> list[str]:
    """The name of the attention to chosen blocks of keys, if its results are wrong. The last blocks are shorter than
    the others."""
    generator = torch.Generator(device).manual_seed(1)
    shape = (6 * QUERIES_PER_BLOCK - 9, 2, features)
    query, key, value = (torch.randn(shape, generator=generator, device=device).bfloat16() for _ in range(3))
    chosen = chosen_blocks(query, key, 0.4)

    def check() -> bool:
        return _alike(attend_blocks(query, key, value, chosen), attend_gathered(query, key, value, chosen))

    name = "attention to blocks of keys"
    return [] if _holds(name, check) else [name]


def _decoder_checks(
    fused: VaeOperations, channels: int, dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[str, Callable[[], bool]]]:
    generator = torch.Generator(device).manual_seed(1)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=device).to(dtype)

    one, other = (numbers(1, channels, 4, 8, 8).contiguous(memory_format=torch.channels_last_3d) for _ in range(2))
    bias, gamma = numbers(channels), numbers(channels)

    def normed(operations: VaeOperations, bias: torch.Tensor | None) -> torch.Tensor:
        out = torch.zeros_like(one)
        operations.norm_silu(one[:, :, 2:], bias, gamma, out[:, :, 2:])  # after two frames, as the decoder uses it
        return out

    def added(operations: VaeOperations) -> torch.Tensor:
        return operations.add(one.clone(), bias, other)

    works: tuple[tuple[str, Callable[[VaeOperations], torch.Tensor]], ...] = (
        ("norm and SiLU", lambda operations: normed(operations, None)),
        ("norm and SiLU of a sum", lambda operations: normed(operations, bias)),
        ("addition", added),
    )
    for name, work in works:
        yield name, lambda work=work: _alike(work(fused), work(TorchVaeOperations()))  # type: ignore[misc]


def _holds(name: str, check: Callable[[], bool]) -> bool:
    """Whether a check passes. A kernel that cannot be compiled or run counts as wrong."""
    try:
        return check()
    except torch.OutOfMemoryError:
        raise
    except Exception:  # noqa: BLE001 - part of the backend's seam: Triton's compiler raises classes of its own
        _log.warning("%s cannot be run on this device", name, exc_info=True)
        return False


class _Numbers:
    def __init__(self, width: int, heads: int, device: torch.device) -> None:
        self._generator = torch.Generator(device).manual_seed(1)
        self._device = device
        self.stream, self.other = self.random(TOKENS, width).bfloat16(), self.random(TOKENS, width).bfloat16()
        self.gate, self.scale, self.shift = (self.random(1, width) for _ in range(3))
        self.weight = self.random(width).abs().bfloat16()
        angles = self.random(TOKENS, width // heads // 2)
        self.rope = Rope(angles.cos(), angles.sin())
        self.to = HeadScales(self.random(width), self.random(heads).abs() / 50 + 0.02)
        self.heads = Heads(self.weight, self.weight, heads, 1e-6)
        self.layer = torch.nn.Linear(width, 2 * width, device=device, dtype=torch.bfloat16)

    def random(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=self._generator, device=self._device)


def _checks(n: _Numbers, fused: Operations, linears: Precision) -> Iterator[tuple[str, Callable[[], bool]]]:
    is_float8 = linears is Precision.FLOAT8

    def norm(update: Update | None, *, to_rows: bool) -> Work:
        return lambda of: of.norm(n.stream.clone(), update, n.scale, n.shift, 1e-6, to_rows=to_rows)

    def rms(rope: Rope | None, to: HeadScales | None) -> Work:
        return lambda of: of.rms_rope(n.stream, n.weight, rope, 1e-6, to)

    works: dict[str, Work] = {
        "norm": norm(None, to_rows=is_float8),
        "addition and norm": norm(Update(n.other, n.gate), to_rows=is_float8),
        "addition without a gate and norm": norm(Update(n.other, None), to_rows=is_float8),
        "RMS norm": rms(None, None),
        "RMS norm and rotation": rms(n.rope, None),
    }
    if is_float8:
        works |= {
            "RMS norm and rotation to float8": rms(n.rope, n.to),
            "heads to float8": lambda of: of.head_float8(n.stream, n.to),
            "extremes": lambda of: of.extremes(n.stream),
            "sum to rows": lambda of: of.to_rows(n.stream, n.other),
            "vector added to rows": lambda of: of.to_rows(n.stream, n.shift[0]),
            "GELU to rows": lambda of: of.gelu_rows(n.stream),
        }
        yield "float8 product", lambda: _float8_product_holds(n)
        if runs_flash3(n.stream.device):
            yield "float8 attention", lambda: _float8_attention_holds(n, fused)
    elif linears is Precision.STORED:
        weight = quantised(n.layer.weight)
        works["weights of 8 bits made wide"] = lambda of: of.unpacked(weight.values, weight.scales.bfloat16())
    else:
        yield "GELU in a product", lambda: _gelu_holds(n, fused)
    for name, work in works.items():
        yield name, lambda work=work: _alike(work(fused), work(TorchOperations()))  # type: ignore[misc]


def _alike(found: Any, wanted: Any) -> bool:
    pairs = zip(_tensors(found), _tensors(wanted), strict=True)
    return all(float((f - w).norm() / w.norm()) < ALLOWED for f, w in pairs)


def _tensors(result: Any) -> list[torch.Tensor]:
    return [part.float() for part in (result if isinstance(result, tuple) else (result,))]


def _gelu_holds(n: _Numbers, fused: Operations) -> bool:
    """Whether GELU is right. In bfloat16 both of its formulas give the same."""
    inside = Loaded(fused, SDPA.attend).widened(n.layer, n.stream)
    return _alike(inside, functional.gelu(n.layer(n.stream).float(), approximate="tanh"))


def _float8_product_holds(n: _Numbers) -> bool:
    wanted = n.layer(n.stream).float()
    rows: Rows = quantised(n.stream)
    found = Float8Linear(n.layer, n.stream.device)(rows).float()
    return float((found - wanted).norm() / wanted.norm()) < ALLOWED_FLOAT8_PRODUCT


def _float8_attention_holds(n: _Numbers, fused: Operations) -> bool:
    exact, rounded = Loaded(TorchOperations(), SDPA.attend), Float8(fused, flash3_float8)
    projections = Projections.of(n.stream, n.other, n.stream)
    wanted, found = (each.self_attention(projections, n.heads, n.rope) for each in (exact, rounded))
    right, rows = wanted.float(), found.float()
    return float((rows - right).norm() / right.norm()) < ALLOWED_FLOAT8_ATTENTION
