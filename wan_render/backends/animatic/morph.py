"""A morph between two similar pictures, by dense optical flow in both directions.

The flow is OpenCV's DIS (Kroeger et al. 2016). It is checked for consistency: a pixel moved forward and then backward
must return to its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.backends.animatic.camera import ease, moments
from wan_render.render_values import Pixels

Field = NDArray[np.float32]
"""(height, width, 2): pixels to the right and down."""

ALIKE = 0.35
"""From this share of consistent pixels on, two pictures count as similar. Measured: about 0.9 for pairs of one scene,
under 0.1 for pairs of different scenes."""

_JUDGED = 416
_MEASURED = 832
"""The long side, in pixels, at which similarity is judged and flow measured. Larger ones cost more without benefit."""


@dataclass(frozen=True)
class Flow:
    """The motion from the first picture to the second and back, at the size of the pictures."""

    forward: Field
    backward: Field


def agreement(first: Pixels, last: Pixels) -> float:
    """The share of pixels, 0…1, that return to their place under forward and then backward flow."""
    forward, backward = _both_ways(_grey(first, _JUDGED), _grey(last, _JUDGED))
    return float((_agrees(forward, backward).mean() + _agrees(backward, forward).mean()) / 2)


def is_alike(first: Pixels, last: Pixels) -> bool:
    """Whether the pictures are similar enough for a morph to look like motion."""
    return agreement(first, last) >= ALIKE


def estimate(first: Pixels, last: Pixels) -> Flow:
    """The flow between two pictures of the same size, in both directions, smoothed where it is inconsistent."""
    forward, backward = _both_ways(_grey(first, _MEASURED), _grey(last, _MEASURED))
    sure, sure_back = _agrees(forward, backward), _agrees(backward, forward)
    size = (first.shape[1], first.shape[0])
    return Flow(
        forward=_scaled(_mended(forward, sure), size),
        backward=_scaled(_mended(backward, sure_back), size),
    )


def morph(first: Pixels, last: Pixels, frames: int) -> Iterator[Pixels]:
    """The frames of a morph. The first and last are the pictures themselves.

    It starts and stops at half speed, not at rest, so that a chain of shots does not stutter at each keyframe.
    """
    flow, grid = estimate(first, last), _grid(first)
    yield first
    for time in moments(frames)[1:-1]:
        yield _between(first, last, flow, grid, (time + ease(time)) / 2)
    if frames > 1:
        yield last


def _between(first: Pixels, last: Pixels, flow: Flow, grid: Field, time: float) -> Pixels:
    """Both pictures moved to a point in time and mixed. The flow follows Super SloMo (Jiang et al. 2018, eq. 4)."""
    rest = 1 - time
    to_first = cv2.addWeighted(flow.forward, -rest * time, flow.backward, time * time, 0)
    to_last = cv2.addWeighted(flow.forward, rest * rest, flow.backward, -time * rest, 0)
    return cv2.addWeighted(  # type: ignore[return-value]
        _moved(first, cv2.add(grid, to_first)), rest, _moved(last, cv2.add(grid, to_last)), time, 0
    )


def _moved(picture: Pixels, places: NDArray[Any]) -> Pixels:
    return cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload, no-any-return]


def _grey(picture: Pixels, long_side: int) -> NDArray[np.uint8]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    scale = min(1.0, long_side / max(width, height))
    # DIS needs patches of 8 pixels at every level of a pyramid, so small pictures are enlarged.
    scale = max(scale, 64 / min(width, height))
    size = (round(width * scale), round(height * scale))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)  # type: ignore[return-value]


def _both_ways(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> tuple[Field, Field]:
    """The flow in both directions. On one thread: DIS splits rows by the number of threads, which changes the flow."""
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        forward = dis.calc(one, two, None)  # type: ignore[call-overload]
        backward = dis.calc(two, one, None)  # type: ignore[call-overload]
    finally:
        cv2.setNumThreads(threads)
    return forward, backward


def _agrees(there: Field, back: Field) -> NDArray[np.float32]:
    """1 where forward and then backward flow is consistent, else 0 (Sundaram, Brox, Keutzer 2010, eq. 5)."""
    returned = cv2.remap(back, _grid(there) + there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    gap = np.square(there + returned).sum(axis=2)
    length = np.square(there).sum(axis=2) + np.square(returned).sum(axis=2)
    return (gap < 0.01 * length + 0.5).astype(np.float32)  # type: ignore[no-any-return]


def _mended(field: Field, sure: NDArray[np.float32]) -> Field:
    """The field, with inconsistent vectors replaced by the mean of the consistent ones around them."""
    spread = max(field.shape[1] / 32, 1.0)
    weight = cv2.GaussianBlur(sure, (0, 0), spread)[..., None] + 1e-3
    around = (cv2.GaussianBlur(field * sure[..., None], (0, 0), spread) + 1e-3 * field) / weight
    share = cv2.GaussianBlur(sure, (0, 0), 2.0)[..., None]
    return (field * share + around * (1 - share)).astype(np.float32)  # type: ignore[no-any-return]


def _scaled(field: Field, size: tuple[int, int]) -> Field:
    factor = np.array([size[0] / field.shape[1], size[1] / field.shape[0]], np.float32)
    return cv2.resize(field, size, interpolation=cv2.INTER_LINEAR) * factor


def _grid(like: NDArray[np.generic]) -> Field:
    """The coordinates of every pixel, as a Field."""
    rows, columns = np.indices(like.shape[:2], dtype=np.float32)
    return np.stack([columns, rows], axis=2)
