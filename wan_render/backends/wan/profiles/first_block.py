"""The first-block cache: where a step changes little, what the other blocks did in the last one is used again.

The idea is that of ParaAttention's First Block Cache, which diffusers has as hooks too; those cannot run here, where
blocks share their kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from wan_render.backends.wan.profiles.exchange import Exchange


@dataclass
class SkipCount:
    """For one take: its predictions, and in how many of them the blocks behind the first were skipped. A guided step
    has two predictions."""

    predictions: int = 0
    skipped: int = 0

    def note(self, *, is_skipped: bool) -> None:
        """One more prediction."""
        self.predictions += 1
        self.skipped += is_skipped

    def __str__(self) -> str:
        return f"{self.skipped} of {self.predictions} predictions skipped"


@dataclass
class FirstBlock:
    """What is remembered from the last step that was computed in full.

    contribution: what the first block added to the tokens. rest: what all the others did.
    """

    timestep: float | None = None
    contribution: torch.Tensor | None = None
    rest: torch.Tensor | None = None

    def at(self, timestep: float) -> None:
        """Go to a timestep: they fall within a shot, so one that does not begins another."""
        if self.timestep is not None and timestep >= self.timestep:
            self.contribution = self.rest = None
        self.timestep = timestep

    def skips(self, contribution: torch.Tensor, threshold: float, exchange: Exchange) -> bool:
        """Whether the other blocks are skipped in this step: by all devices or by none, since those that went on would
        wait for the others. If not, `computed` follows."""
        if self.contribution is None or self.rest is None:
            return False
        return relative_change(self.contribution, contribution, exchange) < threshold

    def computed(self, contribution: torch.Tensor, rest: torch.Tensor) -> None:
        """Remember a step."""
        self.contribution, self.rest = contribution, rest


def relative_change(before: torch.Tensor, after: torch.Tensor, exchange: Exchange) -> float:
    """Mean absolute difference over mean absolute value, over the tokens of all devices."""
    means = [each.abs().mean(dtype=torch.float32) for each in (after - before, before)]
    change, value = exchange.mean(torch.stack(means)).unbind()
    return float(change / value)
