"""Models that others made of the official ones: trained for both ends, or distilled for few steps."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from tests.backends.wan.other_layouts import save_wans_own
from tests.backends.wan.test_equality import stock
from tests.backends.wan.test_layouts import Parts, Said, parts, request, tokenizer
from tests.tiny_wan import KINDS, card_of, diffusers, save_tiny
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.import_record import IMPORT_RECORD
from wan_render.backends.wan.layouts.import_model import import_model
from wan_render.backends.wan.models import fine_tuned, official
from wan_render.backends.wan.models.fine_tuned import named_like
from wan_render.backends.wan.models.step_schedule import StepSchedule
from wan_render.backends.wan.profiles.schedule import distilled_levels
from wan_render.backends.wan.profiles.step_scheduler import StepScheduler
from wan_render.errors import UsageError
from wan_render.render_values import TakeInputs
from wan_render.take import Sampling, ShotKind

pytestmark = pytest.mark.wan

__all__ = ["parts", "tokenizer"]  # fixtures


def test_the_steps_are_those_that_the_models_were_trained_for() -> None:
    """LightX2V's are at 1000, 750, 500 and 250 of 1000, moved by shift 5; rCM's are given as angles."""
    trained = pytest.approx((1.0, 0.9375, 5 / 6, 0.625))
    assert StepSchedule.EULER.levels(4, 5.0) == trained
    assert StepSchedule.RENOISED.levels(4, 5.0) == trained
    tangents = (80.0, np.tan(1.5), np.tan(1.4), np.tan(1.0))
    assert StepSchedule.RCM.levels(4, 5.0) == pytest.approx(tuple(each / (1 + each) for each in tangents))
    assert len(StepSchedule.RCM.levels(2, 5.0)) == 2
    assert StepSchedule.RCM_200.levels(4, 5.0) == pytest.approx((200 / 201, *StepSchedule.RCM.levels(4, 5.0)[1:]))


def sampled(schedule: StepSchedule, predict: Callable[[torch.Tensor], torch.Tensor], seed: int = 3) -> torch.Tensor:
    scheduler = StepScheduler(schedule, 5.0, seed)
    scheduler.set_timesteps(4, torch.device("cpu"))
    scheduler.set_begin_index(0)
    latents = scheduler.first(torch.randn(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(seed)))
    for t in scheduler.timesteps:
        latents = scheduler.step(predict(latents), t, latents, return_dict=False)[0]
    return latents


def test_euler_steps_are_those_of_diffusers() -> None:
    theirs: Any = diffusers().FlowMatchEulerDiscreteScheduler(shift=5.0)
    theirs.set_timesteps(sigmas=distilled_levels(4))
    latents = torch.randn(1, 2, 3, 4, 4, generator=torch.Generator().manual_seed(3))
    for t in theirs.timesteps:
        latents = theirs.step(latents.tanh(), t, latents, return_dict=False)[0]
    assert torch.allclose(sampled(StepSchedule.EULER, torch.tanh), latents, atol=1e-5)


@pytest.mark.parametrize("schedule", [StepSchedule.RENOISED, StepSchedule.RCM])
def test_noise_that_is_added_again_follows_from_the_seed(schedule: StepSchedule) -> None:
    first, again, other = (sampled(schedule, torch.tanh, seed) for seed in (3, 3, 4))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.allclose(first, sampled(StepSchedule.EULER, torch.tanh), atol=1e-2)


@pytest.mark.parametrize("schedule", StepSchedule)
def test_a_perfect_prediction_ends_at_the_picture(schedule: StepSchedule) -> None:
    """Whatever noise is added on the way: the velocity leads from the picture to the noise."""
    picture = torch.full((1, 2, 3, 4, 4), 0.5)
    levels = iter(schedule.levels(4, 5.0))
    assert torch.allclose(sampled(schedule, lambda latents: (latents - picture) / next(levels)), picture, atol=1e-5)


def test_a_name_tells_models_apart_that_are_built_alike() -> None:
    distilled = (fine_tuned.I2V_480P_4STEP, fine_tuned.I2V_720P_4STEP)
    i2v = (official.I2V_14B_480P, official.I2V_14B_720P, fine_tuned.FUN_14B, *distilled)
    told = {
        "wan2.1_i2v_720p_14B_fp16.safetensors": official.I2V_14B_720P,
        "wan2.1_i2v_480p_lightx2v_4step.safetensors": fine_tuned.I2V_480P_4STEP,
        "Wan2.1-I2V-14B-720P-StepDistill-CfgDistill.safetensors": fine_tuned.I2V_720P_4STEP,
        "Wan2_1-Fun-InP-14B_fp8.safetensors": fine_tuned.FUN_14B,
        "funny.safetensors": None,
    }
    for name, model in told.items():
        assert named_like(name, i2v) is model, name


def test_a_distilled_model_has_its_own_steps(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """They are in its folder, so they are part of its identity; drafts need no LoRA."""
    from safetensors.torch import save_file

    from tests.backends.wan.other_layouts import save_as_comfyui, wans_transformer

    files, said = save_as_comfyui(parts, tmp_path / "files"), Said()
    (files / "diffusion_models" / "wan2.1_flf2v.safetensors").unlink()
    single = {name: each.clone() for name, each in wans_transformer(parts).items() if name != "img_emb.emb_pos"}
    save_file(single, files / "diffusion_models" / "wan2.1_i2v_480p_lightx2v_4step.safetensors")
    asked = request([files], tmp_path, tokenizer)
    made = import_model(asked, said)
    assert any("numbers are those of wan2.1-i2v-14b-480p-4step; built alike: " in line for line in said.lines)
    official_numbers = import_model(replace(asked, name="other", like="wan2.1-i2v-14b-480p"), Said())
    card, other = card_of(made.folder), card_of(official_numbers.folder)
    assert card.kinds[ShotKind.I2V].sampling == Sampling(4, (1.0,), 5.0)
    assert (card.is_distilled, other.is_distilled) == (True, False)
    assert card.identity != other.identity
    with pytest.raises(UsageError, match=r"did you mean 'wan2\.1-fun-14b-inp'"):
        import_model(replace(asked, name="third", like="wan2.1-fun-14b-imp"), Said())
    with pytest.raises(UsageError, match="built otherwise"):
        import_model(replace(asked, name="third", like="wan2.2-fun-a14b-inp"), Said())


def distilled_tiny(folder: Path, schedule: StepSchedule) -> Tiny:
    kind = KINDS["t2v-2.1"]
    save_tiny(kind, folder, "FlowMatchEulerDiscreteScheduler")
    config = folder / "scheduler" / "scheduler_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"wan_render_step_schedule": schedule.value}))
    return Tiny(kind, folder, card_of(folder))


def test_frames_of_a_distilled_model_are_sampled_in_its_steps(tmp_path: Path) -> None:
    """In every profile. The same take twice gives equal frames, though new noise is added on the way."""
    models = [distilled_tiny(tmp_path / each.value, each) for each in (StepSchedule.EULER, StepSchedule.RENOISED)]
    frames = []
    for model in (*models, models[1]):
        take = model.take(ShotKind.T2V, sampling=Sampling(4, (1.0,), 5.0))
        renderer = BACKEND.open(model.card, CPU, nobody)
        frames.append(renderer.render(take, plates_of(take), nobody).pixels)
    assert not np.array_equal(frames[0], frames[1])
    assert np.array_equal(frames[1], frames[2])


def test_two_keyframes_through_a_model_whose_clip_sees_one(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As VideoX-Fun does it: the stock pipeline is equal once its CLIP is shown the first keyframe alone."""
    kind = KINDS["i2v-2.1"]
    folder = save_tiny(kind, tmp_path_factory.mktemp("fun") / "model")
    (folder / IMPORT_RECORD).write_text(json.dumps({"version": 1, "like": "wan2.1-fun-14b-inp"}))
    model = Tiny(kind, folder, card_of(folder))
    assert set(model.card.kinds) == {ShotKind.FLF2V, ShotKind.I2V}
    take = model.take(ShotKind.FLF2V)
    plates = plates_of(take)
    pipeline = diffusers().WanImageToVideoPipeline
    seen = pipeline.encode_image
    monkeypatch.setattr(pipeline, "encode_image", lambda self, image, device: seen(self, _first(image), device))
    latents, frames = stock(model, take, plates)
    renderer: Any = BACKEND.open(model.card, CPU, nobody)
    with torch.no_grad():
        assert torch.equal(renderer.latents(take, plates), latents)
    assert np.array_equal(renderer.render(take, plates, nobody).pixels, frames)
    other = replace(plates, last=255 - plates.last) if plates.last is not None else TakeInputs(None, None)
    with torch.no_grad():
        assert not torch.equal(renderer.latents(take, other), latents)


