"""A process's part in a group, from joining it until the take is denoised."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from wan_render.backends.wan.parallel.joined import joined
from wan_render.backends.wan.parallel.layout import Layout
from wan_render.backends.wan.parallel.meeting import Meeting, Say
from wan_render.backends.wan.parallel.parcel import packed, unpacked
from wan_render.backends.wan.pipeline.denoise import Context, Parallel
from wan_render.render_values import Group


@dataclass(frozen=True)
class GroupMember:
    """This process as a member of a group."""

    group: Group
    layout: Layout
    device: torch.device

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Inside, the others see this process as present. When the leader leaves, it ends the group."""
        with Meeting(self.group).present():
            try:
                yield
            finally:
                if self.group.rank == 0:
                    self.group.end()

    @contextmanager
    def led(self, context: Context, waiting: Say, joining: Say) -> Iterator[Parallel]:
        """The leader's part: wait for the others, join, and send them the encodings. Raises LostPeerError.

        waiting: called regularly while others are not ready. joining: called once when all are; then nothing is called
        until the last has joined.
        """
        Meeting(self.group).begin(waiting)
        joining()
        with joined(self.group, self.layout, self.device) as found:
            found.everyone.broadcast(packed(context))
            yield found

    @contextmanager
    def followed(self, waiting: Say, joining: Say, *, per_token: bool) -> Iterator[tuple[Context, Parallel] | None]:
        """The part of the other members: yields what the leader sends; None if it does not need them. waiting, joining:
        see `led`. Raises LostPeerError."""
        if not Meeting(self.group).await_leader(waiting):
            yield None
            return
        joining()
        with joined(self.group, self.layout, self.device) as found:
            yield unpacked(found.everyone.broadcast(None), self.device, per_token=per_token), found
