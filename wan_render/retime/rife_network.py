"""The network of RIFE 4.0: two pictures and a moment → the picture at that moment.

Structure: Huang et al. 2022, "Real-Time Intermediate Flow Estimation for Video Frame Interpolation", as published with
the weights of version 4.0 (github.com/hzwer/Practical-RIFE, MIT). Four blocks, from coarse to fine, each correct the
flow from the wanted moment to both pictures, and a mask that says which of them is seen. The refining networks that the
weights also contain were not used by the published inference, and are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import grid_sample, interpolate

from wan_render.errors import Problem, WeightsError

SCALES = (8, 4, 2, 1)
"""How much smaller than the pictures each block works."""

MULTIPLE = 32
"""Sides of the pictures: the coarsest block halves them twice more."""

_CHANNELS = (192, 128, 96, 64)
_NAMES = {"conv0": "down", "convblock": "body", "lastconv": "head"}
"""Names in the published weights, and here."""


class FlowBlock(nn.Module):
    """Corrects flow and mask at one scale."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.down = nn.Sequential(_layer(inputs, channels // 2, 2), _layer(channels // 2, channels, 2))
        self.body = nn.Sequential(*(_layer(channels, channels, 1) for _ in range(8)))
        self.head = nn.ConvTranspose2d(channels, 5, 4, 2, 1)

    def forward(self, seen: Tensor, flow: Tensor | None, scale: int) -> tuple[Tensor, Tensor]:
        """seen: (n, channels, height, width). flow: (n, 4, height, width), in pixels. Returns what is added to flow and
        mask, in float32."""
        small = _resized(seen, 1 / scale)
        if flow is not None:
            small = torch.cat((small, _resized(flow, 1 / scale) / scale), 1)
        small = small.to(self.head.weight.dtype)
        features = self.down(small)
        found = _resized(self.head(self.body(features) + features).float(), scale * 2)
        return found[:, :4] * (scale * 2), found[:, 4:5]


class RifeNetwork(nn.Module):
    """RIFE 4.0 without its refining networks."""

    def __init__(self) -> None:
        super().__init__()
        inputs = (7, 12, 12, 12)
        self.blocks = nn.ModuleList(FlowBlock(*each) for each in zip(inputs, _CHANNELS, strict=True))

    def forward(self, left: Tensor, right: Tensor, part: Tensor) -> Tensor:
        """left, right: float32 (n, 3, height, width), 0 to 1; sides are multiples of MULTIPLE. part: (n,), 0 to 1."""
        moment = part.view(-1, 1, 1, 1).expand(-1, 1, *left.shape[2:])
        flow, mask = self.blocks[0](torch.cat((left, right, moment), 1), None, SCALES[0])
        for block, scale in zip(self.blocks[1:], SCALES[1:], strict=True):
            seen = torch.cat((_warped(left, flow[:, :2]), _warped(right, flow[:, 2:]), moment, mask), 1)
            more_flow, more_mask = block(seen, flow, scale)
            flow, mask = flow + more_flow, mask + more_mask
        share = torch.sigmoid(mask)
        return _warped(left, flow[:, :2]) * share + _warped(right, flow[:, 2:]) * (1 - share)


def open_rife(file: Path, device: torch.device, precision: torch.dtype | None = None) -> RifeNetwork:
    """Load the published weights (flownet.pkl).

    precision: of the layers; None for float16 on a GPU and float32 elsewhere. Flow, warping and mixing are always
    float32. Raises WeightsError if the file is not these weights, OSError.
    """
    network = RifeNetwork()
    try:
        network.load_state_dict(_renamed(torch.load(file, map_location="cpu", weights_only=True)))
    except OSError:
        raise
    except Exception as error:  # torch's readers raise many kinds
        found = f"is not RIFE's weights: {type(error).__name__}"
        raise WeightsError(Problem(str(file), found, remedy="run: wan-render models pull rife")) from error
    precision = precision or (torch.float16 if device.type == "cuda" else torch.float32)
    network.eval().requires_grad_(requires_grad=False)
    return network.to(device, precision).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]  # torch documents it


def _renamed(published: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in published.items():
        block, _, rest = name.removeprefix("module.").partition(".")
        if block in ("block0", "block1", "block2", "block3"):
            part, _, layer = rest.partition(".")
            found[f"blocks.{block[-1]}.{_NAMES[part]}.{layer}"] = tensor
    return found


def _layer(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.PReLU(outputs))


def _resized(pictures: Tensor, scale: float) -> Tensor:
    return interpolate(pictures, scale_factor=scale, mode="bilinear", align_corners=False, recompute_scale_factor=False)


def _warped(pictures: Tensor, flow: Tensor) -> Tensor:
    """The pictures, sampled where the flow (n, 2, height, width; right and down, in pixels) leads from each pixel."""
    height, width = pictures.shape[2:]
    columns = torch.linspace(-1, 1, width, device=pictures.device)
    rows = torch.linspace(-1, 1, height, device=pictures.device)
    x = columns.view(1, 1, -1) + flow[:, 0] * (2 / (width - 1))
    y = rows.view(1, -1, 1) + flow[:, 1] * (2 / (height - 1))
    places = torch.stack((x, y), 3)
    return grid_sample(pictures, places, mode="bilinear", padding_mode="border", align_corners=True)
