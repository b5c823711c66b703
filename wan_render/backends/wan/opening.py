"""From a model's card to a renderer on a device."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

from wan_render.backend_contract import Renderer
from wan_render.backends.wan.checkpoint.checkpoint_folder import Checkpoint, read_checkpoint
from wan_render.backends.wan.checkpoint.location import download_command, missing_packages, resolved, weights_folder
from wan_render.backends.wan.profiles.ability import KINDS
from wan_render.errors import InputError, MachineError, Problem, WeightsError
from wan_render.model_card import ModelCard
from wan_render.model_family import WEIGHTS_FACT
from wan_render.render_values import Device, Listen, Phase, Progress, Workspace

ALLOCATOR_SETTINGS = ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF")
"""torch's variables: the name that all versions read, and the newer one."""


def open_renderer(card: ModelCard, device: Device, listen: Listen, workspace: Workspace) -> Renderer:
    """A renderer for a model on this machine. Raises WeightsError, DeviceError, MachineError."""
    listen(Progress(Phase.LOADING))
    if device.kind not in KINDS:
        raise MachineError(Problem(device.name, "unsupported device type", f"allowed: {', '.join(KINDS)}"))
    if (problem := missing_packages()) is not None:
        raise MachineError(problem)
    folder = weights_folder(card)
    if folder is None:
        raise WeightsError(Problem(card.name, "its weights are not on this machine", remedy=download_command(card)))
    return _renderer(card, _whole_checkpoint(folder), device, workspace)


def _whole_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in a folder. The user's input was accepted before, so errors now are WeightsErrors."""
    try:
        return read_checkpoint(folder)
    except InputError as fault:
        raise WeightsError(*fault.problems) from None


def _renderer(card: ModelCard, checkpoint: Checkpoint, device: Device, workspace: Workspace) -> Renderer:
    from wan_render.backends.wan.translation import translated

    hold_memory_in_growing_segments()
    with translated(f"{card.name} on {device.name}"):
        import torch

        from wan_render.backends.wan.checkpoint.loading import EXACT, without_bars
        from wan_render.backends.wan.checkpoint.sparse_loading import SparseLinearLoader
        from wan_render.backends.wan.renderer import WanRenderer

        without_bars()
        place = torch.device(torch_device_name(device))
        torch.zeros(1, device=place)  # an unusable device fails here, before anything is loaded
        loader = SparseLinearLoader(checkpoint, EXACT[device.kind])
        precision = {name: str(dtype).removeprefix("torch.") for name, dtype in asdict(loader.precision).items()}
        weights = {WEIGHTS_FACT: resolved(card, checkpoint.folder), **{f"{k} dtype": v for k, v in precision.items()}}
        return WanRenderer(card, loader, place, weights, workspace)


def torch_device_name(device: Device) -> str:
    """torch's name for a device. A process that sees only its own GPU calls it cuda:0."""
    is_pinned = bool(device.pin) and os.environ.get("CUDA_VISIBLE_DEVICES") == device.pin
    return "cuda:0" if device.kind == "cuda" and is_pinned else device.name.partition("@")[0]


def hold_memory_in_growing_segments() -> None:
    """Let torch's allocator use expandable segments, unless the user has configured it. Call it before the GPU is used.

    With fixed segments a decode after a denoising ran out of memory while 3.6 of 11.5 GB were reserved but unusable
    (measured on an H200, limited to 12 GB)."""
    if os.environ.keys().isdisjoint(ALLOCATOR_SETTINGS):
        os.environ[ALLOCATOR_SETTINGS[0]] = "expandable_segments:True"
