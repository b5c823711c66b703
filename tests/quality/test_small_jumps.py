"""Jumps of a few small things on a plain ground, where landmarks say nothing."""

from __future__ import annotations

import cv2
import numpy as np

from tests.quality.moving_clips import HEIGHT, WIDTH, assert_jump_is_found
from wan_render.render_values import Pixels

JUMP = 20


def _drawn(jumps: bool) -> Pixels:  # noqa: FBT001 - with the fault, and without
    """Three discs that drift over a gradient, under noise that boils; from JUMP on all is larger by a third."""
    dice = np.random.default_rng(7)
    ramp = np.linspace(60, 140, WIDTH, dtype=np.float32)[None, :, None] * np.array((0.6, 1.0, 1.1), np.float32)
    frames = []
    for at in range(25):
        frame = np.ascontiguousarray(np.broadcast_to(ramp, (HEIGHT, WIDTH, 3)))
        scale = 1.35 if jumps and at >= JUMP else 1.0
        for x, y, colour in ((50, 35, (200, 60, 60)), (110, 95, (40, 40, 160)), (165, 50, (60, 160, 70))):
            middle = round((x + at * 0.4 - WIDTH / 2) * scale + WIDTH / 2), round((y - HEIGHT / 2) * scale + HEIGHT / 2)
            cv2.circle(frame, middle, round(20 * scale), colour, -1, cv2.LINE_AA)
        frames.append(np.clip(frame + dice.normal(0, 10, frame.shape), 0, 255).astype(np.uint8))
    return np.stack(frames)


def test_a_jump_of_small_things_on_a_plain_ground_is_found() -> None:
    assert_jump_is_found(_drawn(jumps=True), _drawn(jumps=False), JUMP)
