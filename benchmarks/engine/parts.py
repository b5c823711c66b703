"""The operations and the attention kernels by themselves: right against plain torch, and how fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from wan_render.backends.wan.kernels import attention
from wan_render.backends.wan.kernels.arithmetic import Heads, Projections, joined_heads, split
from wan_render.backends.wan.kernels.float8_arithmetic import Float8, safe_scales, value_scales
from wan_render.backends.wan.kernels.linear import Float8Linear
from wan_render.backends.wan.kernels.operations import HeadScales, Operations, Rope, TorchOperations, Update
from wan_render.backends.wan.kernels.rows import LARGEST, Rows, quantised

Found = dict[str, Any]
Scales = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
TOKENS, WIDTH, WIDE, HEADS = 32_760, 5120, 13_824, 40


@dataclass(frozen=True)
class Setting:
    device: torch.device

    @property
    def is_tiny(self) -> bool:
        return self.device.type == "cpu"


def operations_part(setting: Setting) -> Found:
    """Relative errors of each fused operation against plain torch, and its milliseconds at full size."""
    if setting.is_tiny:
        return {}
    from wan_render.backends.wan.profiles.prepare import fused_operations

    fused = fused_operations()
    found: Found = {}
    few, many = Case(setting.device, 1000), Case(setting.device, TOKENS)
    for name in few.works(fused):
        try:
            mine, wanted = (wide(few.works(of)[name]()) for of in (fused, TorchOperations()))
            errors = [float((m - w).norm() / w.norm()) for m, w in zip(mine, wanted, strict=True)]
            found[name] = {"relative error": max(errors), "ms": milliseconds(many.works(fused)[name])}
        except Exception as fault:  # noqa: BLE001 - reported; the others go on
            found[name] = {"failed": f"{type(fault).__name__}: {fault}"[:800]}
    found |= products(setting.device)
    return found


class Case:
    """Inputs of the operations, and each of them as a work to be done."""

    def __init__(self, device: torch.device, tokens: int) -> None:
        generator = torch.Generator(device).manual_seed(5)

        def numbers(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, device=device)

        self.stream, self.update = numbers(tokens, WIDTH).bfloat16(), numbers(tokens, WIDTH).bfloat16()
        self.wide = numbers(tokens, WIDE).bfloat16()
        self.gate, self.scale, self.shift = numbers(1, WIDTH), numbers(1, WIDTH), numbers(1, WIDTH)
        self.weight = numbers(WIDTH).abs().bfloat16()
        angles = numbers(tokens, WIDTH // HEADS // 2)
        self.rope = Rope(angles.cos(), angles.sin())
        self.to = HeadScales(numbers(WIDTH), numbers(HEADS).abs() / 50 + 0.02)

    def works(self, of: Operations) -> dict[str, Callable[[], Any]]:
        update = Update(self.update, self.gate)

        def norm(update: Update | None, *, to_rows: bool) -> Any:
            return of.norm(self.stream.clone(), update, self.scale, self.shift, 1e-6, to_rows=to_rows)

        return {
            "norm": lambda: norm(None, to_rows=False),
            "add, norm": lambda: norm(update, to_rows=False),
            "add without gate, norm, rows": lambda: norm(Update(self.update, None), to_rows=True),
            "add, norm, rows": lambda: norm(update, to_rows=True),
            "rms norm": lambda: of.rms_rope(self.stream, self.weight, None, 1e-6, None),
            "rms norm, rope": lambda: of.rms_rope(self.stream, self.weight, self.rope, 1e-6, None),
            "rms norm, rope, float8": lambda: of.rms_rope(self.stream, self.weight, self.rope, 1e-6, self.to),
            "float8 of heads": lambda: of.head_float8(self.stream, self.to),
            "extremes": lambda: of.extremes(self.stream),
            "rows": lambda: of.to_rows(self.stream, None),
            "sum, rows": lambda: of.to_rows(self.stream, self.update),
            "mean added, rows": lambda: of.to_rows(self.stream, self.shift[0]),
            "gelu, rows": lambda: of.gelu_rows(self.wide),
            "copy, for comparison": lambda: self.stream.clone(),
        }


def wide(result: Any) -> list[torch.Tensor]:
    parts = result if isinstance(result, tuple) else (result,)
    return [part.float() for part in parts]


def products(device: torch.device) -> Found:
    """Linear layers in both precisions: milliseconds and TFLOP/s."""
    found: Found = {}
    for features, outputs in ((WIDTH, WIDTH), (WIDTH, WIDE), (WIDE, WIDTH)):
        layer = torch.nn.Linear(features, outputs, device=device, dtype=torch.bfloat16)
        inputs = torch.randn(TOKENS, features, device=device, dtype=torch.bfloat16)
        rows = quantised(inputs)
        works: dict[str, Callable[[], Any]] = {"bfloat16": partial(layer, inputs)}
        if outputs == WIDE:
            works["bfloat16 with gelu"] = partial(
                torch._addmm_activation, layer.bias, inputs, layer.weight.t(), use_gelu=True
            )
            gelu = torch.nn.functional.gelu(layer(inputs[:500]).float(), approximate="tanh")
            inside = torch._addmm_activation(layer.bias, inputs[:500], layer.weight.t(), use_gelu=True)
            found["gelu inside the product, relative error"] = float((inside.float() - gelu).norm() / gelu.norm())
        wanted = (inputs[:500].double() @ layer.weight.double().t() + layer.bias.double()).float()
        float8 = Float8Linear(layer_copy(layer), device)
        works["float8"] = partial(float8, rows)
        works["float8, slow accumulation"] = partial(slow, float8, rows)
        for name, work in works.items():
            try:
                ms = milliseconds(work)
                found[f"{features} to {outputs}, {name}"] = {
                    "ms": ms,
                    "TFLOP/s": 2e-9 * TOKENS * features * outputs / ms,
                    **({} if "gelu" in name else {"relative error": error_of(work()[:500], wanted)}),
                }
            except Exception as fault:  # noqa: BLE001 - reported; the others go on
                found[f"{features} to {outputs}, {name}"] = {"failed": f"{type(fault).__name__}: {fault}"[:800]}
    return found


def slow(layer: Float8Linear, rows: Rows) -> torch.Tensor:
    scales = {"scale_a": rows.scales, "scale_b": layer.scales, "bias": layer.bias}
    return torch._scaled_mm(rows.values, layer.weight.t(), **scales, out_dtype=torch.bfloat16, use_fast_accum=False)


def layer_copy(layer: torch.nn.Linear) -> torch.nn.Linear:
    other = torch.nn.Linear(layer.in_features, layer.out_features, device=layer.weight.device, dtype=layer.weight.dtype)
    other.load_state_dict(layer.state_dict())
    return other


def error_of(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.float() - wanted).norm() / wanted.norm())


def milliseconds(work: Callable[[], Any], repeats: int = 5) -> float:
    """The median by the device's clock."""
    work()
    times = []
    for _ in range(repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(float(begin.elapsed_time(end)))
    return sorted(times)[repeats // 2]


def of_heads(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scales: Scales) -> torch.Tensor:
    """Float8 attention of (tokens, features)."""
    parts = [split(part, HEADS) for part in (query, key, value)]
    return joined_heads(attention.flash3_float8(parts[0], parts[1], parts[2], scales))


def attention_part(setting: Setting) -> Found:
    """The kernels at 32,760 tokens, and the error of float8 attention with and without smoothing."""
    if setting.is_tiny:
        return {}
    found: Found = {}
    size = (1, TOKENS, HEADS, WIDTH // HEADS)
    query, key, value = (torch.randn(size, device=setting.device, dtype=torch.bfloat16) for _ in range(3))
    flop = 4 * TOKENS**2 * WIDTH
    scale = torch.full((HEADS,), 6 / LARGEST, device=setting.device)
    q8, k8, v8 = (
        (part / (6 / LARGEST)).clamp(-LARGEST, LARGEST).to(torch.float8_e4m3fn) for part in (query, key, value)
    )
    works: dict[str, Callable[[], Any]] = {
        kernel.name: partial(kernel.attend, query, key, value) for kernel in attention.candidates(setting.device)
    }
    works["flash-attention 3, float8"] = partial(attention.flash3_float8, q8, k8, v8, (scale, scale, scale))
    for name, work in works.items():
        try:
            ms = milliseconds(work, 3)
            found[name] = {"ms": ms, "TFLOP/s": flop / ms / 1e9}
        except Exception as fault:  # noqa: BLE001 - reported; the others go on
            found[name] = {"failed": f"{type(fault).__name__}: {fault}"[:800]}
    for common in (0.0, 2.0, 8.0):
        found[f"float8 errors, common part {common}"] = smoothing(setting.device, common)
    return found


def smoothing(device: torch.device, common: float, tokens: int = 8192) -> Found:
    """Relative errors against float64-free float32 attention, of keys and values that share `common` standard
    deviations; ours, and with the plain tightest scale of each head."""
    generator = torch.Generator(device).manual_seed(3)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=device)

    query, key, value = (numbers(tokens, WIDTH) for _ in range(3))
    key, value = key + common * numbers(WIDTH), value + common * numbers(WIDTH)
    still = Rope(torch.ones(tokens, 64, device=device), torch.zeros(tokens, 64, device=device))
    ones = torch.ones(WIDTH, device=device)
    plain = TorchOperations()
    normed = [plain.rms_rope(part, ones, still, 1e-6, None) for part in (query, key)]
    exact = [split(part, HEADS) for part in (*normed, value)]
    wanted = joined_heads(attention.SDPA.attend(exact[0], exact[1], exact[2]))
    changing = wanted - value.mean(dim=0)
    found: Found = {}
    try:
        rows = Float8(plain, attention.flash3_float8).self_attention(
            Projections.of(query.bfloat16(), key.bfloat16(), value.bfloat16()), Heads(ones, ones, HEADS, 1e-6), still
        )
        assert isinstance(rows, Rows)
        found["smoothed, as rows"] = error_of(rows.float(), wanted)
        found["smoothed, of what changes"] = error_of(rows.float() - value.mean(dim=0), changing)
        tight = [part.view(tokens, HEADS, -1).abs().amax(dim=(0, 2)) / LARGEST for part in (*normed, value)]
        eights = [plain.head_float8(p, HeadScales(None, s)) for p, s in zip((*normed, value), tight, strict=True)]
        raw = of_heads(eights[0], eights[1], eights[2], (tight[0], tight[1], tight[2]))
        found["plain"] = error_of(raw, wanted)
        found["plain, of what changes"] = error_of(raw.float() - value.mean(dim=0), changing)
        bound, of_value = safe_scales(ones, HEADS), value_scales(plain, value, HEADS)
        eights = [plain.head_float8(part, HeadScales(None, bound)) for part in normed]
        half = of_heads(eights[0], eights[1], plain.head_float8(value, of_value), (bound, bound, of_value.scale))
        found["values smoothed only, of what changes"] = error_of(half.float(), changing)
    except Exception as fault:  # noqa: BLE001 - reported; the others go on
        found["failed"] = f"{type(fault).__name__}: {fault}"[:800]
    return found
