"""Latents and frames equal those of the stock pipeline bit for bit, for every kind of model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from tests.backends.wan.conftest import CPU, Tiny, nobody, plates_of
from tests.tiny_wan import KINDS, TinyKind, card_of, diffusers, save_tiny
from wan_render.backends.wan import BACKEND
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import FolderLoader, LoadForm
from wan_render.backends.wan.renderer import WanRenderer
from wan_render.render_values import Pixels, TakeInputs
from wan_render.take import Sampling, ShotKind, Size, Take

pytestmark = pytest.mark.wan

EVERY = [(name, kind) for name, model in KINDS.items() for kind in model.kinds]


def stock(tiny: Tiny, take: Take, plates: TakeInputs, **dtypes: Any) -> tuple[torch.Tensor, Pixels]:
    """Latents and frames of diffusers' own pipeline."""
    from PIL import Image

    plain = "WanPipeline" if take.first is None else "WanImageToVideoPipeline"
    cls = getattr(diffusers(), plain if take.bridge is None else "WanVACEPipeline")
    pipe = cls.from_pretrained(str(tiny.folder), local_files_only=True, **dtypes)
    pipe.set_progress_bar_config(disable=True)
    shift = {"flow_shift" if isinstance(pipe.scheduler, diffusers().UniPCMultistepScheduler) else "shift": 5.0}
    pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **shift)
    asked: dict[str, Any] = {
        "prompt": take.prompt,
        "negative_prompt": take.negative,
        "height": take.size.height,
        "width": take.size.width,
        "num_frames": take.frames,
        "num_inference_steps": take.sampling.steps,
        "guidance_scale": take.sampling.guidance[0],
    }
    if tiny.kind.experts == 2:
        asked["guidance_scale_2"] = take.sampling.guidance[1]
    if plates.first is not None:
        asked["image"] = Image.fromarray(plates.first)
    if plates.last is not None:
        asked["last_image"] = Image.fromarray(plates.last)
    if plates.before is not None and plates.after is not None:
        asked |= between(take, plates.before, plates.after)

    if take.sampling.guided_share < 1:
        asked["callback_on_step_end"] = partial(_end_guidance, take.sampling.guided_steps)

    def run(output: str) -> Any:
        return pipe(**asked, generator=torch.Generator("cpu").manual_seed(take.seed), output_type=output).frames

    return run("latent"), np.rint(255 * run("np")[0]).astype(np.uint8)