def _first(image: Any) -> Any:
    return image[0] if isinstance(image, list) else image


def test_vace_is_read_from_wans_own_layout(parts: Parts, tokenizer: Path, tmp_path: Path) -> None:
    """Its second blocks are named like blocks, with two projections; all weights are equal to the last bit."""
    vace = diffusers().WanVACETransformer3DModel(
        num_attention_heads=1, text_dim=32, freq_dim=64, ffn_dim=48, num_layers=4, vace_layers=[0, 2]
    )
    files = save_wans_own({**parts, "transformer": vace.bfloat16()}, tmp_path / "Wan2.1-VACE")
    said = Said()
    made = import_model(request([files], tmp_path, tokenizer), said)
    assert any("transformer for bridges (VACE): 4 layers of 128" in line for line in said.lines)
    loaded = diffusers().WanVACETransformer3DModel.from_pretrained(str(made.folder / "transformer"))
    expected = vace.state_dict()
    assert loaded.config.vace_layers == [0, 2]
    assert all(torch.equal(weight.float(), expected[name].float()) for name, weight in loaded.state_dict().items())
    card = card_of(made.folder)
    assert card.resembles is not None
    assert (card.resembles.model, set(card.kinds)) == ("wan2.1-vace-1.3b", {ShotKind.BRIDGE})
