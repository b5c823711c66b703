"""Faults that benchmarks/qc puts into clips are ones that a person can see."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.qc.faults import FAULTS, LEAST_SHOWN
from benchmarks.qc.footage import Footage
from tests.quality.moving_clips import HEIGHT, WIDTH, world


@pytest.mark.parametrize("seed", range(6))
def test_a_double_exposure_shows_both_pictures(seed: int) -> None:
    nearly_black = np.full((40, 240, 320, 3), 3, np.uint8)
    made = FAULTS["ghost"](
        np.random.default_rng(seed), Footage((nearly_black,), tuple(map(world, range(4)))), (WIDTH, HEIGHT)
    )
    assert made.first is not None
    assert made.first.std() > LEAST_SHOWN
