"""Compute a picture in tiles, with the same result as in one piece.

Each tile is computed with its surroundings, as far as a result depends on them, and only the tile itself is kept. What
is left is float rounding: a library may add up in another order for another size.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import ceil, sqrt

import torch


def in_tiles(
    compute: Callable[[torch.Tensor], torch.Tensor],
    pictures: torch.Tensor,
    *,
    scale: int,
    reach: int,
    most_pixels: int,
) -> torch.Tensor:
    """`compute(pictures)`, in tiles of at most about `most_pixels` pixels.

    compute:  (n, channels, height, width) → (n, other channels, scale x height, scale x width).
    reach:    how far a result depends on its surroundings, in pixels of the input.
    """
    count, _, height, width = pictures.shape
    if height * width <= most_pixels:
        return compute(pictures)
    side = sqrt(most_pixels)
    rows, columns = ceil(height / side), ceil(width / side)
    result: torch.Tensor | None = None
    for top, bottom in _parts(height, rows):
        for left, right in _parts(width, columns):
            above, before = max(0, top - reach), max(0, left - reach)
            tile = compute(pictures[:, :, above : bottom + reach, before : right + reach])
            if result is None:
                result = tile.new_empty((count, tile.shape[1], height * scale, width * scale))
            kept = tile[:, :, (top - above) * scale :, (left - before) * scale :]
            size = (bottom - top) * scale, (right - left) * scale
            place = result[:, :, top * scale : bottom * scale, left * scale : right * scale]
            place.copy_(kept[:, :, : size[0], : size[1]])
    assert result is not None, "a picture has at least one tile"  # noqa: S101
    return result


def _parts(length: int, count: int) -> list[tuple[int, int]]:
    """`count` nearly equal parts of a length."""
    ends = [length * at // count for at in range(count + 1)]
    return list(pairwise(ends))
