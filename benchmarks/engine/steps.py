"""Seconds of a denoising step with guidance, a 14B at full size with random weights: stock diffusers, compiled
diffusers in bfloat16 and in float8, and our profiles, interleaved in one run; errors against float32; where the time
goes.

    python -m benchmarks.engine.steps --json steps.json              (about 110 GB of GPU memory)
    python -m benchmarks.engine.steps --tiny                         (on a CPU, to try the program itself)
    --parts operations,attention,errors,steps,profile,720p           (the default: all)
    --variants stock,compiled,exact,compiled-float8,fast             (the default: all)
    --model wan2.1-i2v-14b-480p                                      (the default: wan2.1-flf2v-14b)

`compiled` is diffusers' transformer with compiled blocks and FlashAttention 3; `compiled-float8` is the same with the
linear layers of its blocks in torchao's float8 (dynamic, a scale for each token and each output): what guides name for
speed at the price that `fast` asks. It needs torchao, which nothing else here needs: `pip install torchao==0.17.0` with
torch 2.11. `fast-exact-attention` and `fast-8-bit-weights` are variants of `fast` for other GPUs; `-sdpa` is without
FlashAttention 3. `compiled-float8-as-fast` leaves alone the layers that `fast` does; `compiled-float8-tuned` has the
compiler tune as torchao asks it to unless it is told not to: run it alone.

Variants take turns, and each round begins with another of them. Memory beside weights counts what a variant keeps from
step to step, so the keys and values that our profiles compute once for a shot are in it.

Predicted before the first run with `compiled-float8` (I2V-14B, 832x480x81, an H200, by hand on another day; seconds a
step and error): stock 6.48 and 0.0146, compiled 5.01 and 0.0122, `exact` 4.86 and 0.0144, compiled-float8 4.13 and
0.049, `fast` 3.33 and 0.048; GB beside weights: `exact` 4.3, `fast` 4.15.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from benchmarks.engine.arguments import parser, some_of
from benchmarks.engine.forms import form_of
from benchmarks.engine.meter import Meter, TorchMeter
from benchmarks.engine.models import make_transformer, weights_of
from benchmarks.engine.parts import Setting, attention_part, operations_part
from benchmarks.engine.results import write
from tests.backends.wan.forwards import reference
from wan_render.backends.wan.kernels import attention, self_check
from wan_render.backends.wan.models.official import BY_NAME, FLF2V_14B, I2V_14B_480P
from wan_render.backends.wan.opening import hold_memory_in_growing_segments
from wan_render.backends.wan.profiles.prepare import accelerated, fused_operations
from wan_render.backends.wan.profiles.render_profile import EXACT, Precision
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer

Found = dict[str, Any]
Variants = dict[str, Any]
"""Transformers by name, all of the same weights."""

PARTS = ("operations", "attention", "errors", "steps", "profile", "720p")
VARIANTS = ("stock", "compiled", "exact", "compiled-float8", "fast")
ALONE = (
    *("compiled-float8-as-fast", "compiled-float8-tuned"),
    *("fast-exact-attention", "fast-exact-attention-sdpa", "fast-8-bit-weights"),
)
"""Only where they are asked for."""
MODELS = (FLF2V_14B.name, I2V_14B_480P.name)

GROUPS = (
    ("self-attention and cross-attention", ("flash", "fmha", "attention", "sdpa", "cudnn_generated")),
    ("own kernels: norms", ("norm_kernel",)),
    ("own kernels: RMS norm and rotation", ("rms_rope_kernel",)),
    ("own kernels: float8 of values", ("head_float8_kernel", "extremes_kernel")),
    ("own kernels: rows of float8", ("rows_kernel",)),
    ("compiled kernels", ("triton_",)),
    ("matrix products", ("gemm", "nvjet", "cutlass", "xmma", "cublas")),
)
"""Of kernels by a part of their names; the first that fits counts."""


@dataclass(frozen=True)
class Shot:
    """Inputs of a transformer: of latents (frames, height, width), for a text and for the negative one."""

    with_text: Found
    with_negative: Found

    def step(self, transformer: Any) -> torch.Tensor:
        towards = transformer(**self.with_text)[0]
        away = transformer(**self.with_negative)[0]
        guided: torch.Tensor = away + 5.0 * (towards - away)
        return guided


def shot_of(config: Any, setting: Setting, latents: tuple[int, int, int], dtype: torch.dtype) -> Shot:
    generator = torch.Generator(setting.device).manual_seed(11)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=setting.device, dtype=torch.float32).to(dtype)

    def words() -> torch.Tensor:
        text = numbers(1, 512, config["text_dim"])
        text[:, 120:] = 0
        return text

    pictures, tokens = seen(config)
    asked = {
        "hidden_states": numbers(1, config["in_channels"], *latents),
        "timestep": torch.tensor([612.0], device=setting.device),
        "encoder_hidden_states_image": numbers(pictures, tokens, config["image_dim"]),
        "return_dict": False,
    }
    return Shot({**asked, "encoder_hidden_states": words()}, {**asked, "encoder_hidden_states": words()})


def seen(config: Any) -> tuple[int, int]:
    """How many pictures CLIP shows to a transformer, and the tokens of one: a ViT-H's where no configuration says."""
    of_all = config.get("pos_embed_seq_len")
    return (1, 257) if of_all is None else (2, of_all // 2)


def of_type(shot: Shot, dtype: torch.dtype) -> Shot:
    def cast(inputs: Found) -> Found:
        return {k: v.to(dtype) if isinstance(v, torch.Tensor) and v.dim() > 1 else v for k, v in inputs.items()}

    return Shot(cast(shot.with_text), cast(shot.with_negative))


def seconds(setting: Setting, work: Callable[[], Any]) -> float:
    if setting.device.type != "cuda":
        before = time.perf_counter()
        work()
        return time.perf_counter() - before
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    begin.record()
    work()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end)) / 1000


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found.float() - wanted.float()).norm() / wanted.float().norm())


