"""How the processes of a group find each other, by files in its folder, before they speak through torch.distributed:
until then each may load for minutes, fail, or die, and the others are to know."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wan_render.errors import LostPeerError, Problem
from wan_render.render_values import Group
from wan_render.store.take_locks import NOTICE_SECONDS, POLL_SECONDS, if_free, locked

PATIENCE_SECONDS = 900.0
"""For a device that has not even come: its process may still have to be started, or to free another model."""

Say = Callable[[], None]
"""Told at once and then every second by whoever waits."""


@dataclass(frozen=True)
class Meeting:
    """The group as seen by one of its processes, which is `present`."""

    group: Group
    patience_seconds: float = PATIENCE_SECONDS

    @contextmanager
    def present(self) -> Iterator[None]:
        """Be there, until the end of this or of the process: the others see it by a lock that the kernel frees."""
        with locked(self._lock(self.group.rank), lambda: None):
            self._mark("came", self.group.rank).touch()
            yield

    def begin(self, say: Say) -> None:
        """The leader is about to denoise: wait until the others are ready, then let all begin.

        Raises LostPeerError where one of them has gone, or does not come.
        """
        deadline = time.monotonic() + self.patience_seconds
        _until(lambda: self._are_ready(deadline), say)
        self._begun.touch()

    def await_leader(self, say: Say) -> bool:
        """Ready: wait until the leader begins; False where it needs nobody, or the whole attempt is over and its folder
        removed. Raises LostPeerError where the leader has gone."""
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
        gone = self._has_gone(0)  # looked at first: a leader says that it is over before it goes
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
        with if_free(self._lock(rank)) as is_free:
            return is_free

    def _lock(self, rank: int) -> Path:
        return self.group.rendezvous / f"present-{rank}"

    def _mark(self, what: str, rank: int) -> Path:
        return self.group.rendezvous / f"{what}-{rank}"


def _until(look: Callable[[], bool | None], say: Say) -> bool:
    """What is found by looking again and again."""
    notice = 0.0
    while (found := look()) is None:
        if time.monotonic() >= notice:
            say()
            notice = time.monotonic() + NOTICE_SECONDS
        time.sleep(POLL_SECONDS)
    return found


def lost(group: Group, found: str) -> LostPeerError:
    """An error that is worth another attempt. found: what is known of the others."""
    where = f"device {group.rank} of a group of {group.size}"
    return LostPeerError(Problem(where, found, remedy="the log of their processes says why; the take is tried again"))


def unreachable(group: Group, fault: Exception) -> LostPeerError:
    """The same, for what torch.distributed has raised."""
    said = " ".join(f"{type(fault).__name__}: {fault}".split())[:300]
    return lost(group, f"lost the others ({said})")