def _end_guidance(guided_steps: int, pipe: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
    """The way that diffusers' documentation shows; the pipeline reads its scale before each step."""
    if step + 1 == guided_steps:
        pipe._guidance_scale = 1.0
    return tensors


def between(take: Take, before: Pixels, after: Pixels) -> dict[str, Any]:
    """A video to fill, as the documentation of WanVACEPipeline gives it: grey where the mask is white."""
    from PIL import Image

    size = (take.size.width, take.size.height)
    unknown = take.frames - len(before) - len(after)
    black, white = (Image.new("L", size, level) for level in (0, 255))
    return {
        "video": [
            *map(Image.fromarray, before),
            *[Image.new("RGB", size, (128, 128, 128))] * unknown,
            *map(Image.fromarray, after),
        ],
        "mask": [*[black] * len(before), *[white] * unknown, *[black] * len(after)],
    }


def assert_equal(tiny: Tiny, take: Take) -> None:
    plates = plates_of(take)
    latents, frames = stock(tiny, take, plates)
    renderer = BACKEND.open(tiny.card, CPU, nobody)
    assert isinstance(renderer, WanRenderer)
    with torch.no_grad():
        assert torch.equal(renderer.latents(take, plates), latents)
    assert np.array_equal(renderer.render(take, plates, nobody).pixels, frames)


@pytest.mark.parametrize(("name", "kind"), EVERY)
def test_frames_are_those_of_the_stock_pipeline(tiny: Callable[[str], Tiny], name: str, kind: ShotKind) -> None:
    model = tiny(name)
    assert_equal(model, model.take(kind))


def test_two_keyframes_go_through_clip_as_in_the_stock_pipeline(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one batch: on a CPU a CLIP 24 wide that sees 10 tokens rounds otherwise where it sees them one by one."""
    monkeypatch.setenv("WAN_RENDER_KERNELS", "stock")
    kind = replace(KINDS["flf2v-2.1"], clip_width=24, clip_heads=4, clip_side=42)
    folder = save_tiny(kind, tmp_path_factory.mktemp("clip") / "model")
    model = Tiny(kind, folder, card_of(folder))
    assert_equal(model, model.take(ShotKind.FLF2V))


@pytest.mark.parametrize("name", ["flf2v-2.1", "t2v-a14b"])
def test_a_take_without_guidance_equals_the_stock_pipeline(tiny: Callable[[str], Tiny], name: str) -> None:
    model = tiny(name)
    guidance = (1.0,) * model.kind.experts
    sampling = Sampling(steps=3, guidance=guidance, shift=5.0)
    assert_equal(model, model.take(model.kind.kinds[0], sampling=sampling))


@pytest.mark.parametrize("name", ["flf2v-2.1", "i2v-a14b"])
def test_a_take_whose_first_steps_are_guided_equals_the_stock_pipeline(tiny: Callable[[str], Tiny], name: str) -> None:
    model = tiny(name)
    guided = model.take(ShotKind.FLF2V)
    take = replace(guided, sampling=replace(guided.sampling, guided_share=0.5))
    assert 0 < take.sampling.guided_steps < take.sampling.steps
    assert_equal(model, take)
    assert not torch.equal(*(stock(model, each, plates_of(each))[0] for each in (guided, take)))


def test_one_frame_equals_the_stock_pipeline(tiny: Callable[[str], Tiny]) -> None:
    model = tiny("t2v-2.1")
    assert_equal(model, model.take(ShotKind.T2V, frames=1, size=Size(80, 64)))


def test_a_prompt_of_more_than_512_tokens_equals_the_stock_pipeline(tiny: Callable[[str], Tiny]) -> None:
    model = tiny("t2v-2.1")
    assert_equal(model, model.take(ShotKind.T2V, prompt="a long  river &amp; sea " * 60, negative=""))


def test_the_other_scheduler_equals_the_stock_pipeline(tmp_path_factory: pytest.TempPathFactory) -> None:
    kind: TinyKind = KINDS["i2v-a14b"]
    folder = save_tiny(kind, tmp_path_factory.mktemp("euler") / "model", "FlowMatchEulerDiscreteScheduler")
    model = Tiny(kind, folder, card_of(folder))
    assert_equal(model, model.take(ShotKind.FLF2V))


@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b", "vace"])
def test_the_precision_of_cuda_equals_the_stock_pipeline_with_the_same_types(
    tiny: Callable[[str], Tiny], name: str
) -> None:
    """What is asked of a GPU, on the CPU: transformer and text encoder in bfloat16, CLIP and VAE in float32."""
    model = tiny(name)
    take = model.take(model.kind.kinds[-1])
    plates = plates_of(take)
    types = {"default": torch.bfloat16, "vae": torch.float32, "image_encoder": torch.float32}
    latents, frames = stock(model, take, plates, dtype=types)
    precision = LoadForm(torch.bfloat16, torch.bfloat16, torch.float32, torch.float32)
    loader = FolderLoader(read_checkpoint(model.folder), precision)
    renderer = WanRenderer(model.card, loader, torch.device("cpu"), {})
    with torch.no_grad():
        assert torch.equal(renderer.latents(take, plates), latents)
    assert np.array_equal(renderer.render(take, plates, nobody).pixels, frames)


def test_both_experts_take_part(tiny: Callable[[str], Tiny]) -> None:
    """Or else the equality above would say nothing about the second one."""
    model = tiny("i2v-a14b")
    take = model.take(ShotKind.I2V)
    renderer = BACKEND.open(model.card, CPU, nobody)
    other = model.take(ShotKind.I2V, sampling=Sampling(steps=4, guidance=(5.0, 4.0), shift=5.0))
    first, second = (renderer.render(one, plates_of(one), nobody).pixels for one in (take, other))
    assert not np.array_equal(first, second)
