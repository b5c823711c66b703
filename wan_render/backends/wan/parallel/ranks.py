"""Exchanges tensors between processes. Bits are only moved, never summed on the way, so all processes get the same
values with every transport. What a process has for itself is not sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import distributed

from wan_render.backends.wan.parallel.meeting import unreachable
from wan_render.render_values import Group

WIDE = torch.complex128
"""The widest type that tensors have."""


@dataclass(frozen=True)
class Ranks:
    """All or some of a group's processes, including this one, in the order of their ranks.

    members: their ranks in `handle`, which connects the whole group.

    All must make the same calls, in the same order, with tensors of one shape and type. If one has died, the others get
    a LostPeerError: at once with Gloo; with NCCL after `joined.TIMEOUT`, and NCCL may end the process instead.
    """

    handle: distributed.ProcessGroup
    group: Group
    device: torch.device
    members: range

    @property
    def rank(self) -> int:
        """This process's index among them."""
        return self.members.index(self.group.rank)

    @property
    def size(self) -> int:
        """The number of processes."""
        return len(self.members)

    def only(self, members: range) -> Ranks | None:
        """Some of them; None if this process would be alone."""
        return replace(self, members=members) if len(members) > 1 else None

    def gathered(self, own: torch.Tensor) -> torch.Tensor:
        """(size, …): the tensors of all processes."""
        of_each = own.contiguous().expand(self.size, *own.shape)
        return self.exchanging(of_each, own.new_empty(of_each.shape))()

    def exchanging(self, parts: torch.Tensor, found: torch.Tensor) -> Callable[[], torch.Tensor]:
        """Begin to exchange (size, …): every process gets the parts that all have for it, in `found`. They are there
        when the result is called, which gives `found`; until then this process may compute."""
        given, places = _widened(parts, found)
        sent = {rank: given[rank].contiguous() for rank in self._others}
        landed = {rank: _contiguous(places[rank]) for rank in self._others}
        await_all = self._moving(sent, landed)
        places[self.rank].copy_(given[self.rank])

        def arrived() -> torch.Tensor:
            await_all()
            sent.clear()  # they were read until here
            for rank, each in landed.items():
                if each.data_ptr() != places[rank].data_ptr():
                    places[rank].copy_(each)
            return found

        return arrived

    def broadcast(self, content: bytes | None) -> bytes:
        """The content from the first process. The others pass None."""
        length = self._from_first(torch.tensor([len(content or b"")], device=self.device))
        bits = torch.empty(int(length), dtype=torch.uint8, device=self.device)
        if content is not None:
            bits.copy_(torch.frombuffer(bytearray(content), dtype=torch.uint8))
        return self._from_first(bits).cpu().numpy().tobytes()

    @property
    def _others(self) -> tuple[int, ...]:
        return tuple(rank for rank in range(self.size) if rank != self.rank)

    def _from_first(self, numbers: torch.Tensor) -> torch.Tensor:
        """The first process's numbers, in place."""
        is_first = self.rank == 0
        self._moving(dict.fromkeys(self._others, numbers) if is_first else {}, {} if is_first else {0: numbers})()
        return numbers

    def _moving(self, sent: Mapping[int, torch.Tensor], landed: Mapping[int, torch.Tensor]) -> Callable[[], None]:
        """Begin to send and to receive contiguous tensors, by rank. A call waits for all of them."""
        transfers = [self._transfer(distributed.irecv, tensor, rank) for rank, tensor in landed.items()]
        transfers += [self._transfer(distributed.isend, tensor, rank) for rank, tensor in sent.items()]
        with self._reached():
            begun = distributed.batch_isend_irecv(transfers)

        def await_all() -> None:
            with self._reached():
                for each in begun:
                    each.wait()

        return await_all

    def _transfer(self, kind: Any, tensor: torch.Tensor, rank: int) -> distributed.P2POp:
        return distributed.P2POp(kind, _bits(tensor), group=self.handle, group_peer=self.members[rank])

    @contextmanager
    def _reached(self) -> Iterator[None]:
        """Translate exceptions of torch.distributed."""
        try:
            yield
        except (torch.OutOfMemoryError, torch.AcceleratorError):  # this device's own
            raise
        except RuntimeError as fault:
            raise unreachable(self.group, fault) from fault


def _contiguous(place: torch.Tensor) -> torch.Tensor:
    """A contiguous tensor of this shape: the place itself if it is one."""
    return place if place.is_contiguous() else torch.empty_like(place, memory_format=torch.contiguous_format)


def _widened(parts: torch.Tensor, found: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same bits, 16 bytes to a number where the last dimension allows it: a GPU copies rows with gaps number by
    number."""
    try:
        return parts.view(WIDE), found.view(WIDE)
    except RuntimeError:  # too short, or of an odd length
        return parts, found


def _bits(numbers: torch.Tensor) -> torch.Tensor:
    """The bytes of a contiguous tensor: transports support few types."""
    return numbers.view(-1).view(torch.uint8)
