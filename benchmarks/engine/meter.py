"""How much memory is allocated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch


class Meter(Protocol):
    """Of a device's memory, in GB."""

    def start(self) -> float:
        """Have `peak` begin here. Gives what is allocated."""
        ...

    def allocated(self) -> float: ...

    def peak(self) -> float:
        """The most since `start`."""
        ...


@dataclass(frozen=True)
class TorchMeter:
    """What torch has allocated on a device; 0 on a CPU, where nobody counts."""

    device: torch.device

    def start(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        return self.allocated()

    def allocated(self) -> float:
        return torch.cuda.memory_allocated(self.device) / 1e9 if self.device.type == "cuda" else 0.0

    def peak(self) -> float:
        return torch.cuda.max_memory_allocated(self.device) / 1e9 if self.device.type == "cuda" else 0.0