def in_float32(stock: Any, shot: Shot) -> torch.Tensor:
    """What stock diffusers gives in float32 with the same weights, which takes twice their memory for a while."""
    wide = copy.deepcopy(stock).float()
    wanted: torch.Tensor = wide(**of_type(shot, torch.float32).with_text)[0]
    del wide
    release()
    return wanted


def errors_part(variants: Variants, wanted: torch.Tensor, shot: Shot, setting: Setting) -> Found:
    """Of one forward, and the variants' first seconds."""
    found: Found = {}
    for name, transformer in variants.items():
        with attempt(found, name):
            first = seconds(setting, partial(shot.step, transformer))
            found[name] = {
                "relative error": relative_error(transformer(**shot.with_text)[0], wanted),
                "first step, with compilation, s": first,
            }
            print(name, found[name], flush=True)
    return found


def steps_part(variants: Variants, shot: Shot, setting: Setting, rounds: int) -> Found:
    """Median seconds of a step, the variants taking turns; memory at the peak of each beside weights."""
    times: dict[str, list[float]] = {name: [] for name in variants}
    memory = {name: Memory(TorchMeter(setting.device)) for name in variants}
    found: Found = {}
    for transformer in variants.values():
        forget(transformer)
    for turn in range(rounds + 1):
        for name in in_turn(tuple(variants), turn):
            with attempt(found, name), memory[name].watched():
                taken = seconds(setting, partial(shot.step, variants[name]))
                if turn:
                    times[name].append(taken)
        print(turn, {name: f"{series[-1]:.3f}" for name, series in times.items() if series}, flush=True)
    stock = statistics.median(times["stock"]) if times.get("stock") else float("nan")
    for name, series in times.items():
        if series:
            median = statistics.median(series)
            found[name] = {
                "s a step": median,
                "from": min(series),
                "to": max(series),
                "times as fast as stock": stock / median,
                "GB beside weights": memory[name].beside_weights,
                "of them kept from step to step": memory[name].kept,
            }
    return found


def in_turn(names: tuple[str, ...], turn: int) -> tuple[str, ...]:
    """Each round begins with the next of them, so that none always follows the same one while it is still warm."""
    first = turn % len(names)
    return names[first:] + names[:first]


