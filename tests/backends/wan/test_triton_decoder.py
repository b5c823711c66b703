"""The decoder's fused kernels against plain torch: on a GPU, or where there is none in Triton's interpreter."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.backends.wan.conftest import Tiny
from tests.backends.wan.forwards import relative_error
from tests.backends.wan.triton_here import DEVICE, needs_triton
from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.kernels.decoder import TorchVaeOperations, VaeOperations, fuse

pytestmark = [pytest.mark.wan, pytest.mark.gpu, pytest.mark.usefixtures("kernels"), needs_triton]

Tinies = Callable[[str], Tiny]

ROUNDING = {torch.float32: 1e-5, torch.bfloat16: 0.006}
"""Relative error: where a GPU rounds to the nearest bfloat16, the interpreter cuts bits off."""


def fused() -> VaeOperations:
    from wan_render.backends.wan.kernels.triton_decoder import TritonVaeOperations

    return TritonVaeOperations()


def numbers(seed: int, dtype: torch.dtype, *shape: int) -> torch.Tensor:
    found = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(DEVICE, dtype)
    return found.contiguous(memory_format=torch.channels_last_3d) if len(shape) == 5 else found


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize("channels", [3, 96, 384])
@pytest.mark.parametrize("has_bias", [False, True])
def test_norm_and_silu(dtype: torch.dtype, channels: int, has_bias: bool) -> None:  # noqa: FBT001 - pytest gives it
    pixels = numbers(1, dtype, 1, channels, 2, 5, 7)
    bias = numbers(2, dtype, channels) if has_bias else None
    gamma = numbers(3, dtype, channels)
    found, wanted = (
        torch.zeros((1, channels, 4, 5, 7), dtype=dtype, device=DEVICE).contiguous(memory_format=torch.channels_last_3d)
        for _ in range(2)
    )
    fused().norm_silu(pixels, bias, gamma, found[:, :, 2:])
    TorchVaeOperations().norm_silu(pixels, bias, gamma, wanted[:, :, 2:])
    assert relative_error(found, wanted) < ROUNDING[dtype]
    assert not found[:, :, :2].any()


@pytest.mark.parametrize("dtype", ROUNDING)
def test_addition(dtype: torch.dtype) -> None:
    one, other, bias = (
        numbers(1, dtype, 1, 24, 2, 5, 7),
        numbers(2, dtype, 1, 24, 2, 5, 7),
        numbers(3, dtype, 24),
    )
    wanted = TorchVaeOperations().add(one, bias, other)
    assert relative_error(fused().add(one, bias, other), wanted) < ROUNDING[dtype]


def test_another_layout_is_refused() -> None:
    pixels = torch.zeros(1, 24, 2, 5, 7, device=DEVICE)
    with pytest.raises(ValueError, match="channels last"):
        fused().norm_silu(pixels, None, torch.ones(24, device=DEVICE), pixels)


@pytest.mark.parametrize("name", ["flf2v-2.1", "ti2v-5b"])
@torch.no_grad()
def test_a_whole_decode(tiny: Tinies, name: str) -> None:
    vae: Any = FolderLoader(read_checkpoint(tiny(name).folder), EXACT["cpu"]).module("vae").to(DEVICE)
    changed = copy.deepcopy(vae)
    fuse(changed, fused())
    latents = numbers(4, torch.float32, 1, vae.config.z_dim, 3, 4, 6)
    wanted = vae.decode(latents, return_dict=False)[0]
    assert relative_error(changed.decode(latents, return_dict=False)[0], wanted) < 0.001  # TF32 on a GPU
