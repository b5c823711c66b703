"""Steady detail: where a picture stands still, the detail that a network adds changes only slowly.

A network decides about every frame alone, so its detail flickers where nothing moves. Detail is what the network's
picture has and Lanczos's lacks. Where the source stands still, the detail of a frame is blended with that of the frame
before. Where it moves, nothing is blended, so nothing trails.
"""

from __future__ import annotations

import torch
from torch.nn import functional

KEPT = 0.95
"""The share of the former detail where a picture stands perfectly still."""

STILL, MOVING = 2 / 255, 6 / 255
"""Mean change around a pixel, from one frame of the source to the next: below the first it stands still, above the
second it moves. In between, the share falls linearly."""

AROUND = 5
"""The side of the square, in pixels of the source, over which change is averaged. Noise is in every pixel."""


class DetailDamping:
    """Damps the detail of one take, frame after frame."""

    def __init__(self, kept: float = KEPT) -> None:
        self._kept = kept
        self._source: torch.Tensor | None = None
        self._detail: torch.Tensor | None = None

    def damped(self, source: torch.Tensor, detail: torch.Tensor) -> torch.Tensor:
        """The detail of the next frame, steadied.

        source: (3, height, width), 0 to 1. detail: (3, height, width) of another size.
        """
        if self._source is not None and self._detail is not None:
            share = self._kept * stillness(self._source, source, tuple(detail.shape[1:]))
            detail = torch.lerp(detail, self._detail, share)
        self._source, self._detail = source, detail
        return detail


def stillness(before: torch.Tensor, after: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """How still each pixel stands between two pictures (3, height, width): 1 still, 0 moving, as (1, *size).

    Something that moves also ends the stillness of its surroundings.
    """
    change = (after - before).abs().amax(0, keepdim=True)[None]
    mean = functional.avg_pool2d(change, AROUND, stride=1, padding=AROUND // 2, count_include_pad=False)
    widest = functional.max_pool2d(mean, AROUND, stride=1, padding=AROUND // 2)
    still = ((MOVING - widest) / (MOVING - STILL)).clamp(0, 1)
    return functional.interpolate(still, size, mode="bilinear", align_corners=False)[0]
