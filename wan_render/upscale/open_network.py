"""Files of weights → networks on a device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from wan_render.errors import Problem, WeightsError
from wan_render.store.disk import file_digest
from wan_render.upscale.compact_network import CompactNetwork
from wan_render.upscale.ncnn_file import load_ncnn
from wan_render.upscale.rrdb_network import RrdbNetwork
from wan_render.upscaling import Upscaling
from wan_render.wheel_weights import REALESRGAN

_STRUCTURES: dict[str, Callable[[], CompactNetwork | RrdbNetwork]] = {
    "video": CompactNetwork,
    "photo": lambda: RrdbNetwork(23),
    "anime": lambda: RrdbNetwork(6),
}


@dataclass(frozen=True)
class UpscalingNetwork:
    """A network on its device.

    compute: float32 pictures (n, 3, height, width), 0 to 1 → float32 pictures at `scale` times the size.
    batch:   how many pictures it computes at a time. is_steady: whether it sees them as a video, so that its detail
             does not flicker.
    """

    compute: Callable[[torch.Tensor], torch.Tensor]
    scale: int
    device: torch.device
    batch: int = 1
    is_steady: bool = False


def open_network(upscaling: Upscaling, file: Path, device: torch.device, least_scale: float = 1.0) -> UpscalingNetwork:
    """Load weights. float16 on a GPU, float32 on a CPU; channels last.

    least_scale: how much larger the picture has to be, for networks that have a choice. Raises WeightsError if the file
    is not the one that the film was planned with, or cannot be read; MachineError if a library is missing.
    """
    try:
        if upscaling.method == "pipeline":
            from wan_render.upscale.video_pipeline import open_video_pipeline

            return open_video_pipeline(file, device, least_scale)
        if file_digest(file) != upscaling.weights:
            again = "run the same command again"
            raise WeightsError(Problem(str(file), "changed since the film was planned", remedy=again))
        if upscaling.method == "model":
            from wan_render.upscale.foreign_network import open_foreign_network

            return open_foreign_network(file, device)
        return _published(file, device)
    except OSError as error:
        raise WeightsError(Problem(str(file), f"cannot be read: {error.strerror}")) from error


def _published(file: Path, device: torch.device) -> UpscalingNetwork:
    name = next(name for name, known in REALESRGAN.files.items() if known.name == file.name)
    batch = BATCH if device.type == "cuda" and name == "video" else 1
    return UpscalingNetwork(loaded(name, file, device), 4, device, batch)


BATCH = 4
"""Pictures of the small network at a time: one alone does not fill a large GPU."""


def loaded(name: str, file: Path, device: torch.device, precision: torch.dtype | None = None) -> nn.Module:
    """One of Real-ESRGAN's networks, by its name in a storyboard, ready to compute.

    precision: of its layers; None for float16 on a GPU and float32 elsewhere. bfloat16 is as fast, but ten times as far
    from float32: up to 33 levels with `photo`, where float16 is off by up to 4 (benchmarks.upscaling precision).
    Raises WeightsError, OSError.
    """
    network = _STRUCTURES[name]()
    load_ncnn(file, [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.PReLU)])
    precision = precision or (torch.float16 if device.type == "cuda" else torch.float32)
    network.eval().requires_grad_(requires_grad=False)
    network.to(device, precision).to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch documents it
    if isinstance(network, RrdbNetwork):
        network.last.float()  # it gives the picture itself
    return network
