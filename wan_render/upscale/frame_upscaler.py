"""Frames of one take → frames at the delivery's size, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import torch

from wan_render.errors import MachineError, Problem
from wan_render.gpu_transfer import Download, begun_download, uploaded
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


@torch.inference_mode()
def _started(
    batch: list[Pixels], placement: Placement, network: UpscalingNetwork, strength: float, damping: DetailDamping
) -> Download:
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
    return begun_download(pixels, is_finite)


def _fetched(download: Download, placement: Placement) -> list[Pixels]:
    pixels, is_finite = download.awaited()
    if not is_finite:
        found = "the network gave values that are no numbers"
        raise MachineError(Problem("upscaling", found, remedy="use other weights, or upscale: lanczos"))
    return [placed(picture, placement) for picture in pixels.numpy()]


def _tensor(batch: list[Pixels], device: torch.device) -> torch.Tensor:
    """(n, 3, height, width) float32, 0 to 1, channels last."""
    return uploaded(batch, device).permute(0, 3, 1, 2).float().div_(255)


def _cropped(pictures: torch.Tensor, window: Window, scale: int) -> torch.Tensor:
    top, left = window.top * scale, window.left * scale
    height, width = window.size.height * scale, window.size.width * scale
    return pictures[:, :, top : top + height, left : left + width]
