"""The quick arithmetic of pictures is that of numpy."""

from __future__ import annotations

import numpy as np
import pytest

from wan_render.quality.samples import mean_product, mean_square, median_of, quantiles_of, samples_of, without_mean

DICE = np.random.default_rng(5)
PICTURES = DICE.random((2, 9, 14, 3), dtype=np.float32)


def test_products_are_those_of_numpy() -> None:
    one, other = PICTURES
    assert mean_square(one) == pytest.approx(float((one**2).mean()), rel=1e-5)
    assert mean_product(one, other - 0.5) == pytest.approx(float((one * (other - 0.5)).mean()), abs=1e-6)


@pytest.mark.parametrize("count", [1, 4, 7, 378])
def test_the_middle_and_the_quantiles_are_those_of_numpy(count: int) -> None:
    values, shares = PICTURES[0].ravel()[:count], (0.01, 0.5, 0.99)
    assert median_of(values) == pytest.approx(float(np.median(values)), rel=1e-6)
    assert quantiles_of(values, shares) == pytest.approx(np.quantile(values.astype(float), shares), rel=1e-6)


def test_samples_go_from_black_to_white_and_lose_the_mean_of_each_channel() -> None:
    picture = DICE.integers(0, 256, (5, 6, 3), np.uint8)
    picture[0, 0], picture[0, 1] = 0, 255
    samples = samples_of(picture)
    assert np.array_equal(samples, picture.astype(np.float32) / 255)
    assert without_mean(samples) == pytest.approx(samples - samples.mean(axis=(0, 1)), abs=1e-6)
