"""The hook for diffusers' video super-resolution, with tiny random weights."""

from __future__ import annotations

import json
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.plan.conftest import Mistakes, Plan
from tests.upscale.networks import picture
from wan_render.media.clip import read_frames, write_pictures
from wan_render.media.geometry import fit
from wan_render.take import Size
from wan_render.upscale.clip_upscaler import ClipToUpscale, ClipUpscaler

pytestmark = pytest.mark.wan


@pytest.fixture(scope="module")
def pipeline(studio: Path) -> Path:
    diffusers: Any = import_module("diffusers")
    torch.manual_seed(0)
    blocks = (16, 16, 32, 32, 32)
    transformer = diffusers.Kandinsky6SRTransformer3DModel(
        in_visual_dim=8, out_visual_dim=8, time_dim=32, model_dim=32, ff_dim=64, num_visual_blocks=1,
        axes_dims=(4, 6, 6), tile_sizes=((128, 128),),
    )  # fmt: skip
    vae = diffusers.Kandinsky6SRVAE(
        latent_channels=8, encoder_block_out_channels=blocks, decoder_block_out_channels=blocks, layers_per_block=1
    )
    folder = studio / "sr"
    diffusers.Kandinsky6SRPipeline(transformer, vae, diffusers.FlowMatchEulerDiscreteScheduler()).save_pretrained(
        folder
    )
    return folder


@pytest.mark.slow
def test_a_clip_is_enlarged_as_a_video(pipeline: Path, plan: Plan, tmp_path: Path) -> None:
    """3 frames, which are no 4n + 1, of a height that is no multiple of 16."""
    shots = "keyframes: keyframes/\nshots: [{from: a, to: b}]"
    found = plan(f"version: 1\nfilm: {{title: Harbour, upscale: {{model: sr}}}}\n{shots}")
    assert found.upscale is not None
    assert found.upscaler == pipeline
    assert found.upscale.in_words.startswith("pipeline ")
    frames = [picture(72, 96, seed) for seed in (1, 2, 3)]
    write_pictures(tmp_path / "clip.mkv", frames, Size(96, 72), Fraction(16))
    placement = fit(Size(96, 72), Size(144, 108), "cover")
    targets = [tmp_path / "one.mkv", tmp_path / "two.mkv"]
    for target in targets:
        job = ClipToUpscale(tmp_path / "clip.mkv", 3, Fraction(16), placement, found.upscale, found.upscaler, target)
        ClipUpscaler("cpu").upscale(job, lambda _done, _total: None)
    one, two = (np.stack(list(read_frames(target, 0, 3))) for target in targets)
    assert one.shape == (3, 108, 144, 3)
    assert np.array_equal(one, two)


def test_other_folders_are_refused(mistakes: Mistakes, studio: Path) -> None:
    other = studio / "other"
    other.mkdir(exist_ok=True)
    film = "version: 1\nfilm: {title: Harbour, upscale: {model: other}}\nkeyframes: keyframes/\nshots: [{from: a}]"
    (told,) = mistakes(film)
    assert "other holds no pipeline; a folder of diffusers with a Kandinsky6SRPipeline" in told
    (other / "model_index.json").write_text(json.dumps({"_class_name": "WanPipeline"}))
    (told,) = mistakes(film)
    assert "other is a WanPipeline" in told
