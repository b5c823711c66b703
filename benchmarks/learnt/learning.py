"""The schedule of a training: how long it lasts, and the rate of its optimisers meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

WARM_UP = 0.02
"""The share of the training in which the rate rises."""
LOOKS = 20
"""How often a training says how far it is."""


@dataclass(frozen=True)
class Effort:
    """How long to learn, without the first step, which compiles. steps: exactly so many, for a result that can be
    repeated; else until the seconds are over."""

    seconds: float
    steps: int | None = None

    def share(self, step: int, begun: float) -> float:
        """What part of it is behind, from 0 to 1, before a step of a training that began then."""
        if self.steps is not None:
            return step / self.steps
        return (time.perf_counter() - begun) / self.seconds


def rate_at(share: float) -> float:
    """The factor of the learning rate after a share of the training: a linear rise, then half a cosine to 0."""
    if share < WARM_UP:
        return share / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP)))


def learn(
    effort: Effort,
    optimisers: Sequence[torch.optim.Optimizer],
    loss: Callable[[], torch.Tensor],
    after_step: Callable[[int], None],
    look: Callable[[], str],
) -> int:
    """Take steps; how many. loss: of a new batch, each time. look: what to print of the model now and then."""
    weights = [weight for each in optimisers for group in each.param_groups for weight in group["params"]]
    rates = [[group["lr"] for group in each.param_groups] for each in optimisers]
    begun, step, looks = time.perf_counter(), 0, 1
    while (share := effort.share(step, begun)) < 1:
        for optimiser, highest in zip(optimisers, rates, strict=True):
            for group, rate in zip(optimiser.param_groups, highest, strict=True):
                group["lr"] = rate * rate_at(share)
        error = loss()
        error.backward()  # type: ignore[no-untyped-call]  # torch types some of its functions
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        for optimiser in optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        after_step(step)
        step += 1
        if step == 1:
            begun = time.perf_counter()  # the first step compiles
        if share >= looks / LOOKS:
            looks += 1
            seconds = time.perf_counter() - begun
            print(f"{seconds:.0f} s, {step} steps, loss {float(error.detach()):.4f}, {look()}", flush=True)
    return step
