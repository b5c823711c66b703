"""The small model learns from scenes that are what its docstrings say, in the form in which the engine renders."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from benchmarks.learnt.approaches import EXACT_ATTENTION, REFERENCE, Approach
from benchmarks.learnt.chosen_layers import chosen_layers
from benchmarks.learnt.equal_speed import Curve, gain, with_error
from benchmarks.learnt.learn_transformer import condition_of
from benchmarks.learnt.linear_vae import linear_vae
from benchmarks.learnt.moving_scenes import PROMPTS, drawn, drawn_again, mist_deviations, random_scenes
from benchmarks.learnt.nearness import Nearness, blend
from benchmarks.learnt.orthogonal_steps import OrthogonalSteps, orthogonal
from benchmarks.learnt.packed_frames import EDGE, analysed, of_ends, only_ends, packed, unpacked
from benchmarks.learnt.right_clips import RightClips
from benchmarks.learnt.small_model import CLIP, ON_A_CPU, PICTURE_TOKENS, transformer_of
from tests.backends.wan.forwards import attend_exactly, inputs_of, reference
from wan_render.backends.wan.kernels.attention_check import SLOWER_BY
from wan_render.backends.wan.pipeline.conditions import channels
from wan_render.backends.wan.profiles.first_block import SkipCount
from wan_render.backends.wan.profiles.render_profile import FAST

FRAMES = 9


def clips(grain: int = 1) -> torch.Tensor:
    scenes = random_scenes(2, 5 / 3, torch.Generator().manual_seed(3))
    return drawn(scenes, torch.linspace(0, 1, FRAMES), 48, 80, grain)


def test_prompts_change_what_is_between_the_keyframes_and_nothing_else() -> None:
    scenes = random_scenes(3, 1.5, torch.Generator().manual_seed(3))
    each = [drawn(scenes.told(prompt), torch.tensor([0.0, 0.5, 1.0]), 32, 48) for prompt in range(len(PROMPTS))]
    for one, other in pairwise(each):
        assert torch.allclose(one[:, :, [0, 2]], other[:, :, [0, 2]], atol=1e-4)
        assert (one - other)[:, :, 1].abs().max() > 0.1


def test_coarse_pictures_are_the_means_of_fine_ones() -> None:
    assert torch.allclose(packed(clips(EDGE)), analysed(clips()), atol=1e-4)
    assert torch.allclose(unpacked(packed(clips(EDGE))), clips(EDGE), atol=1e-5)


@torch.no_grad()
def test_the_vae_makes_and_draws_the_latents_that_the_transformer_learns_from() -> None:
    """40 dB are an error of 2.5 of 255 levels. Balls are larger in the large model's clips, which have 53 dB."""
    vae, video = linear_vae(8), clips()
    assert torch.allclose(vae.encode(video).latent_dist.mode(), analysed(video), atol=1e-3)
    ends = vae.encode(only_ends(video)).latent_dist.mode()
    assert torch.allclose(ends, of_ends(clips(EDGE)), atol=1e-3)
    drawn_again = vae.decode(analysed(video), return_dict=False)[0]
    assert 10 * torch.log10(4 / (drawn_again - video).square().mean()) > 40


def test_the_condition_is_the_one_that_the_engine_makes_of_the_same_keyframes() -> None:
    ends = of_ends(clips(EDGE))
    ours = condition_of(ends)
    for at in range(len(ends)):
        engines = channels(ends[at : at + 1], FRAMES, 4, has_last=True).channels
        assert torch.allclose(ours[at : at + 1], engines, atol=1e-5)


def test_a_right_clip_has_no_error_and_a_blend_has_one_in_its_middle() -> None:
    right = packed(clips(EDGE))
    assert Nearness.of(right, right) == Nearness(0, 0)
    assert Nearness.of(blend(right), right).middle > 0.2


def test_the_nearest_right_clip_may_have_any_height_pace_and_mist() -> None:
    """Only a clip for another prompt is wrong."""
    scale = replace(ON_A_CPU, frames=FRAMES)
    scenes = random_scenes(2, 5 / 3, torch.Generator().manual_seed(3)).told(1)
    latents = packed(drawn(scenes, torch.linspace(0, 1, FRAMES), 48, 80, EDGE))
    right = RightClips(scale, torch.device("cpu"))
    for at in range(2):
        scene = scenes.part([at])
        unaware = drawn_again(scene, torch.Generator().manual_seed(4))
        found = right.nearest(latents[at : at + 1], unaware)
        assert found.nearness.middle < 0.001
        expected = (scene.mist / mist_deviations(torch.device("cpu"))).square().mean()
        assert found.mist == pytest.approx(float(expected), rel=0.05)
        assert right.nearest(latents[at : at + 1], unaware.told(2)).nearness.middle > 0.1