class Memory:
    """What a variant's steps need beside everybody's weights, in GB.

    What a first step leaves behind is the variant's own. It lies there before every later step, where the difference
    between before and during does not show it.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.kept: float | None = None
        self.beside_weights = 0.0

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Around a step. Before the first one the variant has forgotten every other shot."""
        before = self._meter.start()
        yield
        if self.kept is None:
            self.kept = self._meter.allocated() - before
            return  # its peak has what only a first step needs: room in which libraries try their kernels
        self.beside_weights = self._meter.peak() - before + self.kept


def forget(transformer: Any) -> None:
    """What one of ours keeps of another shot would lie there before the first step of this one."""
    if isinstance(transformer, AcceleratedTransformer):
        transformer.forget()


def profile_part(variants: Variants, shot: Shot) -> Found:
    """Milliseconds of one forward by groups of kernels, and the names of the attention kernels that ran."""
    from torch.profiler import ProfilerActivity, profile

    found: Found = {}
    for name, transformer in variants.items():
        with attempt(found, name):
            with profile(activities=[ProfilerActivity.CUDA]) as recorded:
                transformer(**shot.with_text)
                torch.cuda.synchronize()
            times = {event.key: event.self_device_time_total / 1000 for event in recorded.key_averages()}
            groups: dict[str, float] = {}
            for kernel, milliseconds in times.items():
                groups[group_of(kernel)] = groups.get(group_of(kernel), 0.0) + milliseconds
            largest = sorted(times, key=lambda key: -times[key])[:14]
            shown: dict[str, float] = {}
            for kernel in largest:  # some differ only at the end of a long name
                shown[kernel[:110]] = round(shown.get(kernel[:110], 0.0) + times[kernel], 1)
            found[name] = {
                "ms": {group: round(ms, 1) for group, ms in sorted(groups.items(), key=lambda item: -item[1])},
                "attention kernels": sorted({k[:140] for k in times if group_of(k) == GROUPS[0][0]}),
                "largest": shown,
            }
    return found


def group_of(kernel: str) -> str:
    for group, parts in GROUPS:
        if any(kernel.startswith(part) if part.startswith("_") else part in kernel.lower() for part in parts):
            return group
    return "everything else"


class attempt:  # noqa: N801 - reads as what it does
    """A failing variant is reported; the others go on: time on the device is short."""

    def __init__(self, found: Found, name: str) -> None:
        self._found, self._name = found, name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, fault: BaseException | None, trace: Any) -> bool:
        if fault is None or not isinstance(fault, Exception):
            return False
        self._found[self._name] = {"failed": f"{type(fault).__name__}: {fault}"[:600]}
        traceback.print_exception(fault, limit=-4, file=sys.stdout)
        release()
        return True


def release() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def variants_of(stock: Any, setting: Setting, names: tuple[str, ...]) -> tuple[Variants, Found]:
    """The transformers to compare, and what kept others from being made. All share the weights of bfloat16."""
    makers = {"stock": lambda: stock, **makers_of(stock, setting)}
    made: Variants = {}
    failures: Found = {}
    for name in names:
        with attempt(failures, name):
            made[name] = makers[name]()
        release()
    return made, failures


def makers_of(stock: Any, setting: Setting) -> dict[str, Callable[[], Any]]:
    """What makes each of the others."""
    if setting.device.type != "cuda":
        return {"exact": lambda: reference(copy.deepcopy(stock), EXACT)}
    from benchmarks.engine.compiled import KEYS_AND_VALUES_OF_SHOT, compiled, in_float8, sharing_weights

    device = setting.device
    kernel = attention.FLASH_3 if attention.runs_flash3(device) else attention.CUDNN
    return {
        "compiled": lambda: compiled(sharing_weights(stock), device),
        "exact": lambda: accelerated(stock, Precision.LOADED, device, kernel),
        "compiled-float8": lambda: compiled(in_float8(sharing_weights(stock)), device),
        "compiled-float8-as-fast": lambda: compiled(
            in_float8(sharing_weights(stock), leaves=KEYS_AND_VALUES_OF_SHOT), device
        ),
        "compiled-float8-tuned": lambda: compiled(in_float8(sharing_weights(stock), is_tuned=True), device),
        "fast": lambda: accelerated(copy.deepcopy(stock), Precision.FLOAT8, device, kernel),  # which uses its own up
        "fast-exact-attention": lambda: accelerated(
            copy.deepcopy(stock), Precision.FLOAT8, device, kernel, attending=Precision.LOADED
        ),
        "fast-exact-attention-sdpa": lambda: accelerated(
            copy.deepcopy(stock), Precision.FLOAT8, device, attention.CUDNN, attending=Precision.LOADED
        ),
        "fast-8-bit-weights": lambda: accelerated(copy.deepcopy(stock), Precision.STORED, device, kernel),
    }


