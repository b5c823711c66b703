"""The latents that the small VAE is taught: for each 8x8 pixels the sixteen strongest waves of JPEG's transform.

They keep ten waves of brightness and three of each colour difference. A latent frame is that of the last of the frames
that it stands for, so the last latent frame of a clip is that of its last keyframe.
"""

from __future__ import annotations

import math

import torch

EDGE = 8
STEP = 4
"""Frames per latent frame, after the first."""

_LUMA = ((0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2), (0, 3), (1, 2), (2, 1), (3, 0))
_CHROMA = ((0, 0), (0, 1), (1, 0))
_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Brightness and colour differences of RGB (ITU-R BT.601, as in JFIF)."""

CHANNELS = len(_LUMA) + 2 * len(_CHROMA)

STRENGTHS = (4.0, 26.0, 26.0, *(44.0,) * 3, *(50.0,) * 4, *(4.2, 26.0, 26.0) * 2)
"""What each wave is multiplied by. Deviations over the scenes are then 1 for means and 0.3 to 0.7 for other waves
(`deviations`), so that means count for more, as in a learnt VAE."""


def waves(device: torch.device) -> torch.Tensor:
    """The kernels of a convolution: (channels, 3, 8, 8), before STRENGTHS. Each has length 1 in its colour."""
    return torch.stack(
        [
            torch.tensor(colour)[:, None, None] * _wave(*order) / EDGE
            for colour, orders in zip(_YCC, (_LUMA, _CHROMA, _CHROMA), strict=True)
            for order in orders
        ]
    ).to(device)


def analysed(pictures: torch.Tensor) -> torch.Tensor:
    """Latents (batch, 16, frames, height / 8, width / 8) of pictures (batch, 3, frames, height, width)."""
    batch, _, frames = pictures.shape[:3]
    strengths = torch.tensor(STRENGTHS, device=pictures.device)[:, None, None, None]
    kernels = (waves(pictures.device) * strengths).to(pictures.dtype)
    flat = pictures.transpose(1, 2).flatten(0, 1)
    found = torch.nn.functional.conv2d(flat, kernels, stride=EDGE)
    return found.view(batch, frames, *found.shape[1:]).transpose(1, 2)


def last_of_each(video: torch.Tensor) -> torch.Tensor:
    """Of frames (batch, 3, frames, …) those that latent frames are taken from: 0, 4, 8, …"""
    return video[:, :, ::STEP]


def deviations(latents: torch.Tensor) -> tuple[float, ...]:
    """The standard deviation of each channel: of latents (batch, channels, frames, height, width)."""
    return tuple(float(each) for each in latents.transpose(0, 1).flatten(1).std(dim=1))


def _wave(down: int, across: int) -> torch.Tensor:
    """A wave of the orthonormal cosine transform of type II, (8, 8)."""
    at = (2 * torch.arange(EDGE) + 1) * math.pi / (2 * EDGE)

    def along(order: int) -> torch.Tensor:
        scale = math.sqrt((1 if order == 0 else 2) / EDGE)
        return scale * torch.cos(order * at)

    return along(down)[:, None] * along(across)[None, :]
