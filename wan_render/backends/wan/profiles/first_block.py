"""The first-block cache: if a step changes little, the result of the other blocks is reused from an earlier step.

The idea is ParaAttention's First Block Cache. diffusers has it as hooks, which cannot be used here because blocks share
kernels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from wan_render.backends.wan.profiles.exchange import Exchange


@dataclass
class SkipCount:
    """Counts the predictions of one take, and those in which the blocks after the first were skipped. A guided step has
    two predictions."""

    predictions: int = 0
    skipped: int = 0

    def note(self, *, is_skipped: bool) -> None:
        """Count one prediction."""
        self.predictions += 1
        self.skipped += is_skipped

    def __str__(self) -> str:
        return f"{self.skipped} of {self.predictions} predictions skipped"


@dataclass
class FirstBlock:
    """What is remembered of the last step that was computed in full.

    contribution: what the first block added to the tokens. rest: what all other blocks added.
    """

    timestep: float | None = None
    contribution: torch.Tensor | None = None
    rest: torch.Tensor | None = None

    def at(self, timestep: float) -> None:
        """Begin a timestep. Timesteps fall within a take, so one that does not begins a new take."""
        if self.timestep is not None and timestep >= self.timestep:
            self.contribution = self.rest = None
        self.timestep = timestep

    def skips(self, contribution: torch.Tensor, threshold: float, exchange: Exchange) -> bool:
        """Whether the other blocks can be skipped in this step. If not, call `computed` afterwards. All devices of a
        group decide alike; else some would wait for the others."""
        if self.contribution is None or self.rest is None:
            return False
        return relative_change(self.contribution, contribution, exchange) < threshold

    def computed(self, contribution: torch.Tensor, rest: torch.Tensor) -> None:
        """Remember a step that was computed in full."""
        self.contribution, self.rest = contribution, rest


def relative_change(before: torch.Tensor, after: torch.Tensor, exchange: Exchange) -> float:
    """Mean absolute difference over mean absolute value, over the tokens of all devices."""
    means = [each.abs().mean(dtype=torch.float32) for each in (after - before, before)]
    change, value = exchange.mean(torch.stack(means)).unbind()
    return float(change / value)
