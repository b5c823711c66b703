"""How far frames are from others: uint8 of equal shape (frames, height, width, 3)."""

from __future__ import annotations

import numpy as np
import torch

from wan_render.render_values import Pixels


def largest(one: Pixels, other: Pixels) -> int:
    """Of 255."""
    return int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max())


def psnr(one: Pixels, other: Pixels) -> float:
    """Decibels; infinite for equal frames."""
    error = np.square(one.astype(np.float32) - other.astype(np.float32)).mean()
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def ssim(one: Pixels, other: Pixels) -> float:
    """Structural similarity of the frames' means over colours, in windows of 8x8 (Wang et al. 2004, flat windows)."""
    x, y = (torch.from_numpy(part).float().mean(dim=-1).unsqueeze(1) for part in (one, other))

    def mean(of: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(of, 8, 4)

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    found = (2 * mx * my + c1) * (2 * cov + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(found.mean())
