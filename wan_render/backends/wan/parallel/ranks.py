"""Processes between which tensors go. Bits are moved and numbers are not added up on the way, so what arrives is the
same everywhere, whatever the transport."""

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
    """Some of a group's processes, this one among them, in the order of their ranks.

    group: the whole, of which they may be a part.
    All of them have to ask for the same, in the same order, with tensors of one shape and type. Where one has died the
    others get a LostPeerError: at once by Gloo; NCCL notices after `joined.TIMEOUT`, and may end the process instead.
    """

    handle: distributed.ProcessGroup
    group: Group
    device: torch.device

    @property
    def rank(self) -> int:
        """This process's place among them."""
        return self.handle.rank()

    @property
    def size(self) -> int:
        """How many there are."""
        return self.handle.size()

    def gathered(self, own: torch.Tensor) -> torch.Tensor:
        """(size, …): what each of them gave."""
        found = own.new_empty((self.size, *own.shape))
        with self._reached():
            distributed.all_gather([_bits(each) for each in found], _bits(own.contiguous()), group=self.handle)
        return found

    def exchanged(self, parts: torch.Tensor) -> torch.Tensor:
        """(size, …) to (size, …): the part that each of them had for this one."""
        parts = parts.contiguous()
        found = torch.empty_like(parts)
        with self._reached():
            distributed.all_to_all_single(_bits(found), _bits(parts), group=self.handle)
        return found

    def given(self, content: bytes | None) -> bytes:
        """The content that the first of them gives; the others give None."""
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
        """What torch.distributed raises, in our words."""
        try:
            yield
        except (torch.OutOfMemoryError, torch.AcceleratorError):  # this device's own
            raise
        except RuntimeError as fault:
            raise unreachable(self.group, fault) from fault


def _bits(numbers: torch.Tensor) -> torch.Tensor:
    """The memory of a contiguous tensor; transports know few types."""
    return numbers.view(-1).view(torch.uint8)
