"""Weights in the format of ncnn (`.bin`): the parameters of one layer after the other, without names or shapes.

Source: ncnn's modelbin.cpp. A convolution begins with a flag. 0x01306B47: float16 weights, padded to 4 bytes; 0:
float32 weights. Its float32 bias follows. The slopes of a PReLU are float32, without a flag.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from wan_render.errors import Problem, WeightsError

_HALF, _FULL = 0x01306B47, 0


class _Reader:
    """Reads a file from its beginning. Raises WeightsError if it is too short."""

    def __init__(self, file: Path) -> None:
        self._file, self._bytes, self._at = file, file.read_bytes(), 0

    def take(self, count: int) -> bytes:
        """The next bytes."""
        taken = self._bytes[self._at : self._at + count]
        if len(taken) < count:
            raise self.wrong(f"ends after {len(self._bytes):,} bytes")
        self._at += count
        return taken

    def floats(self, count: int) -> torch.Tensor:
        """The next float32 values."""
        return torch.from_numpy(np.frombuffer(self.take(4 * count), "<f4").copy())

    def flagged(self, count: int) -> torch.Tensor:
        """The next weights of a convolution, as float32."""
        flag = int.from_bytes(self.take(4), "little")
        if flag == _FULL:
            return self.floats(count)
        if flag != _HALF:
            raise self.wrong(f"has weights of an unknown kind ({flag:#010x})")
        halves = np.frombuffer(self.take((2 * count + 3) // 4 * 4), "<f2", count)
        return torch.from_numpy(halves.astype(np.float32))

    def end(self) -> None:
        """Raises WeightsError if bytes are left."""
        if self._at != len(self._bytes):
            raise self.wrong(f"has {len(self._bytes) - self._at:,} bytes too many")

    def wrong(self, found: str) -> WeightsError:
        """The file is not what was expected."""
        return WeightsError(Problem(str(self._file), found, remedy="pull it again: wan-render models pull realesrgan"))


@torch.no_grad()
def load_ncnn(file: Path, layers: Iterable[nn.Module]) -> None:
    """Fill convolutions and PReLUs, in the order in which the network computes them. Raises WeightsError, OSError."""
    reader = _Reader(file)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            layer.weight.copy_(reader.flagged(layer.weight.numel()).view_as(layer.weight))
            if layer.bias is not None:
                layer.bias.copy_(reader.floats(layer.bias.numel()))
        elif isinstance(layer, nn.PReLU):
            layer.weight.copy_(reader.floats(layer.weight.numel()))
    reader.end()
