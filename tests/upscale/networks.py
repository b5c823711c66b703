"""Networks with random weights, and their files in the format of ncnn."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from wan_render.upscale.compact_network import CompactNetwork
from wan_render.upscaling import Upscaling
from wan_render.wheel_weights import REALESRGAN, WheelFile


def random_network(seed: int = 1) -> CompactNetwork:
    """The network of the weights `video`. What it adds is a few levels, as that of a trained network."""
    torch.manual_seed(seed)
    network = CompactNetwork().eval()
    with torch.no_grad():
        parts(network)[-1].weight.mul_(10)  # type: ignore[operator]
    return network


def parts(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.PReLU)]


def ncnn_bytes(network: nn.Module, *, half: bool) -> bytes:
    """As ncnn stores it: flags before convolutions, float16 padded to four bytes, biases and slopes in float32."""
    found = bytearray()
    for layer in parts(network):
        weight = layer.weight.detach().numpy().ravel()  # type: ignore[operator]
        if isinstance(layer, nn.PReLU):
            found += weight.astype("<f4").tobytes()
            continue
        assert isinstance(layer, nn.Conv2d)
        assert layer.bias is not None
        stored = weight.astype("<f2" if half else "<f4").tobytes()
        found += (0x01306B47 if half else 0).to_bytes(4, "little") + stored + bytes(-len(stored) % 4)
        found += layer.bias.detach().numpy().astype("<f4").tobytes()
    return bytes(found)


def published(folder: Path, patch: pytest.MonkeyPatch) -> Upscaling:
    """A folder of weights with `video`, and its value. Here the published file is one of random weights."""
    content = ncnn_bytes(random_network(), half=True)
    file = WheelFile(REALESRGAN.files["video"].path, hashlib.sha256(content).hexdigest(), len(content))
    patch.setitem(REALESRGAN.files, "video", file)
    home = REALESRGAN.folder(folder)
    home.mkdir(parents=True)
    for other in (REALESRGAN.files["photo"], REALESRGAN.files["anime"]):
        with (home / other.name).open("wb") as stream:
            stream.truncate(other.bytes)  # sparse: nobody reads them
    (home / file.name).write_bytes(content)
    return Upscaling("realesrgan", file.sha256)


def picture(height: int = 24, width: int = 32, seed: int = 1) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A soft random picture, (height, width, 3)."""
    import cv2

    noise = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.uint8)
