"""A condition encoded without computing the same frames again is the same to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.encoded_conditions import condition, encoded
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.pipeline.steady import steadily

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]


def vae_of(model: Tiny) -> Any:
    return FolderLoader(read_checkpoint(model.folder), EXACT["cpu"]).module("vae")


@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
@pytest.mark.parametrize("frames", [1, 5, 81])
@torch.no_grad()
def test_a_condition_is_the_same_to_the_last_bit(tiny: Tinies, name: str, frames: int) -> None:
    vae = vae_of(tiny(name))
    wanted = encoded(vae, condition(frames))
    with steadily(vae):
        assert torch.equal(encoded(vae, condition(frames)), wanted)
        assert torch.equal(encoded(vae, condition(frames)), wanted)  # nothing of the first is taken for its own
    assert torch.equal(encoded(vae, condition(frames)), wanted)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
@torch.no_grad()
def test_on_a_gpu_it_is_too(tiny: Tinies, name: str) -> None:
    vae, video = vae_of(tiny(name)).to("cuda"), condition(81).to("cuda")
    wanted = encoded(vae, video)
    with steadily(vae):
        assert torch.equal(encoded(vae, video), wanted)


@torch.no_grad()
def test_a_moving_video_is_too(tiny: Tinies) -> None:
    vae = vae_of(tiny("flf2v-2.1"))
    video = torch.rand(1, 3, 17, 32, 48, generator=torch.Generator().manual_seed(2)) * 2 - 1
    video[:, :, 5:13] = video[:, :, 5:6]
    wanted = encoded(vae, video)
    with steadily(vae):
        assert torch.equal(encoded(vae, video), wanted)


@torch.no_grad()
def test_most_of_a_condition_is_not_computed_again(tiny: Tinies) -> None:
    vae = vae_of(tiny("flf2v-2.1"))
    calls: list[int] = []
    vae.encoder.down_blocks[0].conv1.register_forward_hook(lambda *_: calls.append(1))
    encoded(vae, condition(81))
    assert len(calls) == 21
    calls.clear()
    with steadily(vae):
        encoded(vae, condition(81))
    assert len(calls) < 8


@torch.no_grad()
def test_layers_are_their_own_again_afterwards_even_if_encoding_failed(tiny: Tinies) -> None:
    vae = vae_of(tiny("flf2v-2.1"))
    with pytest.raises(RuntimeError), steadily(vae):
        vae.encode(torch.zeros(1, 4, 5, 32, 48))
    assert all("forward" not in vars(layer) for layer in vae.encoder.down_blocks)
