"""The network of realesr-animevideov3: convolutions at the size of the input, enlarged once at the end.

Structure: SRVGGNetCompact of Real-ESRGAN (xinntao/Real-ESRGAN, realesrgan/archs/srvgg_arch.py, BSD-3-Clause).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SCALE = 4


class CompactNetwork(nn.Module):
    """Pictures (n, 3, height, width), 0 to 1 → the same at SCALE times the size.

    It computes what nearest-neighbour enlargement lacks. So it needs little memory, and no tiles: every feature has the
    size of the input.
    """

    def __init__(self, features: int = 64, inner: int = 16) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(inner):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(features, 3 * SCALE * SCALE, 3, padding=1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """pictures: float32. The layers may have less precision; the sum is float32 as well."""
        lacking = self.layers(pictures.to(next(self.layers.parameters()).dtype))
        enlarged = functional.interpolate(pictures, scale_factor=SCALE, mode="nearest")
        return functional.pixel_shuffle(lacking, SCALE).float() + enlarged