def test_an_orthogonal_step_turns_and_scales_nothing_but_makes_all_directions_count() -> None:
    rows = torch.linalg.qr(torch.randn(6, 4, generator=torch.Generator().manual_seed(3)))[0]
    lopsided = rows @ torch.diag(torch.tensor([1.0, 0.5, 0.2, 0.05]))
    found = orthogonal(torch.stack([lopsided])).float()[0]
    assert torch.linalg.svdvals(found) == pytest.approx(1, abs=0.35)
    assert (rows.T @ found - torch.diag(torch.diag(rows.T @ found))).abs().max() < 0.05


def test_orthogonal_steps_lead_to_the_least_error() -> None:
    wanted = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(3))
    found = [torch.nn.Parameter(torch.zeros(4, 3)) for _ in wanted]
    optimiser = OrthogonalSteps(found, lr=0.1, weight_decay=0.0)
    for _ in range(100):
        sum((one - other).square().sum() for one, other in zip(found, wanted, strict=True)).backward()
        optimiser.step()
        optimiser.zero_grad()
    assert (torch.stack(list(found)) - wanted).square().mean() < 0.02 * wanted.square().mean()


def test_a_14b_is_as_fast_as_its_predictions_say() -> None:
    """Of 60 predictions the stock pipeline makes in 30 guided steps."""
    assert REFERENCE.speed(SkipCount()) == 1.34
    assert Approach(30, "fast", guided=0.5).speed(SkipCount()) == 1.97 * 60 / 45
    assert Approach(30, "fast").speed(SkipCount(60, 20)) == 60 / (40.5 / 1.97)
    assert Approach(30, "fast").speed(SkipCount(), exact_layers=1) == pytest.approx(1.97 / (1 + SLOWER_BY))


def test_fewer_steps_are_compared_at_the_same_speed() -> None:
    curve = Curve.of([(4.0, (30.0, 20.0)), (1.0, (40.0, 40.0))])
    assert curve is not None
    assert curve.at(2.0) == pytest.approx((35.0, 30.0))
    assert curve.at(5.0) is None
    assert with_error((36.0, 31.0), (35.0, 30.0)) == "+1.00 ± 0.00"


def test_an_approach_says_which_layers_attend_in_float8() -> None:
    assert str(EXACT_ATTENTION) == "fast, 30 steps, attention in float8 in no layer"
    assert str(replace(EXACT_ATTENTION, in_float8=(0, 3))).endswith("attention in float8 in layers 0, 3")


def test_an_approach_is_compared_with_takes_of_the_guidance_that_is_meant() -> None:
    strong = Approach(22, "fast", guidance=4, meant=4)
    assert strong.reference == Approach(30, guidance=4, meant=4)
    assert strong.only_takes_fewer_steps
    assert str(strong) == "fast, 22 steps, guidance 4"
    for other in (replace(strong, guided=0.5), replace(strong, guidance=1), replace(strong, solver="euler")):
        assert other.reference == strong.reference
        assert not other.only_takes_fewer_steps
    assert str(Approach(30, guidance=1)) == "exact, 30 steps, guidance 1 in place of 2"


@torch.no_grad()
def test_only_the_chosen_layers_attend_in_float8_and_their_errors_are_noted() -> None:
    torch.manual_seed(3)
    stock = transformer_of(replace(ON_A_CPU, layers=3)).eval()
    torch.nn.init.normal_(stock.proj_out.weight, std=0.1)
    pictures = torch.randn(2, PICTURE_TOKENS, CLIP["hidden_size"])
    asked = inputs_of(stock, latents=(3, 4, 6)) | {"encoder_hidden_states_image": pictures}
    found = {}
    for chosen in ((), (1,), (0, 1, 2)):
        model = reference(copy.deepcopy(stock), FAST, attend_exactly)
        with chosen_layers(model, chosen) as errors:
            found[chosen] = model(**asked)[0]
        assert set(errors) == set(chosen)
        assert all(0.005 < error < 0.2 for error in errors.values())
        assert len(model.exact_layers) == 3 - len(chosen)
    assert not torch.equal(found[()], found[(1,)])
    free = model(**asked)[0]
    assert torch.equal(free, found[(0, 1, 2)]), "afterwards the checks decide again, and no layer is peaky"


def test_takes_that_are_nearer_are_counted() -> None:
    assert gain((36.0, 29.0), (35.0, 30.0)) == "+0.00 ± 1.00 (1 of 2)"
    assert gain((36.0, 29.0), None) == ""
