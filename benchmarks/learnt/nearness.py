"""How near latents come to the right ones, as a share of their variance."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Nearness:
    """Mean squared errors over the variance: of the first and last latent frame, and of those in the middle."""

    ends: float
    middle: float

    @staticmethod
    def of(found: torch.Tensor, right: torch.Tensor) -> Nearness:
        """Of latents (batch, channels, frames, height, width). The middle is without a quarter at each end."""
        quarter = max(right.shape[2] // 4, 1)
        return Nearness(
            _error(found, right, [0, -1]), _error(found, right, list(range(quarter, right.shape[2] - quarter)))
        )

    def __str__(self) -> str:
        return f"ends {100 * self.ends:.2f} %, middle {100 * self.middle:.2f} %"


def blend(latents: torch.Tensor) -> torch.Tensor:
    """From the first latent frame to the last in even steps."""
    share = torch.linspace(0, 1, latents.shape[2], device=latents.device)[:, None, None]
    return latents[:, :, :1] * (1 - share) + latents[:, :, -1:] * share


def _error(found: torch.Tensor, right: torch.Tensor, frames: list[int]) -> float:
    wanted = right[:, :, frames]
    return float((found[:, :, frames] - wanted).square().mean() / wanted.var())
