"""Finds the fastest launches of the fused kernels on a device. Measured once, at first use; then they are cached."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import torch

from wan_render.backends.wan.kernels.attention import versions
from wan_render.backends.wan.kernels.launches import CHOICES, UNPACKED_CHOICES, USUAL, Launches
from wan_render.backends.wan.kernels.operations import HeadScales, Operations
from wan_render.backends.wan.kernels.rows import FLOAT8
from wan_render.backends.wan.profiles.render_profile import Precision
from wan_render.facts import FactCache
from wan_render.keys import content_key
from wan_render.printable import logger

_log = logger(__name__)

MEASURED = "launches/1"
"""The kind of the cached facts."""

TOKENS = 8192
"""Enough that a tensor of 5,120 features is larger than any cache."""
REPEATS = 7
GAIN = 0.98
"""Another launch is chosen if it takes at most this share of the usual one's time: less is noise."""

Work = Callable[[], object]
Timer = Callable[[Work], float]
"""Seconds of a piece of work on the device."""
Make = Callable[[Launches], Operations]


def fastest_launches(
    width: int, heads: int, linears: Precision, device: torch.device, cache: FactCache, make: Make, timer: Timer
) -> Launches:
    """The fastest launches for a transformer of this width, whose linear layers have this precision. make: the
    operations with given launches. A launch that fails is not chosen."""
    names = _used(linears)
    if not names:
        return USUAL
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    digest = content_key(MEASURED, {**versions(), "device": name, "width": width, "of": list(names)})
    if (known := _read(cache.get(MEASURED, digest))) is not None:
        return known
    found = USUAL
    for field, choices in names.items():
        best = _fastest(field, choices, width, heads, device, make, timer)
        found = replace(found, **{field: best})
    if found != USUAL:
        _log.info(
            "kernels tuned for %s: %s", name, ", ".join(f"{k} {v} numbers a warp" for k, v in asdict(found).items())
        )
    cache.put(MEASURED, digest, asdict(found))
    return found


def seconds_on_device(work: Work) -> float:
    """The median seconds of some runs on the current CUDA device, after one that compiles."""
    work()
    times = []
    for _ in range(REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        begin.record()
        work()
        end.record()
        end.synchronize()
        times.append(float(begin.elapsed_time(end)) / 1000)
    return statistics.median(times)


def _used(linears: Precision) -> dict[str, tuple[int, ...]]:
    """The choices of the launches that a precision uses."""
    match linears:
        case Precision.FLOAT8:
            return {"rows": CHOICES, "head_float8": CHOICES}
        case Precision.STORED:
            return {"unpacked": UNPACKED_CHOICES}
    return {}


def _read(fact: Any) -> Launches | None:
    try:
        return Launches(**fact)
    except TypeError:  # nothing is cached, or what another version has cached
        return None


def _fastest(
    field: str, choices: tuple[int, ...], width: int, heads: int, device: torch.device, make: Make, timer: Timer
) -> int:
    usual: int = getattr(USUAL, field)
    times = dict(_times(field, choices, width, heads, device, make, timer))
    best = min(times, key=lambda choice: times[choice], default=usual)
    return best if usual not in times or times[best] <= GAIN * times[usual] else usual


def _times(
    field: str, choices: tuple[int, ...], width: int, heads: int, device: torch.device, make: Make, timer: Timer
) -> Iterator[tuple[int, float]]:
    works = _works(width, heads, device)
    for choice in choices:
        try:
            operations = make(replace(USUAL, **{field: choice}))
            yield choice, timer(lambda operations=operations: works[field](operations))  # type: ignore[misc]
        except torch.OutOfMemoryError:
            raise
        except Exception as fault:  # noqa: BLE001 - part of the backend's seam: Triton's compiler raises classes of its own
            _log.info("%s with %d numbers a warp cannot be run here: %s", field, choice, fault)


def _works(width: int, heads: int, device: torch.device) -> dict[str, Callable[[Operations], object]]:
    numbers = torch.randn(TOKENS, width, device=device, dtype=torch.bfloat16)
    to = HeadScales(torch.zeros(width, device=device), torch.ones(heads, device=device))
    stored, scales = numbers.to(FLOAT8), torch.ones(TOKENS, 1, device=device, dtype=torch.bfloat16)
    return {
        "rows": lambda operations: operations.gelu_rows(numbers),
        "head_float8": lambda operations: operations.head_float8(numbers, to),
        "unpacked": lambda operations: operations.unpacked(stored, scales),
    }
