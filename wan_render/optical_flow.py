"""Dense optical flow between two pictures, in both directions: OpenCV's DIS (Kroeger et al. 2016)."""

from __future__ import annotations

import threading
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.render_values import Pixels

Field = NDArray[np.float32]
"""(height, width, 2): pixels to the right and down."""


def grey(picture: Pixels, long_side: int) -> NDArray[np.uint8]:
    """The picture in grey, with at most `long_side` pixels on its long side and at least 64 on its short one."""
    whole = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    height, width = whole.shape
    scale = min(1.0, long_side / max(width, height))
    # DIS needs patches of 8 pixels at every level of a pyramid, so small pictures are enlarged.
    scale = max(scale, 64 / min(width, height))
    size = (round(width * scale), round(height * scale))
    return cv2.resize(whole, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)  # type: ignore[return-value]


class _OneThread:
    """A context in which OpenCV uses one thread per call. Several threads may be in it at once; the number of threads
    is one for the whole process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = self._usual = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._usual = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                cv2.setNumThreads(self._usual)


one_thread = _OneThread()


def both_ways(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> tuple[Field, Field]:
    """The flow in both directions. On one thread: DIS splits rows by the number of threads, which changes the flow."""
    with one_thread:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        forward = dis.calc(one, two, None)  # type: ignore[call-overload]
        backward = dis.calc(two, one, None)  # type: ignore[call-overload]
    return forward, backward


def forward_flow(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> Field:
    """The flow from one picture to the other alone, with the fast preset: for measuring motion. On one thread."""
    with one_thread:
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        return dis.calc(one, two, None)  # type: ignore[call-overload, no-any-return]


def moved(picture: Pixels, places: NDArray[Any]) -> Pixels:
    """The picture sampled at `places`, coordinates like those of `coordinates`."""
    return cv2.remap(picture, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload, no-any-return]


def agrees(there: Field, back: Field) -> NDArray[np.float32]:
    """1 where forward and then backward flow is consistent, else 0 (Sundaram, Brox, Keutzer 2010, eq. 5)."""
    returned = cv2.remap(back, coordinates(there) + there, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    gap = np.square(there + returned).sum(axis=2)
    length = np.square(there).sum(axis=2) + np.square(returned).sum(axis=2)
    return (gap < 0.01 * length + 0.5).astype(np.float32)  # type: ignore[no-any-return]


def scaled(field: Field, size: tuple[int, int]) -> Field:
    """The field for pictures of another size (width, height)."""
    factor = np.array([size[0] / field.shape[1], size[1] / field.shape[0]], np.float32)
    return cv2.resize(field, size, interpolation=cv2.INTER_LINEAR) * factor


def coordinates(like: NDArray[np.generic]) -> Field:
    """The coordinates of every pixel, as a Field."""
    rows, columns = np.indices(like.shape[:2], dtype=np.float32)
    return np.stack([columns, rows], axis=2)
