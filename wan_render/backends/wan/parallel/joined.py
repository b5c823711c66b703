"""Connects the devices of a group for one take: with NCCL between GPUs, Gloo between CPUs, on this machine only."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import distributed

from wan_render.backends.wan.parallel.layout import Layout
from wan_render.backends.wan.parallel.meeting import unreachable
from wan_render.backends.wan.parallel.ranks import Ranks
from wan_render.backends.wan.parallel.sharding import sharded
from wan_render.backends.wan.parallel.ulysses import Ulysses
from wan_render.errors import MachineError, Problem
from wan_render.render_values import Group

TIMEOUT = timedelta(seconds=600)
"""The time limit of one transfer. On a GPU the transfers of a whole step are queued at once, so it must be longer than
a step. It equals the farm's limit for a step."""

LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"


@dataclass(frozen=True)
class Joined:
    """The devices of a group while they denoise; see denoise.Parallel.

    everyone: all of them.
    guidance: this one and the one that makes the same part of the other prediction; None if guidance is not shared.
    sequence: those that share a prediction with this one; None if no other does.
    """

    layout: Layout
    everyone: Ranks
    guidance: Ranks | None
    sequence: Ranks | None

    def both(
        self, towards: Callable[[], torch.Tensor], away: Callable[[], torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Each half makes one prediction, and all devices of a half have the same bits of it: none diverges."""
        if self.guidance is None:
            return towards(), away()
        found = self.guidance.gathered(away() if self.guidance.rank else towards())
        return found[0], found[1]

    def sharded(self, transformer: Any) -> AbstractContextManager[None]:
        """Inside, the tokens of a prediction are shared with the devices of a half."""
        return nullcontext() if self.sequence is None else sharded(transformer, Ulysses(self.sequence))


@contextmanager
def joined(group: Group, layout: Layout, device: torch.device) -> Iterator[Joined]:
    """Connect to the other devices of a group, which all do the same; disconnect at the end, also after an error.

    Raises LostPeerError if they cannot be reached, MachineError if this build of torch lacks torch.distributed.
    """
    if not distributed.is_available():
        raise MachineError(Problem("torch", "is built without torch.distributed", remedy="install another build"))
    _stay_on_this_machine()
    hook = sys.excepthook  # torch wraps it, again for every group
    try:
        _join(group, device)
        yield _joined(group, layout, device)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
    except BaseException:
        _give_up(device)
        raise
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        sys.excepthook = hook


def _join(group: Group, device: torch.device) -> None:
    is_cuda = device.type == "cuda"
    try:
        store = distributed.FileStore(  # type: ignore[attr-defined]  # torch declares it among its private ones
            str(group.rendezvous / "store"), group.size
        )
        store.set_timeout(TIMEOUT)
        distributed.init_process_group(
            "nccl" if is_cuda else "gloo",
            store=store,
            rank=group.rank,
            world_size=group.size,
            timeout=TIMEOUT,
            device_id=device if is_cuda else None,
        )
    except RuntimeError as fault:
        raise unreachable(group, fault) from fault


def _joined(group: Group, layout: Layout, device: torch.device) -> Joined:
    """All talk through one communicator. With one more for each half, joining took twice as long."""
    world = distributed.group.WORLD
    if world is None:
        raise ValueError("expected to have joined a group")
    place = group.rank % layout.sequence
    everyone = Ranks(world, group, device, range(layout.size))
    counterparts = everyone.only(range(place, layout.size, layout.sequence))
    half = everyone.only(range(group.rank - place, group.rank - place + layout.sequence))
    return Joined(layout, everyone, counterparts, half)


def _give_up(device: torch.device) -> None:
    """Abort NCCL after a failure: it would wait for others that may never answer."""
    if device.type == "cuda" and distributed.is_initialized():
        distributed.distributed_c10d._abort_process_group()


def _stay_on_this_machine() -> None:
    """Use the loopback interface, unless the user has set another. NCCL takes a name after = literally, else as a
    prefix."""
    os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
    os.environ.setdefault("NCCL_SOCKET_IFNAME", f"={LOOPBACK}")
