"""Networks that others published, through spandrel: it recognises the structure by the names of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from wan_render.errors import MachineError, Problem, WeightsError
from wan_render.settings import install_command
from wan_render.upscale.open_network import UpscalingNetwork
from wan_render.upscale.seamless_tiles import in_tiles

MOST_FOREIGN_PIXELS, FOREIGN_REACH = 1280 * 720, 64
"""A larger picture is computed in tiles. How far an unknown network sees is unknown, too: with 64 pixels around each
tile, seams are possible, but only in rasters above 720p."""


def open_foreign_network(file: Path, device: torch.device) -> UpscalingNetwork:
    """A network that enlarges RGB pictures. Nothing in the file is run: weights only.

    Raises MachineError without spandrel, WeightsError for a file that is no such network.
    """
    model = _described(file)
    if not (model.input_channels == model.output_channels == 3 and model.scale > 1):
        channels = f"{model.input_channels} to {model.output_channels} channels"
        found = f"is {model.architecture.name}, {channels}, x{model.scale}"
        raise WeightsError(Problem(str(file), found, "a network that enlarges RGB pictures"))
    is_half = device.type == "cuda" and model.supports_bfloat16
    precision = torch.bfloat16 if is_half else torch.float32
    network = model.model.eval().requires_grad_(requires_grad=False).to(device, precision)

    def compute(pictures: torch.Tensor) -> torch.Tensor:
        def enlarge(part: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = network(part.to(precision)).float()
            return result

        return in_tiles(enlarge, pictures, scale=model.scale, reach=FOREIGN_REACH, most_pixels=MOST_FOREIGN_PIXELS)

    return UpscalingNetwork(compute, model.scale, device)


def _described(file: Path) -> Any:
    """spandrel's description of the network."""
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError, canonicalize_state_dict
    except (ImportError, RuntimeError) as fault:  # a torchvision of another torch raises RuntimeError
        found = f"spandrel cannot be imported: {fault}"
        raise MachineError(Problem("film.upscale.model", found, remedy=install_command("upscale"))) from None
    try:
        weights = canonicalize_state_dict(_weights(file))
        model = ModelLoader("cpu").load_from_state_dict(weights)
    except UnsupportedModelError:
        raise WeightsError(Problem(str(file), "holds no network that spandrel knows")) from None
    except Exception as fault:  # a stranger's file: any byte of it may be wrong
        raise WeightsError(Problem(str(file), f"cannot be read: {type(fault).__name__}: {fault}")) from fault
    if not isinstance(model, ImageModelDescriptor):
        raise WeightsError(Problem(str(file), f"is {type(model).__name__}", "a network that enlarges RGB pictures"))
    return model


def _weights(file: Path) -> Any:
    """The tensors of a file, by name. A .pth is unpickled without running anything in it."""
    if file.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return load_file(file)
    return torch.load(file, map_location="cpu", weights_only=True)
