"""The encoder in fewer passes gives what diffusers' own gives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.encoded_conditions import condition, encoded
from tests.backends.wan.forwards import relative_error
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.kernels.decoder import TorchVaeOperations
from wan_render.backends.wan.kernels.encoder import fuse_encoder
from wan_render.backends.wan.pipeline.steady import steadily

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]


def vaes(model: Tiny) -> tuple[Any, Any]:
    """One as diffusers has it, and a fused one with the same weights."""
    vae = FolderLoader(read_checkpoint(model.folder), EXACT["cpu"]).module("vae")
    for number, parameter in enumerate(vae.parameters()):  # biases and gammas of new modules are zeros and ones
        parameter.data = parameter + 0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(number))
    changed = copy.deepcopy(vae)
    fuse_encoder(changed, TorchVaeOperations())
    return vae, changed


def video(frames: int) -> torch.Tensor:
    return torch.rand(1, 3, frames, 32, 48, generator=torch.Generator().manual_seed(frames)) * 2 - 1


@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
@pytest.mark.parametrize("frames", [1, 5, 17])
@torch.no_grad()
def test_latents_are_the_same(tiny: Tinies, name: str, frames: int) -> None:
    vae, changed = vaes(tiny(name))
    left = {type(part).__name__ for part in changed.encoder.modules()}
    assert left.isdisjoint({"WanResidualBlock", "WanCausalConv3d"})
    wanted = encoded(vae, video(frames))
    assert wanted.std() > 0.01
    assert relative_error(encoded(changed, video(frames)), wanted) < 1e-5
    assert relative_error(encoded(changed, video(frames)), wanted) < 1e-5  # nothing is left of the first


@torch.no_grad()
def test_latents_encoded_in_tiles_are_the_same(tiny: Tinies) -> None:
    vae, changed = vaes(tiny("flf2v-2.1"))
    for each in (vae, changed):
        each.enable_tiling(32, 32, 16, 16)
    assert relative_error(encoded(changed, video(5)), encoded(vae, video(5))) < 1e-5


@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
@torch.no_grad()
def test_a_condition_without_repetition_is_the_same_to_the_last_bit(tiny: Tinies, name: str) -> None:
    _, changed = vaes(tiny(name))
    wanted = encoded(changed, condition(81))
    with steadily(changed):
        assert torch.equal(encoded(changed, condition(81)), wanted)