def measured(setting: Setting, asked: argparse.Namespace) -> Iterator[tuple[str, Found]]:
    yield "machine", {**machine_facts(setting), "model": asked.model}
    parts = asked.parts
    if "operations" in parts:
        yield "first use", first_use(setting)
        yield "operations", operations_part(setting)
        release()
    if "attention" in parts:
        yield "attention", attention_part(setting)
        release()
    if not {"errors", "steps", "profile", "720p"} & set(parts):
        return
    form, dtype = form_of(BY_NAME[asked.model], is_tiny=setting.is_tiny), weights_of(is_tiny=setting.is_tiny)
    stock = make_transformer(form, setting.device, dtype)
    config = form.transformer

    def shot(frames: int, height: int, width: int) -> Shot:
        return shot_of(config, setting, (frames, height // 8, width // 8), dtype)

    height, width, frames = (48, 64, 3) if setting.is_tiny else (480, 832, 21)
    short = shot(max(frames // 4, 1), height, width)
    wanted = in_float32(stock, short) if "errors" in parts else None
    stock(**short.with_text)  # with the first product cuBLAS takes memory, which is nobody's
    names = ("stock", "exact") if setting.is_tiny else asked.variants
    variants, failures = variants_of(stock, setting, names)
    if failures:
        yield "variants that could not be made", failures
    if wanted is not None:
        yield "errors, 832x480x17", errors_part(variants, wanted, short, setting)
    if "steps" in parts:
        yield "steps, 832x480x81", steps_part(variants, shot(frames, height, width), setting, asked.rounds)
    if "profile" in parts and setting.device.type == "cuda":
        yield "profile, 832x480x81", profile_part(variants, shot(frames, height, width))
    if "720p" in parts and not setting.is_tiny:
        release()
        yield "steps, 1280x720x81", steps_part(variants, shot(frames, 720, 1280), setting, asked.rounds_720p)


def first_use(setting: Setting) -> Found:
    """Seconds until the fused kernels are compiled, or read from Triton's cache, and found right."""
    if setting.is_tiny:
        return {}
    found: Found = {}
    for linears in Precision:
        before = time.perf_counter()
        wrong = self_check.wrong_operations(fused_operations(), 5120, 40, linears, setting.device)
        found[linears.value] = {"wrong": wrong, "s": time.perf_counter() - before}
    return found


def machine_facts(setting: Setting) -> Found:
    name = torch.cuda.get_device_name(setting.device) if setting.device.type == "cuda" else "cpu"
    return {"device": name, **attention.versions(), "torchao": torchao_version()}


def torchao_version() -> str:
    try:
        return version("torchao")
    except PackageNotFoundError:
        return "none"


def main() -> None:
    programs = parser(__doc__)
    programs.add_argument("--parts", type=some_of(PARTS), default=PARTS)
    programs.add_argument("--variants", type=some_of(VARIANTS + ALONE), default=VARIANTS)
    programs.add_argument("--model", choices=MODELS, default=FLF2V_14B.name)
    programs.add_argument("--rounds", type=int, default=5)
    programs.add_argument("--rounds-720p", type=int, default=2)
    asked = programs.parse_args()
    hold_memory_in_growing_segments()  # as a device process does
    setting = Setting(torch.device("cpu" if asked.tiny else "cuda:0"))
    results: Found = {}
    began = time.monotonic()
    with torch.no_grad():
        for name, found in measured(setting, asked):
            results[name] = found
            print(f"--- {name}, at {time.monotonic() - began:.0f} s\n{json.dumps(found, indent=1)}", flush=True)
            write(results, asked.json)


if __name__ == "__main__":
    main()
