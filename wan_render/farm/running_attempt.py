"""One attempt at a take, by one device or a group. Rank 0 leads, in the caller's thread. Each other rank helps, in a
thread of its own; its device is free for other takes when its part is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wan_render.errors import LostPeerError, OutOfMemoryError, Problem, WanRenderError
from wan_render.farm.farm_settings import FarmSettings
from wan_render.farm.groups.rendezvous import make_rendezvous, remove_rendezvous
from wan_render.farm.held_devices import DeviceHold
from wan_render.farm.process.attempt_log import log_of_rank
from wan_render.farm.process.channel import OrderMessage
from wan_render.farm.process.device_process import DeviceProcess, LostProcessError
from wan_render.printable import logger
from wan_render.production.render_order import RenderOrder
from wan_render.render_values import Group, Listen, Phase, Progress
from wan_render.store import Clip

GRACE_SECONDS = 2.0
"""How long the other ranks may go on after a failure: their errors may tell more about the cause."""

WRITING_SECONDS = 30.0
"""How long a rank that will be killed may go on writing the take before this one. Writing takes seconds."""

_log = logger(__name__)


@dataclass(eq=False)
class Rank:
    """One device's part in an attempt.

    error:        why it failed; None if it did not.
    was_ended:    whether it was killed because another rank had failed.
    was_needless: whether the leader no longer needed it when it failed.
    """

    hold: DeviceHold
    order: RenderOrder
    log: Path
    error: BaseException | None = None
    is_over: bool = False
    was_ended: bool = False
    was_needless: bool = False

    @property
    def device(self) -> str:
        """The name of its device."""
        return self.hold.held.device.name


@dataclass(frozen=True)
class AttemptContext:
    """What a farm shares with its attempts.

    changed:    the farm's lock.
    start:      returns the process on a hold's device, warm or new.
    discard:    removes a failed process, so that its device can be used again.
    is_stopped: whether the farm was stopped.
    """

    settings: FarmSettings
    changed: threading.Condition
    start: Callable[[DeviceHold, RenderOrder, Path], DeviceProcess]
    discard: Callable[[DeviceHold], None]
    is_stopped: Callable[[], bool]


class RunningAttempt:
    """The ranks of one attempt. Call `render` once, then `settle`. It ends its holds."""

    def __init__(self, context: AttemptContext, order: RenderOrder, holds: Sequence[DeviceHold], log: Path) -> None:
        """order: as for one device. log: the leader's. Raises MachineError or DiskError if a group cannot meet."""
        self._context = context
        self._group = Group(0, len(holds), make_rendezvous(context.settings.locks)) if len(holds) > 1 else None
        names = tuple(hold.held.device.name for hold in holds)
        self._ranks = [
            Rank(hold, self._order(order, rank, names), log_of_rank(log, rank)) for rank, hold in enumerate(holds)
        ]
        self._failures: list[Rank] = []
        self._is_ending = self._is_settled = self._are_released = False
        self._left = 0
        self.was_aborted = False
        """Whether `abort` was called."""

    @property
    def log(self) -> Path:
        """What the leader prints."""
        return self._leader.log

    def render(self, listen: Listen) -> Clip:
        """The leader's clip. `listen` gets the leader's progress, in this thread. Raises what the leader raised, once
        every rank has ended; `cause` then is the rank that failed first."""
        for rank in self._ranks[1:]:
            threading.Thread(target=self._help, args=(rank,), name=f"helps {rank.order.shot}", daemon=True).start()
        try:
            clip: Clip = self._attempt(self._leader, self._heard(listen))
        except BaseException:
            with self._context.changed:
                self._context.changed.wait_for(lambda: all(rank.is_over for rank in self._ranks))
            self._context.discard(self._leader.hold)
            raise
        return clip

    @property
    def cause(self) -> Rank:
        """The rank that most likely failed first. Ranks that were killed by us are left out. Running out of memory is
        never a consequence of another failure, the death of a process rarely is, the loss of another rank always is."""
        return min((rank for rank in self._failures if not rank.was_ended), key=_likeliness)

    @property
    def processes(self) -> frozenset[DeviceProcess]:
        """The processes of its ranks that have not ended."""
        return frozenset(rank.hold.process for rank in self._unfinished() if rank.hold.process is not None)

    def abort(self) -> None:
        """Kill its processes, which work for no other attempt. `render` then raises. The farm's lock is held."""
        self.was_aborted = self._is_ending = True
        self._end(self._unfinished())

    def settle(self) -> None:
        """End the leader's hold. The farm has noted what a failure means, so the devices can be used again."""
        with self._context.changed:
            self._is_settled = True
            self._context.changed.notify_all()
        self._leave(self._leader)

    @property
    def _leader(self) -> Rank:
        return self._ranks[0]

    def _order(self, order: RenderOrder, rank: int, names: tuple[str, ...]) -> RenderOrder:
        if self._group is None:
            return order
        group = replace(self._group, rank=rank)
        return replace(order, group=group, helpers=names[1:], later=() if rank else order.later)

    def _heard(self, listen: Listen) -> Listen:
        def heard(progress: Progress) -> None:
            if progress.phase is Phase.WRITING:
                if self._leader.hold.process is not None:
                    self._leader.hold.process.growth.look(self._leader.order)
                self._release_helpers()
                with self._context.changed:
                    self._leader.hold.leave()
                    self._context.changed.notify_all()
            listen(progress)

        return heard

    def _attempt(self, rank: Rank, listen: Listen) -> Any:
        try:
            message = OrderMessage(rank.order, f"shot {rank.order.shot}", rank.log)
            process = self._start(rank)
            result = process.attempt(message, listen, self._context.settings.stall, self._expected_seconds(rank))
        except BaseException as error:
            self._failed(rank, error)
            raise
        finally:
            if rank is self._leader:
                self._release_helpers()
        self._over(rank)
        return result

    def _expected_seconds(self, rank: Rank) -> float:
        kind = rank.hold.held.device.kind
        return 0.0 if rank.order.take.through else rank.order.backend.expected_seconds(rank.order.take, kind)

    def _start(self, rank: Rank) -> DeviceProcess:
        with self._context.changed:
            if rank.was_ended:
                raise LostProcessError(Problem(rank.device, "was stopped"))
            return self._context.start(rank.hold, rank.order, rank.log)

    def _over(self, rank: Rank) -> None:
        with self._context.changed:
            rank.is_over = True
            self._context.changed.notify_all()

    def _help(self, rank: Rank) -> None:
        """The thread of a rank that does not lead. After a failure it keeps its device until `settle`."""
        with suppress(Exception):  # it is noted; if it is the cause, the leader's thread raises it
            self._attempt(rank, _to_nobody)
        if rank.error is not None:
            with self._context.changed:
                self._context.changed.wait_for(lambda: self._is_settled)
            self._context.discard(rank.hold)
        self._leave(rank)

    def _leave(self, rank: Rank) -> None:
        with self._context.changed:
            self._left += 1
            is_last = self._left == len(self._ranks)
        if is_last and self._group is not None:
            remove_rendezvous(self._group.rendezvous)
        with self._context.changed:
            rank.hold.end()
            if self._context.is_stopped() and not rank.hold.held.busy:
                rank.hold.held.lock.release()
            self._context.changed.notify_all()

    # Failures

    def _failed(self, rank: Rank, error: BaseException) -> None:
        """Note a failure and kill the other ranks: they might wait for this one forever."""
        if rank is self._leader:
            self._release_helpers()
        with self._context.changed:
            rank.error, rank.is_over = error, True
            self._failures.append(rank)
            self._context.changed.notify_all()
            if self._is_ending:
                return
            self._is_ending = True
            if isinstance(error, WanRenderError):
                self._give_time(rank)
            if self._is_needless(rank):
                self._is_ending, rank.was_needless = False, True
                _log.warning("%s failed when its part of %s was done: %s", rank.device, rank.order.shot, error)
            else:
                self._end(self._unfinished())

    def _give_time(self, failed: Rank) -> None:
        """Give the other ranks time, unless the farm is stopped or the leader does not need the failed one."""

        def wait(condition: Callable[[], bool], seconds: float) -> None:
            def is_time() -> bool:
                return self._context.is_stopped() or self._is_needless(failed) or condition()

            self._context.changed.wait_for(is_time, seconds)

        wait(lambda: not self._unfinished(), GRACE_SECONDS)
        wait(lambda: not any(rank.hold.held.writing for rank in self._unfinished()), WRITING_SECONDS)

    def _is_needless(self, rank: Rank) -> bool:
        """Whether the leader no longer needs this rank: the take is not lost."""
        if rank is self._leader or self._group is None or self._leader.error is not None:
            return False
        return self._are_released or self._group.is_over

    def _unfinished(self) -> list[Rank]:
        return [rank for rank in self._ranks if not rank.is_over]

    @staticmethod
    def _end(ranks: Sequence[Rank]) -> None:
        """Kill these ranks now. One that has not begun does not begin."""
        for rank in ranks:
            rank.was_ended = True
            if rank.hold.process is not None:
                rank.hold.process.kill()

    def _release_helpers(self) -> None:
        """Let the ranks that wait for the leader go. If the rendezvous cannot be written to, they are killed."""
        with self._context.changed:
            self._are_released = True
        if self._group is None:
            return
        try:
            self._group.end()
        except OSError as error:
            _log.warning("%s: cannot be written to: %s", self._group.rendezvous, error.strerror)
            with self._context.changed:
                self._end([rank for rank in self._unfinished() if rank is not self._leader])


def _likeliness(rank: Rank) -> int:
    """Sorts failed ranks: the likeliest cause first."""
    if not isinstance(rank.error, WanRenderError):
        return 0  # raised in this process, by a listener
    if isinstance(rank.error, LostPeerError):
        return 5
    if rank.was_needless:
        return 4
    return 1 if isinstance(rank.error, OutOfMemoryError) else 2 if isinstance(rank.error, LostProcessError) else 3


def _to_nobody(_progress: Progress) -> None:
    """Ignores the progress of a rank that does not lead: the leader reports the same."""
