"""A leap of the benchmark of quality control is one that somebody can see."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.qc.faults import is_seen
from tests.quality.moving_clips import pan
from wan_render.render_values import Pixels

LEAP = 11


def _leaping(pixels: float, light: float = 1.0) -> Pixels:
    """A pan whose last frames are 36 pixels away from where it would be."""
    clip = pan(2, 16, pixels)
    clip[LEAP + 1 :] = np.roll(clip[LEAP + 1 :], 36, 2)
    return np.asarray(clip * light, np.uint8)


@pytest.mark.parametrize(("pixels", "light", "sees"), [(2.0, 1.0, True), (40.0, 1.0, False), (2.0, 0.02, False)])
def test_a_leap_is_seen_but_not_in_a_whip_pan_or_in_the_dark(pixels: float, light: float, *, sees: bool) -> None:
    assert is_seen(_leaping(pixels, light), LEAP) is sees
