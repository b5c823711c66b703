"""Clips of benchmarks/qc are as they say for a person, too: a fault can be seen, and a clean clip shows something."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.qc.clean_clips import Dice
from benchmarks.qc.faults import FAULTS, LEAST_SHOWN, clean
from benchmarks.qc.footage import Footage
from tests.quality.moving_clips import HEIGHT, WIDTH, pan, world
from wan_render.render_values import Pixels


@pytest.mark.parametrize("seed", range(6))
def test_a_double_exposure_shows_both_pictures(seed: int) -> None:
    nearly_black = np.full((40, 240, 320, 3), 3, np.uint8)
    made = FAULTS["ghost"](
        np.random.default_rng(seed), Footage((nearly_black,), tuple(map(world, range(4)))), (WIDTH, HEIGHT)
    )
    assert made.first is not None
    assert made.first.std() > LEAST_SHOWN


def _wall(_dice: Dice, _footage: Footage, size: tuple[int, int], length: int) -> Pixels:
    return np.full((length, size[1], size[0], 3), 145, np.uint8)


def _view(_dice: Dice, _footage: Footage, _size: tuple[int, int], length: int) -> Pixels:
    return pan(1, length)


def test_a_clean_clip_of_one_colour_has_both_keyframes() -> None:
    open_ends = []
    for make in (_wall, _view):
        clips = [
            clean(np.random.default_rng(seed), Footage((), ()), (WIDTH, HEIGHT), 5, harder=(make,), share=1.0)
            for seed in range(20)
        ]
        open_ends.append(sum(clip.last is None for clip in clips))
    assert open_ends[0] == 0 < open_ends[1]
