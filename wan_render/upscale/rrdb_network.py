"""The network of realesrgan-x4plus: dense blocks at the size of the input, then two doublings.

Structure: RRDBNet of BasicSR (XPixelGroup/BasicSR, basicsr/archs/rrdbnet_arch.py, Apache-2.0), as ESRGAN introduced it.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from wan_render.upscale.seamless_tiles import in_tiles

SCALE = 4

REACH = 2
"""Pixels of the input: convolutions of 3x3 at twice the size, and three at four times it, see 1/2 + 3/4."""

MOST_TILE_PIXELS = 400 * 240
"""Of a tile, in pixels of the input. Its features take 0.4 GB in float32, three times at most."""

_FEATURES, _GROWTH, _RESIDUAL, _SLOPE = 64, 32, 0.2, 0.2


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def _rectified(features: torch.Tensor) -> torch.Tensor:
    return functional.leaky_relu(features, _SLOPE, inplace=True)


class _DenseBlock(nn.Module):
    """Five convolutions; each sees the results of all before it."""

    def __init__(self) -> None:
        super().__init__()
        self.growing = nn.ModuleList(_convolution(_FEATURES + _GROWTH * at, _GROWTH) for at in range(4))
        self.last = _convolution(_FEATURES + _GROWTH * 4, _FEATURES)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        seen = features
        for convolution in self.growing:
            seen = torch.cat((seen, _rectified(convolution(seen))), 1)
        result: torch.Tensor = features + self.last(seen) * _RESIDUAL
        return result


class _ResidualBlock(nn.Module):
    """Three dense blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.Sequential(_DenseBlock(), _DenseBlock(), _DenseBlock())

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = features + self.blocks(features) * _RESIDUAL
        return result


class RrdbNetwork(nn.Module):
    """Pictures (n, 3, height, width), 0 to 1 → the same at SCALE times the size.

    Its body sees 350 pixels far, but its features have the size of the input and are computed as a whole. Only the end,
    whose features are SCALE times as large, is computed in tiles (see seamless_tiles). It sees REACH pixels far.
    """

    def __init__(self, blocks: int) -> None:
        super().__init__()
        self.first = _convolution(3, _FEATURES)
        self.body = nn.Sequential(*(_ResidualBlock() for _ in range(blocks)))
        self.after_body = _convolution(_FEATURES, _FEATURES)
        self.doubling = nn.ModuleList((_convolution(_FEATURES, _FEATURES), _convolution(_FEATURES, _FEATURES)))
        self.fine = _convolution(_FEATURES, _FEATURES)
        self.last = _convolution(_FEATURES, 3)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """pictures: float32. The layers may have less precision, except the last: it gives the picture itself."""
        features = self.first(pictures.to(self.first.weight.dtype))
        features = features + self.after_body(self.body(features))
        return in_tiles(self._enlarged, features, scale=SCALE, reach=REACH, most_pixels=MOST_TILE_PIXELS)

    def _enlarged(self, features: torch.Tensor) -> torch.Tensor:
        for convolution in self.doubling:
            features = _rectified(convolution(functional.interpolate(features, scale_factor=2, mode="nearest")))
        features = _rectified(self.fine(features))
        result: torch.Tensor = self.last(features.to(self.last.weight.dtype))
        return result
