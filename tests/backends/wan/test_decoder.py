"""The decoder in fewer passes gives what diffusers' own gives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.forwards import relative_error
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.kernels.decoder import TorchVaeOperations, fuse

pytestmark = pytest.mark.wan

Tinies = Callable[[str], Tiny]


def vae_of(model: Tiny) -> Any:
    return FolderLoader(read_checkpoint(model.folder), EXACT["cpu"]).module("vae")


def fused(vae: Any) -> Any:
    changed = copy.deepcopy(vae)
    for number, parameter in enumerate(changed.parameters()):  # biases and gammas of new modules are zeros and ones
        generator = torch.Generator().manual_seed(number)
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    vae.load_state_dict(changed.state_dict())
    fuse(changed, TorchVaeOperations())
    return changed


def latents(vae: Any, frames: int, height: int = 6, width: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.randn(1, vae.config.z_dim, frames, height, width, generator=generator)


def decoded(vae: Any, numbers: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = vae.decode(numbers, return_dict=False)[0]
    return found


@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
@pytest.mark.parametrize("frames", [1, 2, 3, 6])
@torch.no_grad()
def test_frames_are_the_same(tiny: Tinies, name: str, frames: int) -> None:
    vae = vae_of(tiny(name))
    changed = fused(vae)
    left = {type(part).__name__ for part in changed.decoder.modules()}
    assert left.isdisjoint({"WanResidualBlock", "WanCausalConv3d", "WanUpsample"})
    wanted = decoded(vae, latents(vae, frames))
    assert wanted.std() > 0.01
    assert relative_error(decoded(changed, latents(vae, frames)), wanted) < 1e-5
    assert relative_error(decoded(changed, latents(vae, frames)), wanted) < 1e-5  # nothing is left of the first


@torch.no_grad()
def test_frames_decoded_in_tiles_are_the_same(tiny: Tinies) -> None:
    vae = vae_of(tiny("flf2v-2.1"))
    changed = fused(vae)
    shown = latents(vae, 2, 12, 12)
    for each in (vae, changed):
        each.enable_tiling(64, 64, 48, 48)
    assert relative_error(decoded(changed, shown), decoded(vae, shown)) < 1e-5


@torch.no_grad()
def test_in_bfloat16_it_errs_no_more_than_diffusers(tiny: Tinies) -> None:
    vae = vae_of(tiny("flf2v-2.1"))
    changed, stock = fused(vae), copy.deepcopy(vae).bfloat16()
    shown, wanted = latents(vae, 5), decoded(vae, latents(vae, 5))
    found = decoded(changed.bfloat16(), shown.bfloat16()).float()
    assert relative_error(found, wanted) < 1.1 * relative_error(decoded(stock, shown.bfloat16()).float(), wanted)


@torch.no_grad()
def test_the_encoder_is_as_it_was(tiny: Tinies) -> None:
    vae = vae_of(tiny("flf2v-2.1"))
    changed = fused(vae)
    video = torch.rand(1, 3, 9, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert torch.equal(changed.encode(video).latent_dist.mode(), vae.encode(video).latent_dist.mode())
