"""A morph between two similar pictures, by dense optical flow in both directions.

The flow is checked for consistency: a pixel moved forward and then backward must return to its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wan_render.backends.animatic.camera import ease, moments
from wan_render.optical_flow import Field, agrees, both_ways, coordinates, grey, moved, scaled
from wan_render.render_values import Pixels

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
    forward, backward = both_ways(grey(first, _JUDGED), grey(last, _JUDGED))
    return float((agrees(forward, backward).mean() + agrees(backward, forward).mean()) / 2)


def is_alike(first: Pixels, last: Pixels) -> bool:
    """Whether the pictures are similar enough for a morph to look like motion."""
    return agreement(first, last) >= ALIKE


def estimate(first: Pixels, last: Pixels) -> Flow:
    """The flow between two pictures of the same size, in both directions, smoothed where it is inconsistent."""
    forward, backward = both_ways(grey(first, _MEASURED), grey(last, _MEASURED))
    sure, sure_back = agrees(forward, backward), agrees(backward, forward)
    size = (first.shape[1], first.shape[0])
    return Flow(
        forward=scaled(_mended(forward, sure), size),
        backward=scaled(_mended(backward, sure_back), size),
    )


def morph(first: Pixels, last: Pixels, frames: int) -> Iterator[Pixels]:
    """The frames of a morph. The first and last are the pictures themselves.

    It starts and stops at half speed, not at rest, so that a chain of shots does not stutter at each keyframe.
    """
    flow, grid = estimate(first, last), coordinates(first)
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
        moved(first, cv2.add(grid, to_first)), rest, moved(last, cv2.add(grid, to_last)), time, 0
    )


def _mended(field: Field, sure: NDArray[np.float32]) -> Field:
    """The field, with inconsistent vectors replaced by the mean of the consistent ones around them."""
    spread = max(field.shape[1] / 32, 1.0)
    weight = cv2.GaussianBlur(sure, (0, 0), spread)[..., None] + 1e-3
    around = (cv2.GaussianBlur(field * sure[..., None], (0, 0), spread) + 1e-3 * field) / weight
    share = cv2.GaussianBlur(sure, (0, 0), 2.0)[..., None]
    return (field * share + around * (1 - share)).astype(np.float32)  # type: ignore[no-any-return]
