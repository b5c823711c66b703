"""How the processes of a group meet, through files in its folder, before they use torch.distributed. Until then each
may load for minutes, fail or die, and the others must notice."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import LostPeerError, Problem
from wan_render.render_values import Group
from wan_render.store.file_locks import NOTICE_SECONDS, if_free, locked

PATIENCE_SECONDS = 900.0
"""How long to wait for a device that has not come: its process may have to start, or to free another model."""

LOOK_SECONDS = 0.01
"""How often a waiting process looks, which takes 0.04 to 0.07 ms. Each take has two waits, one after the other: for the
others to be ready, and for the leader to begin. With 0.1 s they took 0.16 s together, where all were ready at once."""

Say = Callable[[], None]
"""Called at once and then every second while waiting."""


@dataclass(frozen=True)
class Meeting:
    """The group as seen by one of its processes. Call the methods inside `present`."""

    group: Group
    patience_seconds: float = PATIENCE_SECONDS

    @contextmanager
    def present(self) -> Iterator[None]:
        """Inside, the others see this process as present, by a lock that the kernel frees when the process ends."""
        with locked(self._lock(self.group.rank), lambda: None, leased=False):
            self._mark("came", self.group.rank).touch()
            yield

    def begin(self, say: Say) -> None:
        """The leader is ready to denoise: wait until the others are ready, then let all begin.

        Raises LostPeerError if one of them has gone or does not come.
        """
        deadline = time.monotonic() + self.patience_seconds
        _until(lambda: self._are_ready(deadline), say)
        self._begun.touch()

    def await_leader(self, say: Say) -> bool:
        """This process is ready: wait until the leader begins. False if the leader does not need it, or the attempt is
        over and its folder removed. Raises LostPeerError if the leader has gone."""
        self._mark("ready", self.group.rank).touch()
        return _until(self._leader_begins, say)

    def _are_ready(self, deadline: float) -> bool | None:
        others = range(1, self.group.size)
        for rank in others:
            if self._has_gone(rank):
                raise lost(self.group, f"device {rank} has gone")
        missing = [rank for rank in others if not self._mark("ready", rank).exists()]
        if not missing:
            return True
        absent = [rank for rank in missing if not self._mark("came", rank).exists()]
        if absent and time.monotonic() > deadline:
            raise lost(self.group, f"device {absent[0]} did not come within {self.patience_seconds:.0f} s")
        return None

    def _leader_begins(self) -> bool | None:
        gone = self._has_gone(0)  # checked first: a leader marks the group as over before it goes
        if self.group.is_over or not self.group.rendezvous.exists():
            return False
        if gone:
            raise lost(self.group, "the leading device has gone")
        return True if self._begun.exists() else None

    @property
    def _begun(self) -> Path:
        return self.group.rendezvous / "begun"

    def _has_gone(self, rank: int) -> bool:
        if not self._mark("came", rank).exists():
            return False
        with if_free(self._lock(rank), leased=False) as is_free:
            return is_free

    def _lock(self, rank: int) -> Path:
        return self.group.rendezvous / f"present-{rank}"

    def _mark(self, what: str, rank: int) -> Path:
        return self.group.rendezvous / f"{what}-{rank}"


def _until(look: Callable[[], bool | None], say: Say) -> bool:
    """Poll until `look` returns a bool; call `say` meanwhile."""
    notice = 0.0
    while (found := look()) is None:
        if time.monotonic() >= notice:
            say()
            notice = time.monotonic() + NOTICE_SECONDS
        time.sleep(LOOK_SECONDS)
    return found


def lost(group: Group, found: str) -> LostPeerError:
    """An error that is worth retrying. found: what is known about the other devices."""
    where = f"device {group.rank} of a group of {group.size}"
    return LostPeerError(Problem(where, found, remedy="the log of their processes says why; the take is retried"))


def unreachable(group: Group, fault: Exception) -> LostPeerError:
    """The same, for an exception of torch.distributed."""
    said = " ".join(f"{type(fault).__name__}: {fault}".split())[:300]
    return lost(group, f"lost the others ({said})")
