"""Finds the fastest exact attention kernel for a device and a shape. Measurements are cached."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch

from wan_render.backends.wan.kernels.attention import BY_NAME, SDPA, Kernel, candidates, versions
from wan_render.facts import FactCache
from wan_render.keys import content_key
from wan_render.printable import logger

_log = logger(__name__)

MEASURED = "attention/1"
"""The kind of the cached facts."""

REPEATS = 3

ALLOWED = 0.02
"""The largest relative error of an exact kernel in bfloat16 against float32. About 0.004 is usual."""


@dataclass(frozen=True)
class Shape:
    """The shape of one attention: tokens of queries and keys, heads, features of a head."""

    tokens: int
    heads: int
    features: int


Timer = Callable[[Kernel, Shape, torch.device], float]
"""Seconds of one attention by a kernel. Raises RuntimeError if it does not support the shape."""


def fastest(shape: Shape, device: torch.device, cache: FactCache, timer: Timer | None = None) -> Kernel:
    """The fastest kernel for a shape on a device: measured, or cached from a measurement with the same versions."""
    here = candidates(device)
    if len(here) == 1:
        return here[0]
    digest = content_key(
        MEASURED, {**versions(), "device": _name(device), "shape": repr(shape), "of": [k.name for k in here]}
    )
    if isinstance(known := cache.get(MEASURED, digest), str) and known in {kernel.name for kernel in here}:
        return BY_NAME[known]
    seconds = _measured(here, shape, device, timer or time_kernel)
    best = min(seconds, key=lambda name: seconds[name])
    times = ", ".join(f"{name} {1000 * time:.1f} ms" for name, time in seconds.items())
    _log.info("attention at %d tokens: %s: %s", shape.tokens, best, times)
    cache.put(MEASURED, digest, best)
    return BY_NAME[best]


def time_kernel(kernel: Kernel, shape: Shape, device: torch.device) -> float:
    """The median seconds of a few runs on random numbers. Raises RuntimeError if the kernel's results are wrong."""
    few = [torch.randn(1, 1024, shape.heads, shape.features, device=device, dtype=torch.bfloat16) for _ in range(3)]
    wanted = SDPA.attend(few[0].float(), few[1].float(), few[2].float())
    error = float((kernel.attend(few[0], few[1], few[2]).float() - wanted).norm() / wanted.norm())
    if not error < ALLOWED:
        raise RuntimeError(f"its results are off by {error:.3f}")
    size = (1, shape.tokens, shape.heads, shape.features)
    query, key, value = (torch.randn(size, device=device, dtype=torch.bfloat16) for _ in range(3))
    kernel.attend(query, key, value)
    times = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        kernel.attend(query, key, value)
        end.record()
        end.synchronize()
        times.append(float(begin.elapsed_time(end)) / 1000)
    return statistics.median(times)


def _measured(here: tuple[Kernel, ...], shape: Shape, device: torch.device, timer: Timer) -> dict[str, float]:
    """Seconds of every kernel that supports the shape. The first one always does."""
    found: dict[str, float] = {}
    for kernel in here:
        try:
            found[kernel.name] = timer(kernel, shape, device)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as fault:  # cuDNN and others raise it for unsupported shapes
            _log.info("attention by %s does not support %s: %s", kernel.name, shape, str(fault).splitlines()[0])
    return found or {here[0].name: 0.0}


def _name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
