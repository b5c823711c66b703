"""Teaches the small VAE the latents of patch_waves, and to draw the frames between them."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.learnt.learning import Effort, learn
from benchmarks.learnt.moving_scenes import drawn, random_scenes
from benchmarks.learnt.patch_waves import analysed, last_of_each
from benchmarks.learnt.small_model import Scale

RATE = 1e-3
BATCH = 12
WINDOW = 9
"""Frames of what one step looks at: the VAE remembers no more than two. With four whole clips, a step took 0.55 s on an
H100."""


def learn_vae(vae: Any, scale: Scale, effort: Effort, generator: torch.Generator) -> int:
    """Teach it; the number of steps. Half of what the encoder sees are parts of clips, half are keyframes with grey
    between them, as conditions on keyframes are."""
    device = generator.device
    height, width = scale.size.height, scale.size.width
    frames = min(WINDOW, scale.frames)
    length = (frames - 1) / (scale.frames - 1)

    def loss() -> torch.Tensor:
        with torch.no_grad():
            begin = torch.rand((), generator=generator, device=device) * (1 - length)
            times = begin + torch.linspace(0, length, frames, device=device)
            video = drawn(random_scenes(BATCH, width / height, generator), times, height, width)
            shown = torch.cat([video[: BATCH // 2], only_ends(video[BATCH // 2 :])])
            wanted, latents = analysed(last_of_each(shown)), analysed(last_of_each(video))
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            encoded = vae.encode(shown).latent_dist.mode()
            decoded = _decoded(vae, latents)
        of_encoder = torch.nn.functional.mse_loss(encoded.float(), wanted)
        of_decoder = torch.nn.functional.l1_loss(decoded.float(), video)
        return of_encoder + 4 * of_decoder

    return learn("VAE", effort, list(vae.parameters()), RATE, loss)


def only_ends(video: torch.Tensor) -> torch.Tensor:
    """The first and the last frame, with mid-grey (0) between them."""
    found = torch.zeros_like(video)
    found[:, :, 0], found[:, :, -1] = video[:, :, 0], video[:, :, -1]
    return found


def fidelity(vae: Any, scale: Scale, generator: torch.Generator) -> dict[str, float]:
    """PSNR in dB of clips that went through encoder and decoder, and the encoder's error on keyframes, as a share of
    the latents' variance."""
    times = torch.linspace(0, 1, scale.frames, device=generator.device)
    height, width = scale.size.height, scale.size.width
    with torch.no_grad():
        video = drawn(random_scenes(BATCH, width / height, generator), times, height, width)
        decoded = vae.decode(vae.encode(video).latent_dist.mode(), return_dict=False)[0]
        wanted = analysed(last_of_each(only_ends(video)))
        error = vae.encode(only_ends(video)).latent_dist.mode() - wanted
    ends = [0, -1]
    return {
        "PSNR of decoded clips, dB": float(10 * torch.log10(4 / (decoded - video).square().mean())),
        "error of encoded keyframes": float(error[:, :, ends].var() / wanted[:, :, ends].var()),
    }


def _decoded(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """As `vae.decode`, but not clamped: what is too bright has to be learnt from as well."""
    remembered: list[Any] = [None] * sum(1 for _ in vae.decoder.modules())
    shown = vae.post_quant_conv(latents)
    parts = [
        vae.decoder(shown[:, :, at : at + 1], feat_cache=remembered, feat_idx=[0], first_chunk=at == 0)
        for at in range(shown.shape[2])
    ]
    return torch.cat(parts, dim=2)
