"""Conditions between two keyframes, and what a VAE makes of a video."""

from __future__ import annotations

from typing import Any

import torch


def condition(frames: int, seed: int = 1) -> torch.Tensor:
    """Keyframes at both ends, grey between."""
    video = torch.zeros(1, 3, frames, 32, 48)
    ends = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    video[0, :, 0], video[0, :, -1] = ends
    return video


def encoded(vae: Any, video: torch.Tensor) -> torch.Tensor:
    """The mean of the latents."""
    found: torch.Tensor = vae.encode(video).latent_dist.mode()
    return found
