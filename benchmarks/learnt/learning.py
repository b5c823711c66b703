"""What both trainings share: a schedule of the learning rate over a number of steps, and what is said meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

WARM_UP = 0.03
"""The share of the steps in which the rate rises."""
TIMED_STEPS = 20
"""Steps after which the seconds of a step are known; the first ones compile."""


@dataclass(frozen=True)
class Effort:
    """How long to learn. steps: exactly so many, for a result that can be repeated; else as many as fit the seconds."""

    seconds: float
    steps: int | None = None


def rate_at(share: float, highest: float) -> float:
    """The learning rate after a share of the steps: a linear rise, then half a cosine down to a hundredth."""
    if share < WARM_UP:
        return highest * share / WARM_UP
    return highest * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - WARM_UP) / (1 - WARM_UP))))


def learn(
    what: str,
    effort: Effort,
    parameters: list[torch.nn.Parameter],
    highest_rate: float,
    loss: Callable[[], torch.Tensor],
    after_step: Callable[[int], None] = lambda _: None,
) -> int:
    """Take steps of AdamW; how many. loss: of a new batch, each time."""
    is_cuda = parameters[0].is_cuda
    optimiser = torch.optim.AdamW(parameters, lr=0.0, betas=(0.9, 0.98), weight_decay=0.01, fused=is_cuda)
    begun = time.perf_counter()
    for step, count in _steps(effort):
        for group in optimiser.param_groups:
            group["lr"] = rate_at((step + 1) / count, highest_rate)
        error = loss()
        error.backward()  # type: ignore[no-untyped-call]  # torch types some of its functions
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        after_step(step)
        if (step + 1) % max(count // 20, 1) == 0 or step + 1 == count:
            elapsed = time.perf_counter() - begun
            print(f"{what}: {step + 1} of {count} steps, loss {float(error.detach()):.4f}, {elapsed:.0f} s", flush=True)
    return count


def _steps(effort: Effort) -> Iterator[tuple[int, int]]:
    """Each step with the number of all steps, which is settled when the seconds of a step are known."""
    begun = time.perf_counter()
    count, step, early = effort.steps, 0, 0.0
    while count is None or step < count:
        yield step, count or 1_000_000
        step += 1
        if count is None and step in (TIMED_STEPS // 2, TIMED_STEPS):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            now = time.perf_counter() - begun
            if step == TIMED_STEPS // 2:
                early = now
            else:
                each = (now - early) / (TIMED_STEPS - TIMED_STEPS // 2)
                count = max(step + int((effort.seconds - now) / each), step + 1)
