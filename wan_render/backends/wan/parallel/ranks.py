"""Exchanges tensors between processes. Bits are only moved, never summed on the way, so all processes get the same
values with every transport."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from wan_render.backends.wan.parallel.meeting import unreachable
from wan_render.render_values import Group


@dataclass(frozen=True)
class Ranks:
    """All or some of a group's processes, including this one, in the order of their ranks.

    All must make the same calls, in the same order, with tensors of one shape and type. If one has died, the others get
    a LostPeerError: at once with Gloo; with NCCL after `joined.TIMEOUT`, and NCCL may end the process instead.
    """

    handle: distributed.ProcessGroup
    group: Group
    device: torch.device

    @property
    def rank(self) -> int:
        """This process's index among them."""
        return self.handle.rank()

    @property
    def size(self) -> int:
        """The number of processes."""
        return self.handle.size()

    def gathered(self, own: torch.Tensor) -> torch.Tensor:
        """(size, …): the tensors of all processes."""
        found = own.new_empty((self.size, *own.shape))
        with self._reached():
            distributed.all_gather([_bits(each) for each in found], _bits(own.contiguous()), group=self.handle)
        return found

    def exchanged(self, parts: torch.Tensor) -> torch.Tensor:
        """(size, …) to (size, …): the parts that all processes have for this one."""
        parts = parts.contiguous()
        found = torch.empty_like(parts)
        with self._reached():
            distributed.all_to_all_single(_bits(found), _bits(parts), group=self.handle)
        return found

    def broadcast(self, content: bytes | None) -> bytes:
        """The content from the first process. The others pass None."""
        length = torch.tensor([len(content or b"")], device=self.device)
        with self._reached():
            distributed.broadcast(length, group=self.handle, group_src=0)
        bits = torch.empty(int(length), dtype=torch.uint8, device=self.device)
        if content is not None:
            bits.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        with self._reached():
            distributed.broadcast(bits, group=self.handle, group_src=0)
        return bits.cpu().numpy().tobytes()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Translate exceptions of torch.distributed."""
        try:
            yield
        except (torch.OutOfMemoryError, torch.AcceleratorError):  # this device's own
            raise
        except RuntimeError as fault:
            raise unreachable(self.group, fault) from fault


def _bits(numbers: torch.Tensor) -> torch.Tensor:
    """The bytes of a contiguous tensor: transports support few types."""
    return numbers.view(-1).view(torch.uint8)
