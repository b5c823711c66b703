"""Encoding and decoding with the VAE, and the noise that a take starts from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl_wan import unpatchify

from wan_render.backends.wan.memory.loaded_components import free_device_bytes
from wan_render.backends.wan.pipeline.finite import NotFiniteError, watched
from wan_render.backends.wan.pipeline.steady import steadily
from wan_render.render_values import Pixels

STEADY_BYTES_PER_PIXEL = 40_000
"""Memory for a float32 encode that keeps one more activation of each layer: 16 GB at 832x480; 11.3 were measured."""


def noise(shape: tuple[int, ...], seed: int, device: torch.device) -> torch.Tensor:
    """Float32 noise from a CPU generator: the same on every device."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32).to(device)


def encode_video(video: torch.Tensor, vae: Any) -> torch.Tensor:
    """Frames (1, 3, frames, height, width) from -1 to 1 as normalised float32 latents."""
    video = video.to(vae.device, vae.dtype)
    with _without_repetition(vae, video):
        latents = vae.encode(video).latent_dist.mode().to(torch.float32)
    mean, inverse_std = _statistics(vae, latents)
    found: torch.Tensor = (latents - mean) * inverse_std
    return found


def decode_video(latents: torch.Tensor, vae: Any, before: torch.Tensor | None = None) -> Pixels:
    """Normalised latents as uint8 frames (frames, height, width, 3). before: latents of the same video that come before
    these. They are decoded first, since the decoder remembers, and their frames are dropped.

    The same as `vae.decode`, but each part of the frames leaves the device at once: all frames in float would take as
    much memory as the decoder's largest layers. Raises NotFiniteError.
    """
    frames, (height, width) = latents.shape[2], latents.shape[3:]
    dropped = 0 if before is None else before.shape[2]
    if before is not None:
        latents = torch.cat([before.to(latents), latents], dim=2)
    latents = latents.to(vae.device, vae.dtype)
    mean, inverse_std = _statistics(vae, latents)
    unnormalised = latents / inverse_std + mean
    weights = next(vae.decoder.parameters()).dtype  # bfloat16 in some profiles
    parts = _in_tiles if vae.use_tiling else _part_by_part
    space, time = vae.config.scale_factor_spatial, vae.config.scale_factor_temporal
    size = (1 + (frames - 1) * time, height * space, width * space, 3)
    found = torch.empty(size, dtype=torch.uint8, pin_memory=latents.is_cuda)  # pinned: the device copies asynchronously
    end = -dropped * time
    with watched(vae.decoder, latents.device) as all_finite:
        for part in parts(unnormalised.to(weights), vae):
            begin, end = end, end + part.shape[2]
            if end > 0:
                found[max(begin, 0) : end].copy_(_rounded(part)[max(-begin, 0) :], non_blocking=True)
    if latents.is_cuda:
        torch.cuda.synchronize(latents.device)
    if not all_finite:
        raise NotFiniteError("decoding")
    pixels: Pixels = found.numpy()
    return pixels


def _part_by_part(latents: torch.Tensor, vae: Any) -> Iterator[torch.Tensor]:
    """Frames (1, 3, frames, height, width) from -1 to 1, for one latent frame after the other."""
    remembered: list[Any] = [None] * sum(1 for _ in vae.decoder.modules())  # one for each causal layer, and more
    shown = vae.post_quant_conv(latents)
    for index in range(shown.shape[2]):
        part = shown[:, :, index : index + 1]
        frames = vae.decoder(part, feat_cache=remembered, feat_idx=[0], first_chunk=index == 0)
        if vae.config.patch_size is not None:
            frames = unpatchify(frames, patch_size=vae.config.patch_size)  # type: ignore[no-untyped-call]  # theirs
        yield frames.clamp(-1.0, 1.0)


def _in_tiles(latents: torch.Tensor, vae: Any) -> Iterator[torch.Tensor]:
    """All frames at once: the tiles are spatial."""
    yield vae.decode(latents, return_dict=False)[0]


def _rounded(video: torch.Tensor) -> torch.Tensor:
    """Frames from -1 to 1 as uint8 (frames, height, width, 3), rounded on the device, half to even."""
    unit = (video[0] * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 3, 0).float()
    return (unit * 255.0).round().to(torch.uint8).contiguous()


def _without_repetition(vae: Any, video: torch.Tensor) -> AbstractContextManager[None]:
    """Encode repeated frames once if there is enough memory. The latents are the same, bit for bit."""
    needed = STEADY_BYTES_PER_PIXEL * video.shape[3] * video.shape[4]
    return steadily(vae) if free_device_bytes(vae.device) >= needed else nullcontext()


def _statistics(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The VAE's mean and 1/std per channel, shaped and typed for `like`."""
    shape = (1, vae.config.z_dim, 1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean).view(shape).to(like.device, like.dtype)
    std = torch.tensor(vae.config.latents_std).view(shape).to(like.device, like.dtype)
    return mean, 1.0 / std
