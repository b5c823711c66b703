"""Pipelines of diffusers that enlarge a video as a whole: Kandinsky6SRPipeline.

Source of what it asks for: diffusers 0.42, pipelines/kandinsky6/pipeline_kandinsky6_sr.py. Tested with tiny random
weights; not run with the published ones.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional

from wan_render.errors import MachineError, Problem, WeightsError
from wan_render.settings import install_command
from wan_render.upscale.open_network import UpscalingNetwork

STEP = 4
"""A video has a multiple of it, and one frame more."""

MOST_FRAMES = 81
"""Of a video at a time. A longer take is cut into parts, each a video of its own."""

SEED = 0
"""Of the noise. It is the same for every take, so that a take becomes the same pictures again."""

DISTILLED_STEPS, STEPS = 2, 4
"""Denoising steps with the scheduler of the distilled checkpoints, and with others: the pipeline's own defaults."""


def open_video_pipeline(folder: Path, device: torch.device, least_scale: float) -> UpscalingNetwork:
    """The pipeline in a folder. Raises WeightsError if it cannot be loaded, MachineError without diffusers."""
    try:
        kind: Any = import_module("diffusers").Kandinsky6SRPipeline
    except ImportError as fault:
        raise MachineError(
            Problem("film.upscale.model", f"not installed: {fault.name}", remedy=install_command("wan"))
        ) from None
    precision = torch.bfloat16 if device.type == "cuda" else torch.float32
    try:
        pipeline = kind.from_pretrained(folder, dtype=precision, use_safetensors=True, local_files_only=True)
    except Exception as fault:  # a stranger's folder: anything in it may be wrong
        raise WeightsError(Problem(str(folder), f"cannot be loaded: {type(fault).__name__}: {fault}")) from fault
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    if device.type == "cuda":
        pipeline.transformer.compile_repeated_blocks(fullgraph=True)  # without, attention needs the square of memory
    scale = 2 if least_scale <= 2 else 4

    def compute(pictures: torch.Tensor) -> torch.Tensor:
        return _enlarged(pipeline, pictures, scale)

    return UpscalingNetwork(compute, scale, device, MOST_FRAMES, is_steady=True)


def _enlarged(pipeline: Any, pictures: torch.Tensor, scale: int) -> torch.Tensor:
    count = len(pictures)
    lacking = -(count - 1) % STEP
    video = torch.cat((pictures, pictures[-1:].expand(lacking, -1, -1, -1)))
    snap = pipeline.vae_scale_factor_spatial
    height, width = pictures.shape[2:]
    padded = functional.pad(video, (0, -width % snap, 0, -height % snap), mode="replicate")
    steps = DISTILLED_STEPS if "Piflow" in type(pipeline.scheduler).__name__ else STEPS
    generator = torch.Generator("cpu").manual_seed(SEED)
    made = pipeline(
        video=padded[None],
        resolution_scale=scale,
        num_inference_steps=steps,
        generator=generator,
        output_type="pt",
        return_dict=False,
    )[0]
    result: torch.Tensor = made[0, :count, :, : height * scale, : width * scale].float()
    return result
