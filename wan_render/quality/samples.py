"""Arithmetic of pictures, in as few passes as it takes: every frame goes through it many times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.render_values import Pixels

Floats = NDArray[Any]
"""Floating-point arrays; OpenCV's types do not say which."""

_SAMPLES = np.arange(256, dtype=np.float32) / 255


def samples_of(picture: Pixels) -> Floats:
    """A uint8 picture as float32, 0 to 1."""
    return cv2.LUT(picture, _SAMPLES)


def mean_square(values: Floats) -> float:
    """The mean square of float32 values."""
    return float(cv2.norm(values, cv2.NORM_L2SQR)) / values.size


def mean_product(one: Floats, other: Floats) -> float:
    """The mean product of float32 values of one shape: of a and b it is half of a² + b² - (a - b)²."""
    squares = cv2.norm(one, cv2.NORM_L2SQR) + cv2.norm(other, cv2.NORM_L2SQR)
    return float(squares - cv2.norm(one, other, cv2.NORM_L2SQR)) / 2 / one.size


def median_of(values: Floats) -> float:
    """The median of an array, as numpy has it, but without a look for NaN."""
    places = ((values.size - 1) // 2, values.size // 2)
    ordered = np.partition(values, places, axis=None)
    return float(ordered[places[0]] + ordered[places[1]]) / 2


def quantiles_of(values: Floats, shares: Sequence[float]) -> Floats:
    """The quantiles of an array, as numpy has them, but of one partition."""
    at = np.array(shares) * (values.size - 1)
    places = np.unique([np.floor(at), np.ceil(at)]).astype(int)
    return np.asarray(np.interp(at, places, np.partition(values, places, axis=None)[places]))


def without_mean(picture: Floats) -> Floats:
    """A float picture, (height, width, 3), without the mean of each channel."""
    return np.asarray(cv2.subtract(picture, np.array(cv2.mean(picture))[:, None]))
