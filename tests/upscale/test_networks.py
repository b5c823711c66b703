"""Networks: their files, tiles without seams, Lanczos, and detail that stays steady."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.upscale.networks import ncnn_bytes, parts, picture, random_network
from wan_render.errors import MachineError, WeightsError
from wan_render.media.geometry import fit
from wan_render.render_values import Pixels
from wan_render.take import Size
from wan_render.upscale import rrdb_network
from wan_render.upscale.compact_network import CompactNetwork
from wan_render.upscale.detail_damping import DetailDamping
from wan_render.upscale.frame_upscaler import upscaled_frames
from wan_render.upscale.ncnn_file import load_ncnn
from wan_render.upscale.open_network import UpscalingNetwork
from wan_render.upscale.resampling import enlarged
from wan_render.upscale.rrdb_network import RrdbNetwork

pytestmark = pytest.mark.wan
CPU = torch.device("cpu")


@pytest.mark.parametrize("half", [True, False])
@torch.no_grad()
def test_weights_of_ncnn_are_read(tmp_path: Path, half: bool) -> None:  # noqa: FBT001 - a parameter of the test
    written, read = random_network(), CompactNetwork()
    file = tmp_path / "network.bin"
    file.write_bytes(ncnn_bytes(written, half=half))
    load_ncnn(file, parts(read))
    source = torch.rand(1, 3, 8, 10)
    assert torch.allclose(read(source), written(source), atol=2e-3 if half else 1e-6)


@pytest.mark.parametrize("change", [lambda it: it[:-1], lambda it: it + b"\0\0\0\0", lambda it: b"\1\2\3\4" + it[4:]])
def test_other_files_are_refused(tmp_path: Path, change: object) -> None:
    assert callable(change)
    file = tmp_path / "network.bin"
    file.write_bytes(change(ncnn_bytes(random_network(), half=True)))
    with pytest.raises(WeightsError, match="models pull realesrgan"):
        load_ncnn(file, parts(CompactNetwork()))


@torch.no_grad()
def test_tiles_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reach is the least that has no seams: with one pixel less, they show."""
    torch.manual_seed(2)
    network, source = RrdbNetwork(1).eval(), torch.rand(1, 3, 21, 34)
    whole = network(source)
    monkeypatch.setattr(rrdb_network, "MOST_TILE_PIXELS", 60)
    assert (network(source) - whole).abs().max() < 1e-5
    monkeypatch.setattr(rrdb_network, "REACH", rrdb_network.REACH - 1)
    assert (network(source) - whole).abs().max() > 1e-4


def test_enlarging_is_pillows_lanczos() -> None:
    source = picture(20, 26)
    theirs = np.asarray(Image.fromarray(source).resize((40, 31), Image.Resampling.LANCZOS), np.float32)
    ours = enlarged(torch.from_numpy(source).permute(2, 0, 1)[None].float(), (31, 40))[0].permute(1, 2, 0).numpy()
    assert np.abs(np.clip(ours, 0, 255) - theirs)[4:-4, 4:-4].max() <= 1.5
    # At the edges Pillow weighs fewer pixels, ffmpeg and we repeat the last one.
    assert np.abs(np.clip(ours, 0, 255) - theirs).max() <= 12


def flickering(damping: DetailDamping, source: torch.Tensor) -> float:
    """The mean second difference of detail that is random in every frame."""
    torch.manual_seed(3)
    frames = [damping.damped(source, torch.randn(3, 24, 32) * 0.02) for _ in range(12)]
    return float(
        np.mean(
            [
                (one - 2 * two + three).abs().mean()
                for one, two, three in zip(*(frames[at:] for at in range(3)), strict=False)
            ]
        )
    )


def test_detail_of_still_pictures_is_steadied() -> None:
    source = torch.rand(3, 12, 16)
    assert flickering(DetailDamping(), source) < 0.2 * flickering(DetailDamping(kept=0), source)


def test_detail_of_moving_pictures_trails_nothing() -> None:
    damping, before, after = DetailDamping(), torch.zeros(3, 12, 16), torch.ones(3, 12, 16)
    damping.damped(before, torch.full((3, 24, 32), 0.5))
    assert torch.equal(damping.damped(after, torch.zeros(3, 24, 32)), torch.zeros(3, 24, 32))


def upscaled(frames: list[Pixels], how: str = "cover", batch: int = 1, strength: float = 1.0) -> list[Pixels]:
    """From 32x24 to 64x36, which shows 32x18 of it, or all of it between bars."""
    network = UpscalingNetwork(random_network(), 4, CPU, batch)
    placement = fit(Size(32, 24), Size(64, 36), how)  # type: ignore[arg-type]
    return list(upscaled_frames(frames, placement, network, strength))


def test_batches_change_nothing() -> None:
    frames = [picture(seed=seed) for seed in (1, 1, 1, 2, 2)]
    one, three = upscaled(frames), upscaled(frames, batch=3)
    assert len(one) == len(three) == 5
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(one, three, strict=True)) <= 1


def test_strength_mixes_with_lanczos() -> None:
    full, half, plain = (upscaled([picture()], strength=strength)[0].astype(int) for strength in (1, 0.5, 0))
    assert np.abs(full - plain).max() > 10
    assert np.abs((full + plain) / 2 - half).max() <= 1.01


def test_the_part_that_is_shown_is_that_of_ffmpegs_scale() -> None:
    source = picture()
    shown = np.asarray(Image.fromarray(source[3:21]).resize((64, 36), Image.Resampling.LANCZOS), int)
    assert np.abs(upscaled([source], strength=0)[0] - shown)[6:-6, 6:-6].max() <= 1
    contained = upscaled([source], how="contain")[0]
    assert contained.shape == (36, 64, 3)
    assert contained[:, :8].max() == contained[:, -8:].max() == 0 < contained[:, 8:56].min(axis=(0, 2)).max()


def test_values_that_are_no_numbers_become_no_picture() -> None:
    network = UpscalingNetwork(lambda pictures: torch.full((len(pictures), 3, 96, 128), torch.nan), 4, CPU)
    with pytest.raises(MachineError, match="no numbers"):
        list(upscaled_frames([picture()], fit(Size(32, 24), Size(64, 36), "cover"), network, 1.0))


def test_a_placement_may_be_as_large_as_the_raster() -> None:
    placement = replace(fit(Size(32, 24), Size(32, 24), "cover"))
    network = UpscalingNetwork(random_network(), 4, CPU)
    assert next(upscaled_frames([picture()], placement, network, 0.5)).shape == (24, 32, 3)
