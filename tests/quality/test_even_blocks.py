"""Even blocks stand out from any other picture, whatever its size."""

from __future__ import annotations

import numpy as np

from wan_render.quality.even_blocks import blocks_of, step_profiles

DICE = np.random.default_rng(3)


def test_blocks_stand_out_and_noise_does_not() -> None:
    noise = DICE.integers(0, 256, (64, 96), np.uint8)
    blocks = noise[:8, :12].repeat(8, 0).repeat(8, 1)
    of_noise, of_blocks = blocks_of([step_profiles(each) for each in (noise, blocks)])
    assert of_noise < 1.5
    assert of_blocks > 20


def test_a_single_line_is_no_grid_and_a_tiny_picture_has_none() -> None:
    door = np.full((64, 96), 40, np.uint8)
    door[:, 48:] = 200
    assert blocks_of([step_profiles(door)])[0] < 1
    assert blocks_of([step_profiles(door[:4, :4])])[0] == 1
    assert len(blocks_of([])) == 0
