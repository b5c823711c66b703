"""RIFE: its weights as published, and its pictures. The real weights have 35 MB, so these are random ones."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.media.pictures import noise
from wan_render.errors import WeightsError
from wan_render.retime.interpolator import Pair
from wan_render.retime.rife import RifeInterpolator
from wan_render.retime.rife_network import RifeNetwork, open_rife
from wan_render.take import Size

CPU, HALF = torch.device("cpu"), Fraction(1, 2)
PUBLISHED = {"down": "conv0", "body": "convblock", "head": "lastconv"}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Random weights under the published names, with small heads: like the real ones they begin with little flow."""
    torch.manual_seed(1)
    named = {}
    for name, tensor in RifeNetwork().state_dict().items():
        _, block, part, *layer = name.split(".")
        scale = 0.02 if part == "head" else 1.0
        named[".".join([f"module.block{block}", PUBLISHED[part], *layer])] = tensor * scale
    named["module.unet.conv.weight"] = torch.zeros(3, 16, 3, 3)
    file = tmp_path_factory.mktemp("rife") / "flownet.pkl"
    torch.save(named, file)
    return file


def test_the_published_weights_are_read_and_others_are_refused(weights: Path, tmp_path: Path) -> None:
    open_rife(weights, CPU)
    for name, content in (("text", b"no weights"), ("other", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(WeightsError, match="models pull rife"):
            open_rife(tmp_path / name, CPU)
    torch.save({"module.block0.conv0.0.0.weight": torch.zeros(3)}, tmp_path / "part")
    with pytest.raises(WeightsError, match="not RIFE's weights"):
        open_rife(tmp_path / "part", CPU)


def test_a_picture_between_equal_ones_is_about_the_same_at_any_size(weights: Path) -> None:
    smooth = np.linspace(40, 200, 75 * 50 * 3).reshape(50, 75, 3).astype(np.uint8)
    ((made, later),) = RifeInterpolator(weights, CPU).between([Pair(smooth, smooth.copy(), (HALF, Fraction(3, 4)))])
    assert made.shape == later.shape == smooth.shape
    assert np.abs(made.astype(int) - smooth).mean() < 4


def test_a_batch_gives_the_pictures_that_each_pair_gives_alone_and_jumps_are_not_morphed(weights: Path) -> None:
    method = RifeInterpolator(weights, CPU)
    method.batch = 3
    near = noise(4, Size(64, 64)) // 16 + 100
    jump = Pair(noise(1, Size(64, 64), 1)[0], 255 - noise(1, Size(64, 64), 2)[0] // 4, (Fraction(1, 3),))
    pairs = [Pair(near[0], near[1], (HALF,)), jump, Pair(near[2], near[3], (Fraction(1, 4), HALF, Fraction(3, 4)))]
    together = list(method.between(pairs))
    assert [len(pictures) for pictures in together] == [1, 1, 3]
    assert together[1][0] is jump.left
    for pair, pictures in zip(pairs, together, strict=True):
        for one, other in zip(pictures, next(method.between([pair])), strict=True):
            assert np.abs(one.astype(int) - other).max() <= 1


def test_no_more_than_three_batches_are_taken_ahead(weights: Path) -> None:
    """And one pair, in the thread that looks for jumps. Pairs that need no picture count as well: else a still shot
    would be in memory as a whole."""
    method, taken = RifeInterpolator(weights, CPU), list[int]()
    method.batch = 2
    near, still = noise(2, Size(64, 64)) // 16 + 100, noise(1, Size(64, 64))[0]

    def pairs() -> Iterator[Pair]:
        for number in range(12):
            taken.append(number)
            yield Pair(near[0], near[1], (HALF,)) if number == 4 else Pair(still, still, (HALF,))

    for got, pictures in enumerate(method.between(pairs())):
        assert len(taken) <= got + 3 * method.batch + 1
        assert (pictures[0] is still) == (got != 4)
    assert len(taken) == 12


def test_the_network_tells_left_from_right(weights: Path) -> None:
    """Exchanging the pictures and the moment is not the same computation; the moment must count."""
    left, right = (torch.full((1, 3, 64, 64), level) for level in (0.2, 0.8))
    network = open_rife(weights, CPU)
    early, late = (network(left, right, torch.tensor([part])) for part in (0.1, 0.9))
    assert not torch.equal(early, late)
    assert float(early.min()) >= 0.19
    assert float(early.max()) <= 0.81
