"""A process's part in a group, from its coming until the take is denoised."""

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
    """The others of a group, for the process whose device this is."""

    group: Group
    layout: Layout
    device: torch.device

    @contextmanager
    def attended(self) -> Iterator[None]:
        """Be there for the others. When the leader leaves, it needs nobody any more."""
        with Meeting(self.group).present():
            try:
                yield
            finally:
                if self.group.rank == 0:
                    self.group.end()

    @contextmanager
    def led(self, context: Context, waiting: Say, joining: Say) -> Iterator[Parallel]:
        """As the leader: have the others come, and send them what the take is made from. Raises LostPeerError.

        joining: told when all have come; then nothing is, until the last has joined.
        """
        Meeting(self.group).begin(waiting)
        joining()
        with joined(self.group, self.layout, self.device) as found:
            found.everyone.given(packed(context))
            yield found

    @contextmanager
    def followed(self, waiting: Say, joining: Say, *, per_token: bool) -> Iterator[tuple[Context, Parallel] | None]:
        """As one of the others: what the leader sends; None where it needs nobody. joining: as of `led`.
        Raises LostPeerError."""
        if not Meeting(self.group).await_leader(waiting):
            yield None
            return
        joining()
        with joined(self.group, self.layout, self.device) as found:
            yield unpacked(found.everyone.given(None), self.device, per_token=per_token), found
