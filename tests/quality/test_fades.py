"""Fades against cuts to black."""

from __future__ import annotations

import numpy as np

from tests.quality.moving_clips import pan
from wan_render.quality.fades import fading_steps


def test_the_faint_end_of_a_fade_is_known_and_a_cut_to_black_is_none() -> None:
    clip = pan(1, 12)
    light = np.clip(np.arange(12) / 8, 0, 1)[:, None, None, None]
    faded = np.asarray(clip * light).astype(np.uint8)
    assert fading_steps(faded)[0] == 1
    assert not fading_steps(faded)[5:].any()
    cut = np.concatenate([clip[:6] * 0, clip[6:]])
    assert fading_steps(cut)[5] == 0
