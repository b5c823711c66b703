"""The small model learns from scenes that are what its docstrings say, in the form in which the engine renders."""

from __future__ import annotations

from itertools import pairwise

import torch

from benchmarks.learnt.approaches import REFERENCE, Approach
from benchmarks.learnt.learn_transformer import condition_of
from benchmarks.learnt.learn_vae import only_ends
from benchmarks.learnt.moving_scenes import PROMPTS, drawn, random_scenes
from benchmarks.learnt.patch_waves import analysed, last_of_each
from wan_render.backends.wan.pipeline.conditions import channels
from wan_render.backends.wan.profiles.first_block import SkipCount

FRAMES = 17


def clips() -> torch.Tensor:
    scenes = random_scenes(2, 1.5, torch.Generator().manual_seed(3))
    return drawn(scenes, torch.linspace(0, 1, FRAMES), 32, 48)


def test_prompts_change_what_is_between_the_keyframes_and_nothing_else() -> None:
    scenes = random_scenes(3, 1.5, torch.Generator().manual_seed(3))
    each = [drawn(scenes.told(prompt), torch.tensor([0.0, 0.5, 1.0]), 32, 48) for prompt in range(len(PROMPTS))]
    for one, other in pairwise(each):
        assert torch.allclose(one[:, :, [0, 2]], other[:, :, [0, 2]], atol=1e-4)
        assert (one - other)[:, :, 1].abs().max() > 0.1


def test_the_condition_is_the_one_that_the_engine_makes_of_the_same_keyframes() -> None:
    video = clips()
    encoded = analysed(last_of_each(only_ends(video)))
    ours = condition_of(analysed(last_of_each(video)))
    for at in range(len(video)):
        engines = channels(encoded[at : at + 1], FRAMES, 4, has_last=True).channels
        assert torch.allclose(ours[at : at + 1], engines, atol=1e-5)


def test_a_14b_is_as_fast_as_its_predictions_say() -> None:
    """Of 60 predictions the stock pipeline makes in 30 guided steps."""
    assert REFERENCE.speed(SkipCount()) == 1.34
    assert Approach(30, "fast", guided=0.5).speed(SkipCount()) == 1.97 * 60 / 45
    assert Approach(30, "fast").speed(SkipCount(60, 20)) == 60 / (40.5 / 1.97)


def test_the_first_steps_are_guided_and_the_others_are_not() -> None:
    levels = torch.tensor([1000.0, 750.0, 500.0, 250.0])
    experts = Approach(4, guided=0.5).experts(levels)
    assert [experts.at(level).is_guided for level in levels] == [True, True, False, False]
