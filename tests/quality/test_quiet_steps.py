"""Steps without noise."""

from __future__ import annotations

import cv2
import numpy as np

from tests.quality.moving_clips import HEIGHT, WIDTH, assert_jump_is_found
from wan_render.quality.quiet_steps import quieted
from wan_render.quality.small_frames import shrunk
from wan_render.quality.tracking import tracked
from wan_render.render_values import Pixels

JUMP = 13


def _drawn(jumps: bool) -> Pixels:  # noqa: FBT001 - with the fault, and without
    """Discs that move over a plain ground, under noise that stands still, as strong as they are."""
    noise = cv2.GaussianBlur(np.random.default_rng(3).normal(0, 25, (HEIGHT, WIDTH, 3)), (0, 0), 1.0)
    frames = []
    for at in range(17):
        frame = np.full((HEIGHT, WIDTH, 3), 90, np.float32)
        aside = 45 if jumps and at >= JUMP else 0
        for x, y, radius in ((40, 40, 16), (120, 80, 22), (90, 20, 12)):
            cv2.circle(frame, (x + at + aside, y + aside // 2), radius, (120, 60, 130), -1, cv2.LINE_AA)
        frames.append(np.clip(frame + noise, 0, 255).astype(np.uint8))
    return np.stack(frames)


def test_a_jump_under_noise_that_stands_still_is_found() -> None:
    assert_jump_is_found(_drawn(jumps=True), _drawn(jumps=False), JUMP)


def test_without_noise_a_jump_stands_out_more() -> None:
    small = np.stack([shrunk(frame) for frame in _drawn(jumps=True)])
    steps = tracked(small)
    quiet = quieted(steps, small)
    sharpness = [each.broken[JUMP - 1] / np.median(each.broken) for each in (steps, quiet)]
    assert sharpness[1] > 3 * sharpness[0]


def test_pictures_too_small_for_that_keep_their_steps() -> None:
    small = np.zeros((3, 20, 40, 3), np.uint8)
    steps = tracked(small)
    assert quieted(steps, small) is steps
