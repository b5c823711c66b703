"""A clip → the same frames at the delivery's size, as a lossless file. Streamed: few frames are in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from wan_render.errors import OutOfMemoryError, Problem
from wan_render.media.ahead import ahead
from wan_render.media.clip import read_frames, write_pictures
from wan_render.media.clip_coding import INTERMEDIATE_CODING
from wan_render.media.geometry import Placement
from wan_render.render_values import Pixels
from wan_render.upscaling import Upscaling

AHEAD = 8
"""Frames that are decoded ahead of the network, and upscaled ahead of the encoder."""


@dataclass(frozen=True)
class ClipToUpscale:
    """What a device process needs to upscale one clip.

    frames: [0, frames) of the clip. weights: the file of weights. target: where the result goes.
    """

    clip: Path
    frames: int
    rate: Fraction
    placement: Placement
    upscaling: Upscaling
    weights: Path
    target: Path


class ClipUpscaler:
    """Upscales clips on one device. The network stays loaded between clips that share it."""

    def __init__(self, device: str) -> None:
        """device: `cuda` or `cpu`, as torch names them in a process that sees only one GPU."""
        self._device = device
        self._loaded: tuple[Upscaling, Path] | None = None

    def upscale(self, job: ClipToUpscale, progress: Callable[[int, int], None]) -> None:
        """Write the target, atomically. progress: called with the frames done and their total.

        Raises WeightsError, MachineError for a clip that cannot be read, DiskError, OutOfMemoryError.
        """
        import torch

        try:
            self._upscale(job, progress)
        except torch.OutOfMemoryError as error:
            found = f"the {self._device} device has too little memory for upscaling: {str(error).splitlines()[0]}"
            raise OutOfMemoryError(Problem("upscaling", found, remedy="end other programs that use it")) from error

    def _upscale(self, job: ClipToUpscale, progress: Callable[[int, int], None]) -> None:
        import torch

        from wan_render.upscale.frame_upscaler import upscaled_frames
        from wan_render.upscale.open_network import open_network

        if self._loaded != (job.upscaling, job.weights):
            scale = job.placement.scaled.size.width / job.placement.source.size.width
            self._network = open_network(job.upscaling, job.weights, torch.device(self._device), scale)
            self._loaded = job.upscaling, job.weights
        with ahead(read_frames(job.clip, 0, job.frames), AHEAD) as source:
            made = upscaled_frames(source, job.placement, self._network, job.upscaling.strength)
            with ahead(made, AHEAD, are_read=False) as pictures:
                counted = _counted(pictures, job.frames, progress)
                write_pictures(job.target, counted, job.placement.delivery, job.rate, INTERMEDIATE_CODING)


def _counted(pictures: Iterator[Pixels], total: int, progress: Callable[[int, int], None]) -> Iterator[Pixels]:
    for done, picture in enumerate(pictures, start=1):
        yield picture
        progress(done, total)
