"""Forwards of a transformer by itself: its inputs, and how far two results are apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from wan_render.backends.wan.checkpoint.checkpoint_folder import read_checkpoint
from wan_render.backends.wan.checkpoint.loading import EXACT, FolderLoader
from wan_render.backends.wan.kernels.arithmetic import Arithmetic
from wan_render.backends.wan.kernels.attention import SDPA, Chosen
from wan_render.backends.wan.kernels.float8_arithmetic import Float8
from wan_render.backends.wan.kernels.operations import TorchOperations
from wan_render.backends.wan.profiles.prepare import arithmetic_of
from wan_render.backends.wan.profiles.render_profile import Profile
from wan_render.backends.wan.profiles.transformer import AcceleratedTransformer, PatchBlock, no_patch
from wan_render.backends.wan.profiles.weight_storage import ALL_ON_DEVICE, WeightStorage


def loaded(folder: Path) -> Any:
    """diffusers' transformer of a tiny checkpoint."""
    return FolderLoader(read_checkpoint(folder), EXACT["cpu"]).module("transformer")


def reference(
    transformer: Any,
    profile: Profile,
    attend_float8: Any = None,
    patch_block: PatchBlock = no_patch,
    storage: WeightStorage = ALL_ON_DEVICE,
) -> AcceleratedTransformer:
    """The same in plain torch, on any device: the reference for the fused kernels. In float8, `transformer` cannot be
    used afterwards."""
    operations, attend = TorchOperations(), Chosen(SDPA)
    arithmetic: Arithmetic = arithmetic_of(profile.linears, profile.attention, operations, attend)
    if isinstance(arithmetic, Float8):
        arithmetic = replace(arithmetic, attend_float8=attend_float8)
    device = next(transformer.parameters()).device
    made = AcceleratedTransformer(transformer, arithmetic, operations, attend, device, patch_block, storage).eval()
    made.first_block_threshold = profile.first_block_threshold
    return made


def inputs_of(transformer: Any, seed: int = 1, latents: tuple[int, int, int] = (5, 6, 8)) -> dict[str, Any]:
    """latents: frames, height, width. A frame has a quarter as many tokens: 12 of 6 by 8."""
    generator = torch.Generator().manual_seed(seed)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    config = transformer.config
    asked: dict[str, Any] = {
        "hidden_states": numbers(1, config.in_channels, *latents),
        "timestep": torch.tensor([612.0]),
        "encoder_hidden_states": numbers(1, 512, config.text_dim),
        "return_dict": False,
    }
    if config.image_dim is not None:
        pictures = 1 if config.pos_embed_seq_len is None else 2
        asked["encoder_hidden_states_image"] = numbers(pictures, 5, config.image_dim)
    return asked


def attend_exactly(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scales: tuple[torch.Tensor, ...]
) -> torch.Tensor:
    """What FlashAttention 3 computes of float8, but for the rounding of its probabilities."""
    wide = (part.float() * scale.view(1, 1, -1, 1) for part, scale in zip((query, key, value), scales, strict=True))
    return SDPA.attend(*wide)


def relative_error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((found - wanted).norm() / wanted.norm())
