"""Lanczos enlargement of pictures on any device: what ffmpeg's scale computes, as tensors."""

from __future__ import annotations

from functools import cache

import torch
from torch.nn import functional

LOBES = 3
"""As ffmpeg's `lanczos`."""


def enlarged(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(n, channels, height, width) float → the same with `size` (height, width), which is no smaller."""
    height, width = size
    return _along(_along(pictures, 2, height), 3, width)


def resampled(pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """The same for any size, without aliasing: for pictures that a network made larger than needed."""
    if tuple(pictures.shape[2:]) == size:
        return pictures
    return functional.interpolate(pictures, size, mode="bicubic", antialias=True, align_corners=False)


def _along(pictures: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    if pictures.shape[axis] == length:
        return pictures
    indices, weights = _taps(pictures.shape[axis], length, pictures.device)
    shape = [1] * pictures.ndim
    shape[axis] = length
    total: torch.Tensor | None = None
    for index, weight in zip(indices, weights, strict=True):
        part = pictures.index_select(axis, index)
        total = part.mul_(weight.view(shape)) if total is None else total.addcmul_(part, weight.view(shape))
    assert total is not None, "a filter has taps"  # noqa: S101
    return total


@cache
def _taps(before: int, after: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """For every result, which inputs count and how much: two tensors (taps, after)."""
    centre = (torch.arange(after, dtype=torch.float64) + 0.5) * before / after - 0.5
    offsets = torch.arange(1 - LOBES, LOBES + 1, dtype=torch.float64)
    positions = centre.floor() + offsets[:, None]
    distance = positions - centre
    weights = torch.sinc(distance) * torch.sinc(distance / LOBES) * (distance.abs() < LOBES)
    weights = weights / weights.sum(0)
    indices = positions.clamp(0, before - 1).long()
    return indices.to(device), weights.float().to(device)
