"""Frames of one take → frames at the delivery's size, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from wan_render.errors import MachineError, Problem
from wan_render.media.geometry import Placement, Window
from wan_render.render_values import Pixels
from wan_render.upscale.detail_damping import KEPT, DetailDamping
from wan_render.upscale.open_network import UpscalingNetwork
from wan_render.upscale.placed_picture import placed
from wan_render.upscale.resampling import enlarged, resampled


def upscaled_frames(
    frames: Iterable[Pixels], placement: Placement, network: UpscalingNetwork, strength: float, kept: float = KEPT
) -> Iterator[Pixels]:
    """frames: (height, width, 3) uint8 RGB at the raster, of one take in order. The results have the delivery's size,
    with black bars where the placement has them.

    strength: the network's share; the rest is Lanczos's. kept: see DetailDamping; 0 damps nothing.
    """
    damping = DetailDamping(0.0 if network.is_steady else kept)
    remaining, before = iter(frames), None
    while batch := list(islice(remaining, network.batch)):
        now = _started(batch, placement, network, strength, damping)
        if before is not None:
            yield from _fetched(before, placement)
        before = now
    if before is not None:
        yield from _fetched(before, placement)


@dataclass(frozen=True)
class _Started:
    """Pictures that the device computes while others are fetched: in host memory once `is_there` has happened."""

    pixels: torch.Tensor
    is_finite: torch.Tensor
    is_there: torch.cuda.Event | None


@torch.inference_mode()
def _started(
    batch: list[Pixels], placement: Placement, network: UpscalingNetwork, strength: float, damping: DetailDamping
) -> _Started:
    source = _tensor(batch, network.device)
    size = (placement.scaled.size.height, placement.scaled.size.width)
    window = placement.source
    shown = _cropped(source, window, 1)
    plain = enlarged(shown, size)
    made = network.compute(source)
    is_finite = made.isfinite().all()
    detail = resampled(_cropped(made, window, network.scale), size).clamp_(0, 1).sub_(plain)
    for at in range(len(batch)):
        plain[at].add_(damping.damped(shown[at], detail[at]), alpha=strength)
    pixels = plain.clamp_(0, 1).mul_(255).round_().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    if network.device.type != "cuda":
        return _Started(pixels, is_finite, None)
    host, is_finite = _to_host(pixels), _to_host(is_finite)  # asked of the GPU later, it would wait for the next batch
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch publishes no types for it
    event.record()
    return _Started(host, is_finite, event)


def _to_host(values: torch.Tensor) -> torch.Tensor:
    """A copy in host memory that is begun, but not awaited."""
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return host.copy_(values, non_blocking=True)


def _fetched(started: _Started, placement: Placement) -> list[Pixels]:
    if started.is_there is not None:
        started.is_there.synchronize()
    if not started.is_finite:
        found = "the network gave values that are no numbers"
        raise MachineError(Problem("upscaling", found, remedy="use other weights, or upscale: lanczos"))
    return [placed(picture, placement) for picture in started.pixels.numpy()]


def _tensor(batch: list[Pixels], device: torch.device) -> torch.Tensor:
    """(n, 3, height, width) float32, 0 to 1, channels last."""
    stacked = torch.from_numpy(np.stack(batch)).to(device, non_blocking=True)
    return stacked.permute(0, 3, 1, 2).float().div_(255)


def _cropped(pictures: torch.Tensor, window: Window, scale: int) -> torch.Tensor:
    top, left = window.top * scale, window.left * scale
    height, width = window.size.height * scale, window.size.width * scale
    return pictures[:, :, top : top + height, left : left + width]
