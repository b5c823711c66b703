"""Ken Burns: a camera moves over a still. If there are two, the first dissolves into the second."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.backends.animatic.camera import Matrix, Move, arriving, ease, leaving, moments
from wan_render.render_values import Pixels
from wan_render.take import Size

_DISSOLVE = (0.22, 0.78)
"""When the dissolve begins and ends. Before and after it, only one keyframe is visible."""

_HALF = 0.5

_SPREAD = 0.8
"""Delay of the darkest part of the second picture after its brightest, in units of one fade."""


def single(first: Pixels, frames: int, move: Move) -> Iterator[Pixels]:
    """A move that begins on a picture; its first frame is the picture itself."""
    yield first
    for time in moments(frames)[1:]:
        yield _look(first, leaving(move, _size(first), ease(time)))


def dissolve(first: Pixels, last: Pixels, frames: int, move: Move) -> Iterator[Pixels]:
    """One camera move through two pictures. The brightest parts of the second appear first.

    The pan keeps its direction from one picture to the next.
    """
    order = _order(last)
    yield first
    for time in moments(frames)[1:-1]:
        yield _between(first, last, time, move, order)
    if frames > 1:
        yield last


def _between(first: Pixels, last: Pixels, time: float, move: Move, order: NDArray[np.float32]) -> Pixels:
    size, eased = _size(first), ease(time)
    progress = (time - _DISSOLVE[0]) / (_DISSOLVE[1] - _DISSOLVE[0])
    if progress <= 0:
        return _look(first, leaving(move, size, eased))
    if progress >= 1:
        return _look(last, arriving(move, size, eased))
    weight = _weight(order, progress, size)
    # The weaker picture is drawn in half the time; its softness is not visible.
    old = _look(first, leaving(move, size, eased), is_fine=progress < _HALF)
    new = _look(last, arriving(move, size, eased), is_fine=progress >= _HALF)
    return cv2.blendLinear(old, new, 1 - weight, weight).astype(np.uint8, copy=False)


def _look(picture: Pixels, window: Matrix, *, is_fine: bool = True) -> Pixels:
    """The picture through a window. Cubic interpolation, since the sharpness of linear interpolation varies during the
    move.

    The border is replicated: OpenCV 5.0.0 hangs when it reflects a picture of one row or column.
    """
    return cv2.warpAffine(  # type: ignore[return-value]
        picture,
        window,
        (picture.shape[1], picture.shape[0]),
        flags=(cv2.INTER_CUBIC if is_fine else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )


def _order(last: Pixels) -> NDArray[np.float32]:
    """When each part of the second picture appears, 0 (the brightest) to 1. Blurred, at a quarter of its size."""
    height, width = last.shape[:2]
    small = cv2.resize(last, (max(width // 4, 1), max(height // 4, 1)), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(grey, (0, 0), max(small.shape[1] / 40, 0.5))
    order: NDArray[np.float32] = (soft.max() - soft) / max(float(np.ptp(soft)), 1.0)
    return order


def _weight(order: NDArray[np.float32], progress: float, size: Size) -> NDArray[np.float32]:
    """The second picture's share of every pixel, (height, width) float32 in 0…1."""
    local = np.clip(progress * (1 + _SPREAD) - _SPREAD * order, 0, 1)
    smooth = (local * local * (3 - 2 * local)).astype(np.float32)
    weight: NDArray[np.float32] = np.empty((size.height, size.width), np.float32)
    cv2.resize(smooth, (size.width, size.height), dst=weight, interpolation=cv2.INTER_LINEAR)
    return weight


def _size(picture: Pixels) -> Size:
    return Size(picture.shape[1], picture.shape[0])
