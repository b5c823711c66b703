"""Films under test: small ones, and ones that take a while."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def write_film(folder: Path, shots: int = 2, raster: str = "64x64") -> Path:
    """A storyboard of its own pictures; its shots, each a second long, are called 1/010, 1/020, …"""
    width, height = map(int, raster.split("x"))
    pictures = folder / "keyframes"
    pictures.mkdir(parents=True)
    noise = np.random.default_rng(list(folder.name.encode()))
    for number in range(shots + 1):
        coarse = noise.integers(0, 255, (max(height // 8, 4), max(width // 8, 4), 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((width, height)).save(pictures / f"k{number}.png")
    lines = [
        "version: 1",
        f"film: {{title: {folder.name}, raster: {raster}, deliver: 96x96}}",
        "defaults: {duration: 1s, render: {seed: 5}}",
        "keyframes: keyframes/",
        "shots:",
        *(f"  - {{from: k{number}, to: k{number + 1}, action: moves on}}" for number in range(shots)),
    ]
    storyboard = folder / "storyboard.yaml"
    storyboard.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return storyboard


def write_slow_film(folder: Path, shots: int = 12) -> Path:
    """One that takes long enough to look for its processes and to end them. With fewer shots, it also ends soon."""
    return write_film(folder, shots, raster="416x240")
