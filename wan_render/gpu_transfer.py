"""Pictures to a GPU and back while it computes: through pinned host memory, so that neither side waits.

On a CPU nothing is copied a second time. Imported only by code that has imported torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from wan_render.render_values import Pixels


def uploaded(pictures: Sequence[Pixels], device: torch.device) -> torch.Tensor:
    """Pictures of one size as (n, height, width, 3) uint8 on the device.

    From pageable memory the caller would wait until the GPU has done everything that it was asked for before.
    """
    if device.type != "cuda":
        return torch.from_numpy(np.stack(pictures))
    pinned = torch.empty((len(pictures), *pictures[0].shape), dtype=torch.uint8, pin_memory=True)
    np.stack(pictures, out=pinned.numpy())
    return pinned.to(device, non_blocking=True)


@dataclass(frozen=True)
class Download:
    """Tensors on their way to host memory. They are there once `is_there` has happened; None for now."""

    values: tuple[torch.Tensor, ...]
    is_there: torch.cuda.Event | None

    def awaited(self) -> tuple[torch.Tensor, ...]:
        """The tensors, in host memory. The GPU goes on with what it was asked for since."""
        if self.is_there is not None:
            self.is_there.synchronize()
        return self.values


def begun_download(*values: torch.Tensor) -> Download:
    """Begin to copy tensors of one device to host memory, without waiting for them."""
    if values[0].device.type != "cuda":
        return Download(values, None)
    hosts = tuple(_to_host(each) for each in values)
    event = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch publishes no types for it
    event.record()
    return Download(hosts, event)


def _to_host(values: torch.Tensor) -> torch.Tensor:
    host = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    return host.copy_(values, non_blocking=True)
