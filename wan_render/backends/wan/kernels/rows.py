"""Rows of float8 numbers, with a scale for each row."""

from __future__ import annotations

from dataclasses import dataclass

import torch

FLOAT8 = torch.float8_e4m3fn
LARGEST = 448.0
"""The largest number of float8 e4m3. The smallest normal number is 2^-6, so numbers down to 1/28,672 of a row's largest
keep all three bits."""


@dataclass(frozen=True)
class Rows:
    """values: (rows, features) float8. scales: (rows, 1) float32; a number is its value times its row's scale."""

    values: torch.Tensor
    scales: torch.Tensor

    def float(self) -> torch.Tensor:
        """The numbers, float32."""
        return self.values.float() * self.scales


Activation = torch.Tensor | Rows
"""(tokens, features): the input of a linear layer."""


def quantised(numbers: torch.Tensor) -> Rows:
    """Numbers (rows, features) as float8, scaled so that the largest of each row is the largest of float8."""
    wide = numbers.float()
    scales = wide.abs().amax(dim=-1, keepdim=True).clamp(min=1e-12) / LARGEST
    return Rows((wide / scales).clamp(-LARGEST, LARGEST).to(FLOAT8), scales)
