"""Small clips that move, made from noise: a textured world and a camera that pans over it."""

from __future__ import annotations

import cv2
import numpy as np

from wan_render.quality.measuring import measure
from wan_render.quality.verdicts import QcVerdict, judge
from wan_render.render_values import Pixels

HEIGHT, WIDTH, FRAMES = 120, 208, 33


def world(seed: int) -> Pixels:
    """A picture twice as large as a frame, with shapes of many sizes and colours of its own."""
    dice = np.random.default_rng(seed)
    picture = np.zeros((HEIGHT * 2, WIDTH * 2, 3), np.float32)
    for cells, weight in ((4, 0.5), (12, 0.3), (40, 0.2)):
        coarse = dice.random((cells, cells * 2, 3)).astype(np.float32)
        picture += weight * cv2.resize(coarse, (WIDTH * 2, HEIGHT * 2), interpolation=cv2.INTER_CUBIC)
    return np.clip(picture * 255, 0, 255).astype(np.uint8)


def pan(seed: int, frames: int = FRAMES, pixels: float = 3.0) -> Pixels:
    """(frames, HEIGHT, WIDTH, 3): a camera that moves by so many pixels a frame."""
    ground = world(seed)
    offsets = [(at * pixels, at * pixels / 3) for at in range(frames)]
    moves = [np.array(((1, 0, x), (0, 1, y)), np.float32) for x, y in offsets]
    return np.stack(
        [cv2.warpAffine(ground, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) for move in moves]
    )


def assert_jump_is_found(jumped: Pixels, calm: Pixels, frame: int) -> None:
    """At this frame of one clip, and nowhere in the other."""
    found = judge(measure(jumped, jumped[0], jumped[-1]))
    assert "jump" in found.named(QcVerdict.FAIL)
    assert found.checks["jump"].frame == frame
    assert {"jump", "cut"}.isdisjoint(judge(measure(calm, calm[0], calm[-1])).named(QcVerdict.FAIL))
