"""The written model hits its keyframes through the real loader and renderer, and quality control sees it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest
import torch

from benchmarks.learnt.keyframe_model import save_keyframe_model
from benchmarks.learnt.linear_vae import linear_vae
from benchmarks.learnt.moving_scenes import NEGATIVE, PROMPTS, drawn, random_scenes
from benchmarks.learnt.opened_model import as_pixels
from benchmarks.learnt.small_model import ON_A_CPU, SHIFT, readers, save_model, transformer_of
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.models.local_folder import folder_card
from wan_render.facts import FactCache
from wan_render.quality.measuring import measure
from wan_render.quality.verdicts import QcVerdict, judge
from wan_render.render_values import Device, Pixels, TakeInputs
from wan_render.take import Plate, Sampling, Take

pytestmark = pytest.mark.wan

ENDS = ("first", "last")


def keyframes(seed: int) -> tuple[Pixels, Pixels]:
    """Both ends of a scene."""
    size = ON_A_CPU.size
    scene = random_scenes(1, size.width / size.height, torch.Generator().manual_seed(seed))
    first, last = as_pixels(drawn(scene, torch.tensor([0.0, 1.0]), size.height, size.width)[0])
    return first, last


def rendered(folder: Path, first: Pixels, last: Pixels) -> Pixels:
    """A take between two pictures, as a device process renders it."""
    plate = Plate("0" * 64, ON_A_CPU.size)
    take = Take(
        backend="wan/1",
        model="keyframes",
        first=plate,
        last=plate,
        prompt=PROMPTS[0],
        negative=NEGATIVE,
        frames=ON_A_CPU.frames,
        size=ON_A_CPU.size,
        rate=Fraction(16),
        seed=5,
        sampling=Sampling(6, (5.0,), SHIFT),
    )
    card = folder_card(folder, FactCache(folder.with_name(f"{folder.name}-facts")))
    renderer = BACKEND.open(card, Device("cpu", "cpu", 0), lambda _: None)
    return renderer.render(take, TakeInputs(first, last), lambda _: None).pixels


def verdicts(clip: Pixels, first: Pixels, last: Pixels) -> dict[str, QcVerdict | None]:
    checks = judge(measure(iter(clip), first, last)).checks
    return {name: checks[name].verdict for name in ENDS}


def test_takes_of_the_written_model_hit_their_keyframes_and_no_others(tmp_path: Path) -> None:
    save_keyframe_model(tmp_path / "model")
    size = sum(file.stat().st_size for file in (tmp_path / "model").rglob("*.safetensors"))
    assert size < 8_000_000
    first, last = keyframes(seed=1)
    clip = rendered(tmp_path / "model", first, last)
    assert verdicts(clip, first, last) == dict.fromkeys(ENDS, QcVerdict.PASS)
    assert verdicts(clip, *keyframes(seed=2)) == dict.fromkeys(ENDS, QcVerdict.FAIL)
    assert verdicts(clip, last, first) == dict.fromkeys(ENDS, QcVerdict.FAIL)


def test_takes_of_random_weights_do_not(tmp_path: Path) -> None:
    torch.manual_seed(3)
    transformer = transformer_of(ON_A_CPU)
    torch.nn.init.normal_(transformer.proj_out.weight, std=0.1)
    save_model(tmp_path / "model", transformer, linear_vae(ON_A_CPU.vae_width), readers(), {})
    first, last = keyframes(seed=1)
    clip = rendered(tmp_path / "model", first, last)
    assert verdicts(clip, first, last) == dict.fromkeys(ENDS, QcVerdict.FAIL)
