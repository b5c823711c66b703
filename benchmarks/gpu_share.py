"""How busy a GPU is while something runs, by torch's profiler."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class GpuShare:
    """busy: seconds of kernels and copies on the GPU. wall: seconds of the whole, while it was profiled."""

    busy: float
    wall: float


def gpu_share(work: Callable[[], object]) -> GpuShare:
    """Run it once. Everything is on one stream, so kernels do not overlap and their seconds add up."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as profiled:
        began = time.perf_counter()  # starting the profiler takes seconds the first time
        work()
        torch.cuda.synchronize()
        wall = time.perf_counter() - began
    return GpuShare(sum(event.self_device_time_total for event in profiled.key_averages()) / 1e6, wall)
